"""The output folder of a study: locked by one process and never overwritten."""

from __future__ import annotations

import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from hypertune.storage.files import JOURNAL, LOCK, STUDY, write_atomically
from hypertune.study.study import Study

FILES = (STUDY, "provenance.json", "trials.csv", "curves.parquet", "mlflow.db")
FOLDERS = (JOURNAL.parent.name, "configs", "logs", "mlflow", "tensorboard")
"""What a run may have written before it records anything."""


class Claim:
    """An output folder that this process has locked, until `release` or the end of a `with` block.

    Args:
        new: whether the folder was made for the study.
        resumed: whether it has been a study's before.
    """

    def __init__(self, folder: Path, lock: FileLock, *, new: bool, resumed: bool) -> None:
        self.folder, self._lock, self._new, self._resumed = folder, lock, new, resumed
        self._inode = _inode(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Gives the folder up; one in which nothing has been recorded is free again, unless it was a study's before.

        Never raises an OSError, which would hide why a study has ended.
        """
        with suppress(OSError):
            if not self._resumed and not self._replaced() and not holds_events(self.folder):
                _discard(self.folder, whole=self._new)
        with suppress(OSError):
            self._lock.release()

    def _replaced(self) -> bool:
        """Whether the folder has been removed, and may be another study's by now."""
        return _inode(self.folder) != self._inode


def claim(folder: Path, study: Study, *, resume: bool, extends: bool = False) -> Claim:
    """Locks `folder` for this process, and writes `study.toml` into a new one, or again if the study was extended.

    Raises:
        ValueError: if the folder holds something else, cannot be written, or another process is writing to it.
    """
    if not resume:
        check_free(folder)
    new = not folder.exists()
    try:
        (folder / JOURNAL.parent).mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        lock.acquire(timeout=0)
        claimed = Claim(folder, lock, new=new, resumed=resume)
    except Timeout:
        raise ValueError(f"--out {folder}: another hypertune is writing to it") from None
    except OSError as error:
        with suppress(OSError):  # neither is if there is anything else in them
            (folder / JOURNAL.parent).rmdir()
            if new:
                folder.rmdir()
        raise ValueError(f"--out {folder}: cannot be written ({error.strerror})") from None
    try:
        if not resume:
            check_free(folder)  # again, since another study may have begun and ended meanwhile
        if not resume or extends:
            write_atomically(folder / STUDY, study.to_toml())
    except BaseException as error:
        claimed.release()
        if isinstance(error, OSError):
            raise ValueError(f"--out {folder}: cannot be written ({error.strerror})") from None
        raise
    return claimed


def _inode(folder: Path) -> tuple[int, int]:
    """What tells the folder's lock file from any other; an open file's is not used again."""
    there = (folder / LOCK).stat()
    return there.st_dev, there.st_ino


def check_free(folder: Path) -> None:
    """Checks that a new study may go to `folder`: it is empty, or a study was cut off before it could write a file.

    Raises:
        ValueError: if it holds anything.
    """
    if folder.exists() and (not folder.is_dir() or _holds_anything(folder)):
        raise ValueError(
            f"--out {folder}: already holds {_what_it_holds(folder)}; choose another folder, "
            f"or continue it by --resume {shlex.quote(str(folder))}"
        )


def _holds_anything(folder: Path) -> bool:
    locks = folder / LOCK.parent
    return any(entry != locks for entry in folder.iterdir()) or (
        locks.exists() and (not locks.is_dir() or any(entry != folder / LOCK for entry in locks.iterdir()))
    )


def holds_events(folder: Path) -> bool:
    """Whether the study in `folder` has recorded any event."""
    journal = folder / JOURNAL
    if not journal.exists():
        return False
    with journal.open("rb") as file:
        return any(b'"event": "planned"' not in line for line in file)  # planning alone is not a beginning


def _discard(folder: Path, *, whole: bool) -> None:
    """Removes the files of a run that recorded nothing, of which the folder may hold others by now.

    Args:
        whole: whether the folder itself goes, too, if nothing else is in it.
    """
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    if whole:
        folder.rmdir()


def _what_it_holds(folder: Path) -> str:
    return "another study" if (folder / STUDY).exists() else "files that are not a study's"


def default(study: Study) -> Path:
    """The output folder without `--out`: `hypertune-out/NAME`, numbered if it already exists."""
    base = Path("hypertune-out")
    candidates = [base / study.name, *(base / f"{study.name}-{n}" for n in range(2, 10_000))]
    return next(path for path in candidates if not path.exists())
