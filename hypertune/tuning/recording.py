"""Writes a study's records while it runs: every event to the journal, the tables now and then."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypertune.records.journal import NUMBER, Event, read_journal
from hypertune.records.records import FINAL_STATUSES, Book, Records
from hypertune.records.sheets import to_csv
from hypertune.storage.files import JOURNAL, write_atomically
from hypertune.storage.patience import patiently
from hypertune.storage.storage import RUN, resume_command
from hypertune.study.study import Study
from hypertune.sweep.trial import StorageLost
from hypertune.tuning.removed import is_gone, write_anew

OWN = re.compile(rf"(?:.*/)?({JOURNAL.parent}/{RUN}\d+/.+)", re.DOTALL)
"""A path in one of the study's own runs, and the part of it that is the same wherever the folder lies."""
TABLES_SHARE = 0.02
"""Maximal share of the time spent rewriting the tables while the study runs."""
TABLES_SECONDS = 1.0
"""Minimal seconds between two rewrites."""


class Recorder:
    """Appends events to `sweeps/journal.jsonl` and keeps `trials.csv` and `curves.parquet` nearly up to date.

    Each event is flushed at once and survives a SIGKILL of this process; the tables lag by seconds. Events of an
    existing journal are read first, and new ones are appended.

    Paths of checkpoints are written relative to the output folder, which may be moved or copied.

    Args:
        runs_in: path of the output folder as Ray tells of checkpoints, where it is not `folder`.
        place: what a resume is given, where it is not `folder`.

    A storage that fails (no room, a server that is away) holds the study up until it is back; see `patience`. If the
    folder is removed, the journal is written anew and the study ends.

    Raises:
        StorageLost: from any event, if the storage has failed for too long.
    """

    def __init__(self, study: Study, folder: Path, runs_in: str | None = None, place: str | None = None) -> None:
        self.folder, self.book = folder, Book(study)
        self._place = place or str(folder)
        journal = folder / JOURNAL
        journal.parent.mkdir(parents=True, exist_ok=True)
        self.past = _recover(journal, self.book.apply)
        for event in self.past:
            if event["event"] == "checkpoint":
                event["path"] = _found(event["path"], runs_in or str(folder.resolve()), journal)
        self._number = len(self.past)
        if runs_in is None:
            # A trial whose checkpoint is gone begins again; the others have been deleted since nothing needs them.
            self.past = [event for event in self.past if event["event"] != "checkpoint" or Path(event["path"]).exists()]
        _verify(folder, self.book)
        self._file = journal.open("a+b", buffering=0)
        self._size = journal.stat().st_size
        self._lost: str | None = None
        self._tables_due = 0.0

    def __call__(self, event: Event) -> None:
        line = json.dumps({NUMBER: self._number + 1, **_kept(event)}, default=_plain).encode() + b"\n"
        self._patiently(lambda: self._append(line))
        self._number += 1
        self.check()
        self._size += len(line)
        self.book.apply(event)
        if time.monotonic() >= self._tables_due:
            try:
                self.write_tables()
            except OSError:  # they are rewritten often, and only the last write must succeed
                self._tables_due = time.monotonic() + TABLES_SECONDS

    def check(self) -> None:
        """Checks that the journal is still in its folder.

        Raises:
            StorageLost: if not, saying where everything recorded has been written anew.
        """
        if self._lost or not is_gone(self.folder / JOURNAL, self._file):
            return
        study = self.book.study
        try:
            place = write_anew(self.folder, study.to_toml(), self._file)
        except OSError as error:
            self._lost = str(error)
            raise StorageLost(self._lost) from None
        again = self._place if place == self.folder else str(place)
        self._lost = (
            f"{self.folder}: was removed or replaced while the study was running; what was recorded has been written "
            f"anew to {place}, without the checkpoints of unfinished trials; resume with: {resume_command(again)}"
        )
        raise StorageLost(self._lost)

    def _append(self, line: bytes) -> None:
        """Writes the whole line or raises; first removes the remains of a failed attempt."""
        if os.fstat(self._file.fileno()).st_size > self._size:
            self._file.truncate(self._size)
        written = 0
        while written < len(line):
            written += self._file.write(line[written:])

    def _patiently(self, call: Callable[[], None]) -> None:
        if self._lost:
            raise StorageLost(self._lost)
        try:
            patiently(call, str(self.folder))
        except OSError as error:
            self._lost = (
                f"{self.folder}: can no longer be written ({error.strerror}); what was recorded is safe; fix it, then "
                f"resume with: {resume_command(self._place)}"
            )
            raise StorageLost(self._lost) from None

    def write_tables(self) -> None:
        """Rewrites `trials.csv` and `curves.parquet` from the events so far."""
        began = time.monotonic()
        records = self.book.records()
        write_atomically(self.folder / "trials.csv", to_csv(records.trials))
        write_atomically(self.folder / "curves.parquet", _parquet(records))
        took = time.monotonic() - began
        self._tables_due = time.monotonic() + max(TABLES_SECONDS, took / TABLES_SHARE)

    def close(self) -> None:
        """Writes the final tables, unless the storage is lost, or nothing is and the folder may be another study's.

        Raises:
            StorageLost: if they cannot be written, or the folder has been removed.
        """
        try:
            if self.book.sweeps:
                self.check()
            if not self._lost and not is_gone(self.folder / JOURNAL, self._file):
                self._patiently(self.write_tables)
        finally:
            self._file.close()


def _kept(event: Event) -> Event:
    """The event as it is written."""
    own = OWN.fullmatch(event["path"]) if event["event"] == "checkpoint" else None
    return {**event, "path": own[1]} if own else event


def _found(path: str, folder: str, journal: Path) -> str:
    """Where a checkpoint lies whose path stands in a journal; older ones have absolute paths.

    Raises:
        ValueError: if that is not among the study's own runs, which are deleted when nothing needs them any more.
    """
    own = OWN.fullmatch(path) if isinstance(path, str) else None
    if own is None or ".." in own[1].split("/"):
        raise ValueError(
            f"{journal}: names a checkpoint outside of the study's own runs, {str(path)[:200]!r}; "
            "remove that line, and the trial begins again"
        )
    return f"{folder}/{own[1]}"


def _recover(journal: Path, apply: Callable[[Event], object]) -> list[Event]:
    """The events of an existing journal; a last line that a kill cut off is removed from the file."""
    if not journal.exists():
        return []
    events = list(read_journal(journal, apply))
    content = journal.read_bytes()
    if content and not content.endswith(b"\n"):
        with journal.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
    return events


def _verify(folder: Path, book: Book) -> None:
    """Checks that the journal has every finished trial; a missing one would be run again and the table overwritten.

    `trials.csv` always lags behind the journal, so it never has more trials.

    Raises:
        ValueError: naming what is missing.
    """
    table = folder / "trials.csv"
    if not table.exists():
        return
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        lacking = {"trial_id", "status"} - set(rows.fieldnames or ())
        if lacking:
            raise ValueError(
                f"{table}: lacks the column {min(lacking)}; remove the file, it is written anew from the journal"
            )
        ended = {row["trial_id"] for row in rows if row["status"] in FINAL_STATUSES}
    known = {name for name, row in book.trials.items() if row["status"] in FINAL_STATUSES}
    if lost := ended - known:
        raise ValueError(
            f"{folder / JOURNAL}: has {len(known)} finished trials, but trials.csv has {len(lost)} more "
            f"({sorted(lost)[0]}, ...); the study cannot be resumed without its whole journal"
        )


def _parquet(records: Records) -> bytes:
    buffer = io.BytesIO()
    records.curves.to_parquet(buffer, index=False)
    return buffer.getvalue()


def as_recorded(value: Any) -> Any:
    """The value as read back from a journal."""
    return json.loads(json.dumps(value, default=_plain))


def _plain(value: Any) -> Any:
    """JSON for other values of configurations and metrics: numpy scalars as numbers, anything else as its `repr`."""
    return value.item() if hasattr(value, "item") else repr(value)
