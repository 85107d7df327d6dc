"""The files of an output folder: their paths within it, and how they are written."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path

STUDY = "study.toml"
JOURNAL = Path("sweeps") / "journal.jsonl"
LOCK = JOURNAL.parent / ".lock"
"""Lock file, held by the process that writes the study."""
BEST = "best"
"""Folder of the winner: its configuration, and its weights or checkpoint."""
MODEL = f"{BEST}/model.pt"
REPORT = "report.html"


def log_of(trial_id: str) -> str:
    """The file that holds what a trial has printed."""
    return f"logs/{trial_id}.txt"


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes `path` in full or not at all, so that a reader never sees a partial file.

    Raises:
        OSError: naming `path`, if it cannot be written; nothing is left of the attempt.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        with contextlib.suppress(OSError):  # replaced, or never written
            temporary.unlink()


def now() -> str:
    """The current time in the format of the records: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
