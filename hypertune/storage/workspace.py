"""Where a running study writes: its output folder, or a local working copy of one on shared storage.

An object store cannot append to a file, so records are written locally and copied whenever they have changed. Ray
Tune's checkpoints go to the storage directly from the nodes that train. If the storage does not answer for a while,
the study continues, and missing files are copied once it answers again.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hypertune.storage.files import JOURNAL, LOCK
from hypertune.storage.lease import LEASE, LEASE_SECONDS, is_held, renew, take_lease
from hypertune.storage.patience import storage_patience_s
from hypertune.storage.storage import Place, Storage, StorageError, is_url, resume_command, upload
from hypertune.storage.telling import tell_user

INTERVAL_SECONDS = 2.0
"""Minimal seconds between two copies."""
SHARE = 0.2
"""Maximal share of the time spent copying, in a thread that mostly waits for the network."""
LONGEST_PAUSE_S = 10.0
"""Maximal seconds between two copies, however long the first one took."""
TELL_AFTER_S = 5.0
"""Seconds of waiting for the storage after which the user is told."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The local folder to write to, and the storage of which it is a working copy, if any.

    Attributes:
        copied: waits until the state of the folder at a given `time.monotonic()` is on the storage; returns whether it
            is.
    """

    folder: Path
    storage: Storage | None = None
    copied: Callable[[float], bool] = lambda since: True

    @property
    def place(self) -> str:
        """The place shown to the user."""
        return str(self.storage or self.folder)


@contextmanager
def workspace(out: Place, *, resume: bool) -> Iterator[Workspace]:
    """The workspace of a study at `out`; when the block ends, the storage has all of its files.

    Raises:
        ValueError: if the URL holds a study and `resume` is false, if another process writes to it, or if the storage
            does not answer; at the end of the block only after retrying.
    """
    if not is_url(out):
        yield Workspace(Path(out))
        return
    storage = Storage(str(out))
    # A driver that was killed at once has left its lease only.
    if not resume and any(name != LEASE for name in storage.files()):
        raise ValueError(f"--out {storage}: already holds files; choose another place, or --resume {storage}")
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
        with suppress(StorageError):  # has been reported already; the lease expires by itself
            storage.delete(LEASE)
    # Removed only now that the storage has everything, and when the process ends, since callers may still read it.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _folder_for(storage: Storage) -> Path:
    base = Path(os.environ.get("HYPERTUNE_WORK_DIR") or "~/.cache/hypertune/working").expanduser()
    return base / hashlib.sha256(storage.url.encode()).hexdigest()[:16]


def _fill(folder: Path, storage: Storage, *, resume: bool) -> None:
    """Fills the working copy with the study's files.

    A copy that a killed driver left on this machine is newer than the storage and is kept.
    """
    stored = storage.read(JOURNAL.as_posix()) if resume else None
    left = folder / JOURNAL
    if stored is not None and left.is_file() and left.read_bytes().startswith(stored):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    if resume:
        storage.download(folder, (name for name in storage.files() if name != LEASE))


def is_running(place: Place) -> bool:
    """Whether a process is writing the study at `place`: it holds a lock or, at a URL, a lease.

    Raises:
        ValueError: if the storage does not answer, or the lease cannot be read.
    """
    if is_url(place):
        return is_held(Storage(str(place)))
    lock = Path(place) / LOCK
    if not lock.exists():
        return False
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


class Mirror:
    """Copies changes in `folder` to `storage` in a thread, from construction until `close`.

    Args:
        tell: called with a line when the storage stops answering, and when it answers again.
    """

    def __init__(self, folder: Path, storage: Storage, *, tell: Callable[[str], None] | None = None) -> None:
        self.folder, self.storage = folder, storage
        self.known: dict[str, tuple[int, int]] = {}
        self._tell = tell or tell_user
        self._failing = self._told_waiting = False
        self._last, self._copied = -math.inf, threading.Condition()
        self._answered = time.monotonic()
        """When the storage last had everything."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hypertune-mirror", daemon=True)
        self._thread.start()

    def close(self, patience_s: float) -> None:
        """Copies the remaining changes.

        Raises:
            ValueError: if the storage does not answer for `patience_s`; names the local folder with the results.
        """
        self._ended.set()
        self._thread.join()
        deadline = self._answered + patience_s
        while not self._copy():
            if time.monotonic() > deadline:
                raise ValueError(
                    f"{self.storage}: the last results could not be copied there; they are in {self.folder}, and "
                    f"{resume_command(self.storage.url)} on this machine continues from them"
                )
            self._tell_waiting(deadline)
            time.sleep(INTERVAL_SECONDS)

    def copied(self, since: float) -> bool:
        """Waits for a copy that began after `since` to succeed; False if the storage has not answered for too long."""
        deadline = self._answered + storage_patience_s()
        with self._copied:
            for limit_s in (TELL_AFTER_S, math.inf):
                left_s = max(deadline - time.monotonic(), 0.0)
                if self._copied.wait_for(lambda: self._last > since, timeout=min(limit_s, left_s)):
                    return True
                self._tell_waiting(deadline)
        return False

    def _tell_waiting(self, deadline: float) -> None:
        left_s = deadline - time.monotonic()
        if not self._told_waiting and left_s > 0:
            self._told_waiting = True
            self._tell(f"{self.storage}: waiting up to {left_s:.0f} s for it to take what has been recorded")

    def _work(self) -> None:
        pause, lease_due = 0.0, time.monotonic() + LEASE_SECONDS / 4
        while not self._ended.wait(max(INTERVAL_SECONDS, pause)):
            began = time.monotonic()
            # A heartbeat now and then, even while nothing changes.
            if self._copy(lease=began >= lease_due) and began >= lease_due:
                lease_due = began + LEASE_SECONDS / 4
            pause = min((time.monotonic() - began) / SHARE, LONGEST_PAUSE_S)

    def _copy(self, lease: bool = False) -> bool:
        """Copies once; returns whether it succeeded."""
        began = time.monotonic()
        try:
            if lease:
                renew(self.storage)
            if self.folder.is_dir() and any(self.folder.iterdir()):
                upload(self.folder, self.storage, self.known)
            else:
                self._clear()
        except StorageError as error:
            self._note(failing=True, line=f"{error}; continuing, results are kept in {self.folder} meanwhile")
            return False
        self._note(failing=False, line=f"{self.storage}: answers again")
        with self._copied:
            self._last, self._answered, self._told_waiting = began, time.monotonic(), False
            self._copied.notify_all()
        return True

    def _clear(self) -> None:
        """Deletes what has been copied of a study that recorded nothing, whose files the driver has removed.

        Raises:
            StorageError: if something had been recorded, so that somebody else has removed them.
        """
        lines = (self.storage.read(JOURNAL.as_posix()) or b"").splitlines()
        if any(b'"event": "planned"' not in line for line in lines):
            raise StorageError(f"{self.folder}: the working copy of {self.storage} has been removed")
        for name in list(self.known):
            self.storage.delete(name)
            del self.known[name]

    def _note(self, *, failing: bool, line: str) -> None:
        if failing != self._failing:
            self._failing = failing
            self._tell(line)


def collect(work: Workspace, name: str) -> None:
    """Copies a file that a worker wrote to the storage into the working copy."""
    if work.storage is not None and not (work.folder / name).exists():
        work.storage.download(work.folder, [name])
