"""The files of an output folder: their paths within it, and how they are written."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

JOURNAL = Path("sweeps") / "journal.jsonl"
LOCK = JOURNAL.parent / ".lock"
"""Lock file, held by the process that writes the study."""
MODEL = "best/model.pt"


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes `path` in full or not at all, so that a reader never sees a partial file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    temporary.replace(path)


def now() -> str:
    """The current time in the format of the records: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
