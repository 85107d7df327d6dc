"""Writes a study's records as it goes: every event to the journal, the tables now and then."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

from hypertune.records import JOURNAL, Book, Event, Records, read_journal, write_atomically
from hypertune.study import Study

TABLES_SHARE = 0.02
"""Share of the time that may go into rewriting the tables while the study runs."""
TABLES_SECONDS = 1.0
"""Least seconds between two rewritings."""


class Recorder:
    """Appends events to `sweeps/journal.jsonl` and keeps `trials.csv` and `curves.parquet` close behind.

    Each event is handed to the operating system at once: it survives a SIGKILL of this process, the tables lag by
    seconds. With an existing journal the events in it are taken in first and new ones are appended.
    """

    def __init__(self, study: Study, folder: Path) -> None:
        self.folder, self.book = folder, Book(study)
        journal = folder / JOURNAL
        journal.parent.mkdir(parents=True, exist_ok=True)
        self.past = _recover(journal)
        for event in self.past:
            self.book.apply(event)
        self._file = journal.open("ab", buffering=0)
        self._tables_due = 0.0

    def __call__(self, event: Event) -> None:
        self._file.write(json.dumps(event, default=_plain).encode() + b"\n")
        self.book.apply(event)
        if time.monotonic() >= self._tables_due:
            self.write_tables()

    def write_tables(self) -> None:
        """Rewrites `trials.csv` and `curves.parquet` from what is known so far."""
        began = time.monotonic()
        records = self.book.records()
        write_atomically(self.folder / "trials.csv", records.trials.to_csv(index=False))
        write_atomically(self.folder / "curves.parquet", _parquet(records))
        took = time.monotonic() - began
        self._tables_due = time.monotonic() + max(TABLES_SECONDS, took / TABLES_SHARE)

    def close(self) -> None:
        self.write_tables()
        self._file.close()


def _recover(journal: Path) -> list[Event]:
    """The events of an existing journal; a last line that a kill cut off is removed from the file."""
    if not journal.exists():
        return []
    events = list(read_journal(journal))
    content = journal.read_bytes()
    if content and not content.endswith(b"\n"):
        with journal.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
    return events


def _parquet(records: Records) -> bytes:
    buffer = io.BytesIO()
    records.curves.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    """JSON for what a configuration or metric may hold besides plain values: numpy scalars, or anything as its repr."""
    return value.item() if hasattr(value, "item") else repr(value)
