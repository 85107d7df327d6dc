"""Progress that a person can follow: a live display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from hypertune.records import FINAL_STATUSES, Event, handle, improves
from hypertune.study import Study
from hypertune.tuning.reading import reading_line

FAILURES_TOLD = 2
"""Failed trials of one sweep that are told one by one."""
PLAIN_SECONDS = 10.0
"""Seconds between two plain lines about the same sweep."""


@dataclass
class SweepProgress:
    """What the display knows of the sweep that is running."""

    strategy: str
    seed: int
    epochs: int = 0
    wall_s: float = 0.0
    best: float | None = None
    status: dict[str, str] = field(default_factory=dict)

    @property
    def running(self) -> int:
        return sum(status == "running" for status in self.status.values())

    def spent(self, unit: str) -> float:
        return {"epochs": self.epochs, "trials": len(self.status), "seconds": self.wall_s}[unit]

    def share(self, study: Study) -> float:
        """Part of the budget spent, 0 to 1."""
        return min(self.spent(study.budget.unit) / study.budget.amount, 1.0)


class Progress:
    """Follows a study's events and shows them; a context manager and an observer of `driver.run`.

    Args:
        console: where to print; live where it is a terminal.
        clock: seconds since some fixed moment.
    """

    def __init__(self, study: Study, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.study, self.console, self.clock = study, console, clock
        self.total = len(study.strategies) * len(study.seeds)
        self.finished = 0
        self.current: SweepProgress | None = None
        self.reading = ""
        self.retraining: list[int] | None = None
        self._owner: dict[str, SweepProgress] = {}
        self._began: float | None = None
        self._plain_due = 0.0
        self._live = Live(console=console, get_renderable=self._display, refresh_per_second=4, transient=True)

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        handle(self, event)

    # Events ------------------------------------------------------------------------------------------------------

    def _on_reading(self, event: Event) -> None:
        self.reading = reading_line(event)
        self._plain()

    def _on_connected(self, event: Event) -> None:
        self.reading = ""
        for note in event.get("notes", ()):
            self.console.print(f"Note: {note}", markup=False, highlight=False, soft_wrap=True)
        place = f"dashboard {event['dashboard']}" if event["dashboard"] else "no dashboard on this cluster"
        self.console.print(f"Ray is up: {event['workers']} trials at a time, {place}", highlight=False, soft_wrap=True)

    def _on_sweep(self, event: Event) -> None:
        self._began = self._began if self._began is not None else self.clock()
        self.current = SweepProgress(event["strategy"], event["seed"])
        self._plain_due = self.clock() + PLAIN_SECONDS

    def _on_trial(self, event: Event) -> None:
        if self.current is not None:
            self.current.status[event["trial_id"]] = "running"
            self._owner[event["trial_id"]] = self.current

    def _on_epoch(self, event: Event) -> None:
        sweep = self._owner.get(event["trial_id"])
        if sweep is None:
            return
        sweep.epochs += event["spent"]
        sweep.wall_s = event["wall_s"]
        value = event["metrics"].get(self.study.metric)
        if improves(value, sweep.best, self.study.mode):
            sweep.best = value
        self._plain()

    def _on_pause(self, event: Event) -> None:
        self._owner[event["trial_id"]].status[event["trial_id"]] = "paused"

    def _on_unpause(self, event: Event) -> None:
        self._owner[event["trial_id"]].status[event["trial_id"]] = "running"

    def _on_end(self, event: Event) -> None:
        sweep = self._owner.pop(event["trial_id"], None)
        if sweep is None:
            return
        sweep.status[event["trial_id"]] = event["status"]
        sweep.epochs += event.get("spent", 0)
        if event["status"] == "failed":
            self._tell_failure(sweep, event)

    def _tell_failure(self, sweep: SweepProgress, event: Event) -> None:
        """The first failures of a sweep are told one by one; the count of all stands in its last line."""
        if list(sweep.status.values()).count("failed") <= FAILURES_TOLD:
            error = event.get("error", "")
            self.console.print(f"  {event['trial_id']} failed: {error}", style="red", markup=False, soft_wrap=True)

    def _on_done(self, event: Event) -> None:
        sweep, self.current = self.current, None
        self.finished += 1
        if sweep is not None:
            counts = {status: list(sweep.status.values()).count(status) for status in FINAL_STATUSES}
            told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
            self.console.print(
                f"  [{self.finished}/{self.total}] {sweep.strategy:<12} seed {sweep.seed}: best {_short(sweep.best)}, "
                f"{sweep.epochs} epochs, {told or 'no trials'}, {event['wall_s']:.1f} s",
                markup=False, highlight=False,
                soft_wrap=True,
            )  # fmt: skip

    def _on_retraining(self, event: Event) -> None:
        self.retraining = [0, event["jobs"]]
        self._began = self.clock()
        self._plain_due = self._began + PLAIN_SECONDS
        self.console.print(
            f"  {event['jobs']} retrainings of the incumbents, to score them on the test split",
            highlight=False,
            soft_wrap=True,
        )

    def _on_retrained(self, event: Event) -> None:
        if self.retraining is not None:
            self.retraining[0] += 1
            self._plain()

    # What is shown -----------------------------------------------------------------------------------------------

    def _plain(self) -> None:
        if self.console.is_terminal or self.clock() < self._plain_due:
            return
        line = self._retraining_line() or self.reading or None
        if line is None and self.current is not None:
            line = f"{self._line(self.current)}, {self._left(self._share())}"
        if line is not None:
            self._plain_due = self.clock() + PLAIN_SECONDS
            self.console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)

    def _retraining_line(self) -> str | None:
        """None unless there is something left to retrain."""
        done, jobs = self.retraining or (0, 0)
        return f"retraining {done} of {jobs}, {self._left(done / jobs)}" if done < jobs else None

    def _share(self) -> float:
        """Part of all sweeps that is done, 0 to 1."""
        return (self.finished + (self.current.share(self.study) if self.current else 0.0)) / max(self.total, 1)

    def _line(self, sweep: SweepProgress) -> str:
        budget = self.study.budget
        return (
            f"{sweep.strategy} seed {sweep.seed}: {sweep.spent(budget.unit):.0f} of {budget}, "
            f"best {_short(sweep.best)}, {sweep.running} running"
        )

    def _left(self, share: float) -> str:
        """Time left of the sweeps or of the retraining, from the pace so far, of which `share` is done."""
        if self._began is None or share <= 0:
            return "time left unknown"
        seconds = (self.clock() - self._began) * (1 - share) / share
        return f"about {_duration(seconds)} left"

    def _display(self) -> Table:
        table = Table.grid(padding=(0, 1))
        line = self._retraining_line()
        if line is not None and self.retraining is not None:
            done, jobs = self.retraining
            table.add_row(ProgressBar(total=jobs, completed=done, width=24), line)
        elif self.current is not None:
            bar = ProgressBar(total=1, completed=self.current.share(self.study), width=24)
            table.add_row(bar, self._line(self.current))
            overall = f"{self.finished} of {self.total} sweeps, {self._left(self._share())}"
            table.add_row(ProgressBar(total=1, completed=self._share(), width=24), overall)
        elif self.finished < self.total:
            table.add_row(self.reading or "starting workers ...")
        return table


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
