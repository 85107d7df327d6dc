"""The output folder of a study: locked by one process and never overwritten."""

from __future__ import annotations

import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from hypertune.storage.files import JOURNAL, LOCK, STUDY, write_atomically
from hypertune.study.study import Study


def claim(folder: Path, study: Study, *, resume: bool, extends: bool = False) -> FileLock:
    """Locks `folder` for this process, and writes `study.toml` into a new one, or again if the study was extended.

    Raises:
        ValueError: if the folder holds something else, or another process is writing to it.
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
        write_atomically(folder / STUDY, study.to_toml())
    return lock


def check_free(folder: Path) -> None:
    """Checks that a new study may go to `folder`.

    Raises:
        ValueError: if it is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f"--out {folder}: already holds {_what_it_holds(folder)}; choose another folder, "
            f"or continue it by --resume {folder}"
        )


def holds_events(folder: Path) -> bool:
    """Whether the study in `folder` has recorded any event."""
    journal = folder / JOURNAL
    if not journal.exists():
        return False
    with journal.open("rb") as file:
        return any(b'"event": "planned"' not in line for line in file)  # planning alone is not a beginning


def discard(folder: Path) -> None:
    """Removes the files of `claim` and of a run that recorded nothing, so that the folder is free again."""
    shutil.rmtree(folder)


def _what_it_holds(folder: Path) -> str:
    return "another study" if (folder / STUDY).exists() else "files that are not a study's"


def default(study: Study) -> Path:
    """The output folder without `--out`: `hypertune-out/NAME`, numbered if it already exists."""
    base = Path("hypertune-out")
    candidates = [base / study.name, *(base / f"{study.name}-{n}" for n in range(2, 10_000))]
    return next(path for path in candidates if not path.exists())
