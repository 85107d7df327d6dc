"""The output folder of a study: claimed for one process, never overwritten, with its provenance."""

from __future__ import annotations

import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from hypertune.storage.files import JOURNAL, LOCK, write_atomically
from hypertune.study.study import Study


def claim(folder: Path, study: Study, *, resume: bool, extends: bool = False) -> FileLock:
    """Makes `folder` this process's own until the lock is released, and writes `study.toml` into a new one, or anew
    where something has been added to the study.

    Raises:
        ValueError: if the folder holds something else, or another process is writing it.
    """
    if not resume:
        check_free(folder)
    try:
        (folder / JOURNAL.parent).mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"--out {folder}: another hypertune is writing to it") from None
    except OSError as error:
        raise ValueError(f"--out {folder}: cannot be written ({error.strerror})") from None
    if not resume or extends:
        write_atomically(folder / "study.toml", study.to_toml())
    return lock


def check_free(folder: Path) -> None:
    """Checks that a new study may go to `folder`.

    Raises:
        ValueError: if it holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f"--out {folder}: holds {_what_it_holds(folder)} already; choose another folder, "
            f"or go on with it by --resume {folder}"
        )


def holds_events(folder: Path) -> bool:
    """Whether the study in `folder` has begun."""
    journal = folder / JOURNAL
    return journal.exists() and journal.stat().st_size > 0


def discard(folder: Path) -> None:
    """Removes what `claim` and a run that never began have left, so that the next try finds the place free."""
    shutil.rmtree(folder)


def _what_it_holds(folder: Path) -> str:
    return "another study" if (folder / "study.toml").exists() else "files that are no study"


def default(study: Study) -> Path:
    """Where a study goes without `--out`: `hypertune-out/NAME`, numbered where that exists already."""
    base = Path("hypertune-out")
    candidates = [base / study.name, *(base / f"{study.name}-{n}" for n in range(2, 10_000))]
    return next(path for path in candidates if not path.exists())
