"""Where a running study writes: its output folder, or a local working copy of one on shared storage.

An object store cannot append to a file, so records are written locally and copied whenever they have changed. Ray
Tune's checkpoints go to the storage directly from the nodes that train. If the storage does not answer for a while,
the study continues, and missing files are copied once it answers again.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypertune.storage.files import JOURNAL, LOCK
from hypertune.storage.lease import LEASE, Lease, LeaseLost, is_held
from hypertune.storage.mirror import Mirror
from hypertune.storage.patience import storage_patience_s
from hypertune.storage.storage import Place, Storage, is_url, resume_command


@dataclass(frozen=True, slots=True)
class Workspace:
    """The local folder to write to, and the storage of which it is a working copy, if any.

    Attributes:
        copied: waits until the state of the folder at a given `time.monotonic()` is on the storage; returns whether it
            is.
        lost: says why the study cannot go on, if another process writes to the storage by now; else None.
    """

    folder: Path
    storage: Storage | None = None
    copied: Callable[[float], bool] = lambda since: True
    lost: Callable[[], str | None] = lambda: None

    @property
    def place(self) -> str:
        """The place shown to the user."""
        return str(self.storage or self.folder)


@contextmanager
def workspace(out: Place, *, resume: bool) -> Iterator[Workspace]:
    """The workspace of a study at `out`; when the block ends, the storage has all of its files.

    Raises:
        ValueError: if the URL holds a study and `resume` is false, if another process writes to it, or if the storage
            does not answer; at the end of the block only after retrying, or if another process writes to it by now.
    """
    if not is_url(out):
        yield Workspace(Path(out))
        return
    storage = Storage(str(out))
    folder = _folder_for(storage)
    if is_running(folder):
        raise ValueError(f"{storage}: another hypertune on this machine is writing to it")
    if not resume:
        _check_free(storage)
    with Lease(storage) as lease:
        if not resume:
            _check_free(storage)  # again, since another study may have begun and ended meanwhile
        _fill(folder, storage, resume=resume)
        mirror = Mirror(folder, storage, check=lease.check)
        try:
            yield Workspace(folder, storage, mirror.copied, lambda: lease.lost)
        finally:
            try:
                mirror.close(storage_patience_s())
            except LeaseLost as lost:
                raise ValueError(f"{lost}; {_set_aside(folder, lease.nonce)}") from None
    # Removed only now that the storage has everything, and when the process ends, since callers may still read it.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _check_free(storage: Storage) -> None:
    """Checks that a new study may go there.

    Raises:
        ValueError: if there is anything but a lease, which is all that a driver has left that was killed at once.
    """
    if any(name != LEASE for name in storage.files()):
        raise ValueError(f"--out {storage}: already holds files; choose another place, or --resume {storage}")


def _set_aside(folder: Path, suffix: str) -> str:
    """Keeps a working copy that the next resume would replace by what the storage has; says where, and what for."""
    if not folder.is_dir():
        return "nothing had been recorded"
    kept = folder.rename(folder.with_name(f"{folder.name}-{suffix}"))
    return f"what this one has recorded is in {kept}; to go on with that by itself: {resume_command(kept)}"


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
