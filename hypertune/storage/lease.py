"""The lease of a study on shared storage: a file that its writer renews, since object stores have no locks."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Self

import msgspec

from hypertune.storage.storage import Storage, StorageError

LEASE = "sweeps/lease.json"
LEASE_SECONDS = 60.0
"""Seconds after its last heartbeat that a study's writer still counts as alive."""
SETTLE_S = 1.0
"""Seconds after which a lease that was taken is read again, so that whoever takes it at the same moment shows."""
LOOK_S = 1.0
"""Seconds for which a lease that was read is believed to be the same."""
RETRY_S = 2.0
"""Seconds until the next attempt to renew a lease where the storage does not answer."""


class LeaseLost(ValueError):
    """Another process has taken a lease that this one held, or somebody has removed it."""


class Holder(msgspec.Struct, frozen=True):
    """The process that holds a lease, and when it last renewed it.

    Attributes:
        nonce: tells one holding of the lease from every other.
    """

    host: str
    pid: Annotated[int, msgspec.Meta(gt=0, lt=2**31)]
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    nonce: str = ""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def age_s(self) -> float:
        return (datetime.now(UTC) - self.at).total_seconds()

    def is_alive(self) -> bool:
        """Whether it counts as alive: it has renewed the lease lately, and has not ended on this machine."""
        return self.age_s() < LEASE_SECONDS and not self._has_died()

    def is_us(self) -> bool:
        return self.host == socket.gethostname() and self.pid == os.getpid()

    def _has_died(self) -> bool:
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # another user's process
            return False
        return False


class Lease:
    """The lease of a study on `storage`, held within a `with` block and renewed in a thread.

    Neither pyarrow nor fsspec offers a write that fails where somebody else has written, for all of their storage. A
    lease is therefore taken by writing it and reading it again after `SETTLE_S`: of several processes that take it at
    once, those that no longer find their own are refused.

    Guaranteed, where the storage shows at once what was written (S3, Google's, Azure's, a file server): of several
    processes, all but the last one that has written the lease end, each at its next `check` or renewal. Nobody takes
    the lease of a process that renews it, as long as the clocks of their machines differ by seconds only.

    Not guaranteed: that there is no moment with two of them. If a request to write the lease takes longer than
    `SETTLE_S`, or a process goes on after a silence of `LEASE_SECONDS`, a request that it has already sent still
    arrives, and what its trials write themselves (checkpoints, the model) does until it has noticed.

    Raises:
        ValueError: on entering the block, if another process holds the lease, or it cannot be read.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage, self.nonce = storage, secrets.token_hex(8)
        self.lost: str | None = None
        """Why it is no longer ours."""
        self._seen: float | None = None
        """When it was last seen to be ours, by the clock that goes on while a machine sleeps."""
        self._lock = threading.Lock()  # not all storage replaces a file at once
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="hypertune-lease", daemon=True)

    def __enter__(self) -> Self:
        holder = _holder(self._storage)
        if holder is not None and holder.is_alive() and not holder.is_us():
            age_s = holder.age_s()
            raise ValueError(
                f"{self._storage}: another hypertune is writing to it ({holder}, {age_s:.0f} s ago); if it was killed, "
                f"try again in {LEASE_SECONDS - age_s:.0f} s"
            )
        self._write()
        time.sleep(SETTLE_S)
        try:
            self._look()
        except LeaseLost as lost:
            raise ValueError(f"{lost}; both began at the same moment, and this one ends") from None
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        with suppress(LeaseLost, StorageError):  # another's is left alone; one that cannot be deleted expires
            self._look()
            self._storage.delete(LEASE)

    def check(self) -> None:
        """Reads whether the lease is still this process's, unless that was seen less than `LOOK_S` ago.

        Raises:
            LeaseLost: if it is not.
            StorageError: if the storage does not answer.
        """
        with self._lock:
            if self.lost or self._seen is None or abs(time.time() - self._seen) >= LOOK_S:
                self._look()

    def _keep(self) -> None:
        pause = LEASE_SECONDS / 4
        while not self._ended.wait(pause):
            try:
                with self._lock:
                    self._look()
                    self._write()
                pause = LEASE_SECONDS / 4
            except LeaseLost:
                return
            except StorageError:  # of which whoever copies to the storage tells
                pause = min(RETRY_S, LEASE_SECONDS / 4)

    def _look(self) -> None:
        if self.lost is None:
            holder = _holder(self._storage)
            if holder is None:
                self.lost = f"{self._storage}: its lease ({LEASE}) has been removed, by another hypertune or by hand"
            elif holder.nonce != self.nonce:
                self.lost = f"{self._storage}: another hypertune writes to it by now ({holder})"
        if self.lost is not None:
            raise LeaseLost(self.lost)
        self._seen = time.time()

    def _write(self) -> None:
        ours = Holder(socket.gethostname(), os.getpid(), datetime.now(UTC), self.nonce)
        self._storage.write(LEASE, msgspec.json.encode(ours))


def is_held(storage: Storage) -> bool:
    """Whether a process that counts as alive holds the storage's lease.

    Raises:
        ValueError: if the storage does not answer, or the lease cannot be read.
    """
    holder = _holder(storage)
    return holder is not None and holder.is_alive()


def _holder(storage: Storage) -> Holder | None:
    """Who holds the storage's lease; None without one.

    Raises:
        StorageError: if it was written by half only, as may happen where files are not replaced at once.
    """
    content = storage.read(LEASE)
    try:
        return None if content is None else msgspec.json.decode(content, type=Holder)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StorageError(
            f"{storage.url_of(LEASE)}: cannot be read ({error}); try again, and remove it if nobody writes that study"
        ) from None
