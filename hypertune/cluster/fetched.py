"""A folder on this machine with a study that was fetched from a cluster; it may hold files of the user's own, too."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from hypertune.storage.files import write_atomically

MARK = ".fetched"
"""File with the job's id, which allows fetching it again, and the names of the files that were fetched, one a line."""


def check(target: Path, job_id: str) -> None:
    """Checks that the job's results may go to `target`.

    Raises:
        ValueError: if it holds anything else.
    """
    if target.exists() and any(target.iterdir()) and _read_mark(target)[0] != job_id:
        raise ValueError(f"--out {target}: already holds something else; choose another folder")


def replace(staged: Path, target: Path, job_id: str) -> None:
    """Replaces what was fetched into `target` earlier by what is in `staged`, file by file, each in full or not at all.

    Raises:
        OSError: if a file cannot be written; all others are as they were or new.
    """
    names = {path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file()}
    gone = set(_read_mark(target)[1]) - names
    _write_mark(target, job_id, names | gone)  # if this is cut off, the next time knows all of them
    for name in sorted(names):
        write_atomically(target / name, (staged / name).read_bytes())
    for name in gone:
        _remove(target, name)
    _write_mark(target, job_id, names)


def _remove(target: Path, name: str) -> None:
    """Removes a file, and folders that are empty without it; nothing that links or `..` lead to outside of `target`."""
    path = target / name
    if not path.is_file() or not path.parent.resolve().is_relative_to(target.resolve()):
        return
    path.unlink()
    with suppress(OSError):  # the first one that is not empty
        for folder in path.parents[: len(Path(name).parts) - 1]:
            folder.rmdir()


def _read_mark(target: Path) -> tuple[str | None, list[str]]:
    mark = target / MARK
    if not mark.is_file():
        return None, []
    try:
        job_id, *names = mark.read_text(encoding="utf-8").splitlines()
        return job_id, [str(json.loads(name)) for name in names]
    except ValueError:
        raise ValueError(f"{mark}: is damaged; fetch into another folder") from None


def _write_mark(target: Path, job_id: str, names: set[str]) -> None:
    write_atomically(target / MARK, "\n".join([job_id, *map(json.dumps, sorted(names))]))
