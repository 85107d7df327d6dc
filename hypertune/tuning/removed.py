"""Notices that the output folder has been removed or replaced while a study writes to it, and writes it anew; or that
it lies on storage to which another process writes by now."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import IO

from hypertune.storage.files import JOURNAL, STUDY, write_atomically
from hypertune.storage.workspace import Workspace
from hypertune.sweep.trial import StorageLost

SETTLE_S = 1.0
"""Seconds to wait before writing anew, since whoever removes a folder may not be done yet."""


def check_ours(work: Workspace) -> None:
    """Checks that nobody else writes to the study's storage by now.

    Raises:
        StorageLost: if somebody does.
    """
    if (why := work.lost()) is not None:
        raise StorageLost(why)


def is_gone(path: Path, file: IO[bytes]) -> bool:
    """Whether the open file is no longer the one at `path`; False where a file server cannot tell at the moment."""
    try:
        return not os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # the next look may tell, and writing has a patience of its own
        return False


def write_anew(folder: Path, study: str, file: IO[bytes]) -> Path:
    """Writes a study's file and its journal to `folder` again; returns the folder, another one if that is not possible.

    Args:
        study: content of `study.toml`.
        file: the journal, still open for reading though removed.
    """
    journal = os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
    time.sleep(SETTLE_S)
    try:
        if not (folder / JOURNAL).exists():
            _write(folder, study, journal)
            return folder
    except OSError:
        pass
    for parent in (folder.parent, Path(tempfile.gettempdir())):
        try:
            rescued = Path(tempfile.mkdtemp(prefix=f"{folder.name}-rescued-", dir=parent))
            _write(rescued, study, journal)
        except OSError:
            continue
        return rescued
    raise OSError(f"{folder}: removed, and neither {folder.parent} nor {tempfile.gettempdir()} can be written")


def _write(folder: Path, study: str, journal: bytes) -> None:
    if not (folder / STUDY).exists():
        write_atomically(folder / STUDY, study)
    write_atomically(folder / JOURNAL, journal)
