"""The lease of a study on shared storage: a file that its writer renews, since object stores have no locks."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from hypertune.storage.storage import Storage

LEASE = "sweeps/lease.json"
LEASE_SECONDS = 60.0
"""Seconds after its last heartbeat that a study's writer still counts as alive."""


class Holder(msgspec.Struct, frozen=True):
    """The process that holds a lease, and when it last renewed it."""

    host: str
    pid: Annotated[int, msgspec.Meta(gt=0, lt=2**31)]
    at: Annotated[datetime, msgspec.Meta(tz=True)]

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


def take_lease(storage: Storage) -> None:
    """Takes the storage's lease for `LEASE_SECONDS`, unless another process holds it.

    Raises:
        ValueError: if another process has renewed the lease within that time, or the lease cannot be read.
    """
    holder = _holder(storage)
    if holder is not None and holder.is_alive() and not holder.is_us():
        age_s = holder.age_s()
        raise ValueError(
            f"{storage}: another hypertune is writing to it (process {holder.pid} on {holder.host}, "
            f"{age_s:.0f} s ago); if it was killed, try again in {LEASE_SECONDS - age_s:.0f} s"
        )
    renew(storage)


def renew(storage: Storage) -> None:
    """Writes the lease of this process."""
    ours = Holder(socket.gethostname(), os.getpid(), datetime.now(UTC))
    storage.write(LEASE, msgspec.json.encode(ours))


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
        ValueError: if it was written by half only, as may happen where files are not replaced at once.
    """
    content = storage.read(LEASE)
    try:
        return None if content is None else msgspec.json.decode(content, type=Holder)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{storage.url_of(LEASE)}: cannot be read ({error}); try again, and remove it if nobody writes that study"
        ) from None
