"""Where a running study writes: its output folder, or a working copy of one that lies on shared storage.

An object store cannot append to a file, so the records are written here and copied there whenever they have changed;
Ray Tune's checkpoints go there directly, from the nodes that train. A storage that does not answer for a while holds
nothing up: what is missing follows when it answers again.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import json
import math
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hypertune.storage.files import JOURNAL, LOCK, now
from hypertune.storage.patience import storage_patience_s
from hypertune.storage.storage import Place, Storage, StorageError, is_url, upload

LEASE = "sweeps/lease.json"
LEASE_SECONDS = 60.0
"""How long after its last sign of life a study's writer counts as alive."""
INTERVAL_SECONDS = 2.0
"""Least seconds between two copies."""
SHARE = 0.2
"""Share of the time that may go into copying; it happens in a thread that mostly waits for the network."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder on this machine to write to, and the storage that it is a working copy of, if any.

    Attributes:
        copied: waits until what was in the folder at a moment (of `time.monotonic`) is in the storage, and says whether
            it is.
    """

    folder: Path
    storage: Storage | None = None
    copied: Callable[[float], bool] = lambda since: True

    @property
    def place(self) -> str:
        """What to call it to a user."""
        return str(self.storage or self.folder)


@contextmanager
def workspace(out: Place, *, resume: bool) -> Iterator[Workspace]:
    """The workspace of a study at `out`; when the block ends, the storage holds what the folder holds.

    Raises:
        ValueError: if there is a study at the URL and it is not to be resumed, if another process writes to it, or if
            the storage does not answer, at the end for longer than it has patience.
    """
    if not is_url(out):
        yield Workspace(Path(out))
        return
    storage = Storage(str(out))
    if not resume and next(storage.files(), None):
        raise ValueError(f"--out {storage}: holds files already; choose another place, or --resume {storage}")
    take_lease(storage)
    folder = _folder_for(storage)
    try:
        _fill(folder, storage, resume=resume)
        mirror = Mirror(folder, storage)
        try:
            yield Workspace(folder, storage, mirror.copied)
        finally:
            mirror.close(storage_patience_s())
    finally:
        with suppress(StorageError):  # an unreachable storage has been told of; the lease runs out by itself
            storage.delete(LEASE)
    # Only now that the storage holds everything; a caller may go on reading the folder while it lives.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _folder_for(storage: Storage) -> Path:
    base = Path(os.environ.get("HYPERTUNE_WORK_DIR") or "~/.cache/hypertune/working").expanduser()
    return base / hashlib.sha256(storage.url.encode()).hexdigest()[:16]


def _fill(folder: Path, storage: Storage, *, resume: bool) -> None:
    """Brings the working copy to where the study stands.

    One that a killed driver left on this machine is ahead of the storage by what had not been copied yet, and is kept.
    """
    stored = storage.read(JOURNAL.as_posix()) if resume else None
    left = folder / JOURNAL
    if stored is not None and left.is_file() and left.read_bytes().startswith(stored):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    if resume:
        storage.download(folder, (name for name in storage.files() if name != LEASE))


def take_lease(storage: Storage) -> None:
    """Makes the storage this process's own for `LEASE_SECONDS`, unless another one's it is.

    Raises:
        ValueError: if another process has written to it within that time.
    """
    held = storage.read(LEASE)
    if held is not None:
        owner = json.loads(held)
        age = _age_s(owner)
        if age < LEASE_SECONDS and not (_has_died(owner) or _is_us(owner)):
            raise ValueError(
                f"{storage}: another hypertune is writing to it (process {owner['pid']} on {owner['host']}, "
                f"{age:.0f} s ago); if that one was killed, try again in {LEASE_SECONDS - age:.0f} s"
            )
    _write_lease(storage)


def _has_died(owner: dict[str, str | int]) -> bool:
    """Whether the process that holds a lease ran on this machine and is gone."""
    if owner["host"] != socket.gethostname():
        return False
    try:
        os.kill(int(owner["pid"]), 0)
    except ProcessLookupError:
        return True
    return False


def _is_us(owner: dict[str, str | int]) -> bool:
    return owner["host"] == socket.gethostname() and int(owner["pid"]) == os.getpid()


def _age_s(owner: dict[str, str | int]) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(str(owner["at"]))).total_seconds()


def is_running(place: Place) -> bool:
    """Whether a process is writing the study at `place`: it holds a lock or, at a URL, a lease as long as it lives.

    Raises:
        ValueError: if a storage does not answer.
    """
    if is_url(place):
        held = Storage(str(place)).read(LEASE)
        owner = json.loads(held) if held is not None else None
        return owner is not None and _age_s(owner) < LEASE_SECONDS and not _has_died(owner)
    lock = Path(place) / LOCK
    if not lock.exists():
        return False
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def _write_lease(storage: Storage) -> None:
    storage.write(LEASE, json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "at": now()}).encode())


class Mirror:
    """Copies what changes in `folder` to `storage`, in a thread, from its construction until `close`.

    Args:
        tell: is given a line when the storage stops answering, and when it does again.
    """

    def __init__(self, folder: Path, storage: Storage, *, tell: Callable[[str], None] | None = None) -> None:
        self.folder, self.storage = folder, storage
        self.known: dict[str, tuple[int, int]] = {}
        self._tell = tell or tell_user
        self._failing = False
        self._last, self._copied = -math.inf, threading.Condition()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hypertune-mirror", daemon=True)
        self._thread.start()

    def close(self, patience_s: float) -> None:
        """Copies what is left.

        Raises:
            ValueError: if the storage does not answer for `patience_s`; says where the results are instead.
        """
        self._ended.set()
        self._thread.join()
        deadline = time.monotonic() + patience_s
        while not self._copy():
            if time.monotonic() > deadline:
                raise ValueError(
                    f"{self.storage}: the last results could not be copied there; they lie in {self.folder}, and "
                    f"hypertune compare --resume {self.storage} on this machine goes on from them"
                )
            time.sleep(INTERVAL_SECONDS)

    def copied(self, since: float) -> bool:
        """Waits until a copy that began after `since` has come through; False if none does for a long time."""
        with self._copied:
            return self._copied.wait_for(lambda: self._last > since, timeout=storage_patience_s())

    def _work(self) -> None:
        pause, lease_due = 0.0, time.monotonic() + LEASE_SECONDS / 4
        while not self._ended.wait(max(INTERVAL_SECONDS, pause)):
            began = time.monotonic()
            # A sign of life now and then, also while nothing changes.
            if self._copy(lease=began >= lease_due) and began >= lease_due:
                lease_due = began + LEASE_SECONDS / 4
            pause = (time.monotonic() - began) / SHARE

    def _copy(self, lease: bool = False) -> bool:
        """One round; whether it came through."""
        began = time.monotonic()
        try:
            if lease:
                _write_lease(self.storage)
            if self.folder.exists():
                upload(self.folder, self.storage, self.known)
            else:  # the study never began, and the driver has cleared up behind it
                for name in list(self.known):
                    self.storage.delete(name)
                    del self.known[name]
        except StorageError as error:
            self._note(failing=True, line=f"{error}; going on, the results are kept in {self.folder} meanwhile")
            return False
        self._note(failing=False, line=f"{self.storage}: answers again")
        with self._copied:
            self._last = began
            self._copied.notify_all()
        return True

    def _note(self, *, failing: bool, line: str) -> None:
        if failing != self._failing:
            self._failing = failing
            self._tell(line)


def tell_user(line: str) -> None:
    """One line beside whatever a command prints; never to its output, which may be read by a program."""
    print(f"hypertune: {line}", file=sys.stderr, flush=True)


def collect(work: Workspace, name: str) -> None:
    """Fetches a file that a worker wrote to the storage, so that the working copy has it too."""
    if work.storage is not None and not (work.folder / name).exists():
        work.storage.download(work.folder, [name])
