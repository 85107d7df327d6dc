"""`hypertune top`: shows a running study live in the terminal, from its output folder or its cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live as Display
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hypertune.cluster.dashboard import is_dashboard
from hypertune.records.journal import Lines, take_in
from hypertune.records.live import STATUSES, Live, Status, StrategyStatus
from hypertune.records.records import read_provenance
from hypertune.storage.files import JOURNAL, REPORT, STUDY
from hypertune.storage.storage import Place, as_place, inside, is_url, resume_command
from hypertune.storage.workspace import is_running
from hypertune.study.study import Study

EVERY_S, STORED_EVERY_S = 1.0, 10.0
"""Seconds between two looks at a folder or a cluster, and at shared storage."""
Look = Callable[[], tuple[list[tuple[Status, str]], bool]]
"""Returns each study's status with a word on what it is doing, and whether anything can still change."""


def top(source: str, console: Console, *, once: bool = False) -> int:
    """Shows a study until it is done or Ctrl-C is pressed; only once if the output is not a terminal.

    Args:
        source: an output folder or its URL, or the address of a Ray dashboard.

    Raises:
        ValueError: if `source` is neither.
    """
    every_s = EVERY_S
    if is_dashboard(source):
        look = _cluster(source)
    elif is_url(source):
        look, every_s = _stored(as_place(source)), STORED_EVERY_S
    else:
        look = Folder(Path(source)).look
    seen, going_on = look()
    if once or not console.is_terminal or not going_on:
        console.print(_page(seen))
        return 0
    try:
        with Display(_page(seen), console=console, auto_refresh=False) as display:
            while going_on:
                time.sleep(every_s)
                seen, going_on = look()
                display.update(_page(seen), refresh=True)
    except KeyboardInterrupt:
        pass  # leaves the display; the study continues
    return 0


def _cluster(address: str) -> Look:
    from hypertune.cluster import watch

    def look() -> tuple[list[tuple[Status, str]], bool]:
        return [(status, "running") for status in watch.studies(address)], True

    return look


def _stored(place: Place) -> Look:
    """Of a folder on shared storage, whose records are read whole each time."""

    def look() -> tuple[list[tuple[Status, str]], bool]:
        running = is_running(place)  # asked first: if it has ended by now, the records hold all that it wrote
        status, done = _from_records(place)
        return [(status, "running" if running else _ended(place, done=done))], running

    return look


def _ended(place: Place, *, done: bool) -> str:
    if done:
        return f"done; {inside(place, REPORT)} has the result"
    return f"interrupted; resume with {resume_command(place)}"


class Folder:
    """Follows the journal in an output folder as it grows.

    Raises:
        ValueError: if it is not the output folder of a study.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / STUDY).is_file():
            what = "not an output folder of hypertune (study.toml is missing)" if folder.exists() else "no such folder"
            raise ValueError(f"{folder}: {what}; give a study's output folder, or http://HOST:8265 for a cluster")
        self._folder, self._read, self._lines = folder, 0, Lines(folder / JOURNAL)
        self._live = Live(Study.load(folder / STUDY))

    def look(self) -> tuple[list[tuple[Status, str]], bool]:
        """Reads the new events and returns the status."""
        held = is_running(self._folder)  # asked before the journal is read, which is then complete if it has ended
        if not held and not (self._folder / JOURNAL).exists():
            status, done = _from_records(self._folder)
            return [(status, _ended(self._folder, done=done))], False
        self._take_in()
        if self._read:
            self._live.sharing = self._sharing
        status = self._live.status()
        if held:
            return [(status, "running" if self._read else "starting")], True
        _, done = _from_records(self._folder)  # the events of a killed driver do not tell what it was yet to do
        return [(status, _ended(self._folder, done=done))], False

    @cached_property
    def _sharing(self) -> str | None:
        """How trials share GPUs; written before the journal's first event."""
        return read_provenance(self._folder / "provenance.json").get("sharing")

    def _take_in(self) -> None:
        if not (self._folder / JOURNAL).exists():
            return
        with (self._folder / JOURNAL).open("rb") as journal:
            journal.seek(self._read)
            for line in journal:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                event = self._lines.event(line)
                if event is not None:
                    take_in(self._lines, event, self._live)


def _from_records(place: Place) -> tuple[Status, bool]:
    """The status by the tables of a study, as long as no part of a sweep is looked at, and whether it is complete.

    Raises:
        ValueError: if there is no study.
    """
    from hypertune.records import records
    from hypertune.result import is_complete

    facts = records.read(place)
    status, metric = Live(facts.study).status(), facts.study.metric
    for row in status.strategies:
        sweeps = facts.sweeps[facts.sweeps["strategy"] == row.strategy]
        trials = facts.trials[facts.trials["strategy"] == row.strategy]
        offered_s = float((sweeps["workers"] * sweeps["wall_s"]).sum())
        row.sweeps, row.epochs = int(sweeps["finished"].sum()), int(sweeps["epochs"].sum())
        row.best = getattr(trials[metric].dropna(), facts.study.mode)() if trials[metric].notna().any() else None
        row.utilisation = float(sweeps["busy_s"].sum()) / offered_s if offered_s > 0 else None
        row.trials = {str(name): int(count) for name, count in trials["status"].value_counts().items()}
    status.sweeps, status.sweeps_done = len(facts.sweeps_planned), sum(row.sweeps for row in status.strategies)
    return status, is_complete(facts)


def _page(seen: list[tuple[Status, str]]) -> RenderableType:
    if not seen:
        return Text("No study is running on this cluster.")
    return Group(*(part for status, doing in seen for part in _study(status, doing)))


def _study(status: Status, doing: str) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(f"{status.study}: {doing}", style="bold")]
    table = Table.grid(padding=(0, 1))
    spent = (status.sweeps_done + status.share) / status.sweeps
    table.add_row(_bar(spent), f"{status.sweeps_done} of {status.sweeps} sweeps, {status.budget} each")
    if status.running:
        workers = f", {status.workers} trials at a time" + (f" ({status.sharing})" if status.sharing else "")
        table.add_row(_bar(status.share), f"{status.running}, {status.share:.0%} of its budget{workers}")
    if status.retrained:
        done, jobs = status.retrained
        table.add_row(_bar(done / max(jobs, 1)), f"{done} of {jobs} retrainings of the incumbents")
    return [*parts, table, _strategies(status)]


def _bar(share: float) -> ProgressBar:
    return ProgressBar(total=1, completed=share, width=24)


def _strategies(status: Status) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("strategy", no_wrap=True)
    for name in (status.metric, "epochs", "epochs/s", "busy", "sweeps"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("trials")
    for row in status.strategies:
        table.add_row(*_row(row))
    return table


def _row(row: StrategyStatus) -> tuple[str, ...]:
    trials = [f"{row.trials[name]} {name}" for name in STATUSES if row.trials.get(name)]
    return (
        row.strategy,
        "-" if row.best is None else f"{row.best:.4g}",
        str(row.epochs),
        f"{row.epochs_per_s:.3g}" if row.epochs_per_s else "-",
        "-" if row.utilisation is None else f"{row.utilisation:.0%}",
        str(row.sweeps),
        ", ".join(trials) or "-",
    )
