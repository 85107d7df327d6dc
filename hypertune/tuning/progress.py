"""The progress of a running study, computed from its events; `tuning.display` shows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from hypertune.records.records import FINAL_STATUSES, Event, handle, improves
from hypertune.study.study import Study
from hypertune.tuning.time_left import TimeLeft


@dataclass
class SweepProgress:
    """The progress of one sweep."""

    strategy: str
    seed: int
    epochs: int = 0
    wall_s: float = 0.0
    best: float | None = None
    status: dict[str, str] = field(default_factory=dict)
    """Of each of its trials."""

    @property
    def running(self) -> int:
        return self.count("running")

    def count(self, status: str) -> int:
        """The number of its trials with that status."""
        return list(self.status.values()).count(status)

    def spent(self, unit: str) -> float:
        return {"epochs": self.epochs, "trials": len(self.status), "seconds": self.wall_s}[unit]

    def share(self, study: Study) -> float:
        """The spent share of the budget, 0 to 1."""
        return min(self.spent(study.budget.unit) / study.budget.amount, 1.0)

    def outcome(self) -> str:
        """Its result in words, e.g. `best 0.93, 40 epochs, 3 completed, 1 failed`."""
        counts = {status: self.count(status) for status in FINAL_STATUSES}
        told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        return f"best {short(self.best)}, {self.epochs} epochs, {told or 'no trials'}"


@dataclass(frozen=True, slots=True)
class Page:
    """What a display shows at one moment.

    Attributes:
        doing: the current sweep or retraining, in words.
        share: the finished share of it, 0 to 1.
        overall: the same for all sweeps; empty if it would add nothing to `doing`.
        left: the time left, in words.
        known: whether the time left is known.
    """

    doing: str
    share: float
    overall: str
    overall_share: float
    left: str
    known: bool

    @property
    def bars(self) -> list[tuple[float, str]]:
        """The share and the text of each bar."""
        if not self.overall:
            return [(self.share, f"{self.doing}, {self.left}")]
        return [(self.share, self.doing), (self.overall_share, f"{self.overall}, {self.left}")]


class StudyProgress:
    """Follows a study's events.

    Args:
        clock: seconds since some fixed moment.
        now: the time of day.
    """

    def __init__(
        self,
        study: Study,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.study, self.clock, self.now = study, clock, now
        self.total = len(study.strategies) * len(study.seeds)
        self.finished = 0
        self.current: SweepProgress | None = None
        self.last: SweepProgress | None = None
        """The sweep that ended last."""
        self.retraining: tuple[int, int] | None = None
        """Finished retrainings and their total; None before they begin."""
        self.time_left = TimeLeft(study, clock)
        self._owner: dict[str, SweepProgress] = {}

    def __call__(self, event: Event) -> None:
        handle(self, event)
        self.time_left(event)

    def owner(self, trial_id: str) -> SweepProgress | None:
        """The sweep of a live trial."""
        return self._owner.get(trial_id)

    # Events ------------------------------------------------------------------------------------------------------

    def _on_sweep(self, event: Event) -> None:
        self.current = SweepProgress(event["strategy"], event["seed"])
        self.retraining = None  # a study that runs until decided goes on after a retraining

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

    def _on_pause(self, event: Event) -> None:
        self._owner[event["trial_id"]].status[event["trial_id"]] = "paused"

    def _on_unpause(self, event: Event) -> None:
        self._owner[event["trial_id"]].status[event["trial_id"]] = "running"

    def _on_end(self, event: Event) -> None:
        sweep = self._owner.pop(event["trial_id"], None)
        if sweep is not None:
            sweep.status[event["trial_id"]] = event["status"]
            sweep.epochs += event.get("spent", 0)

    def _on_done(self, event: Event) -> None:
        self.last, self.current = self.current, None
        self.finished += 1

    def _on_retraining(self, event: Event) -> None:
        self.retraining = (0, event["jobs"])

    def _on_retrained(self, event: Event) -> None:
        if self.retraining is not None:
            done, jobs = self.retraining
            self.retraining = (done + 1, jobs)

    # Summaries ---------------------------------------------------------------------------------------------------

    def page(self) -> Page | None:
        """The page to show; None before the first sweep, between two sweeps, and at the end."""
        estimate = self.time_left.estimate()
        known = estimate is not None
        left = estimate.text(self.now()) if estimate is not None else "time left not known yet"
        done, jobs = self.retraining or (0, 0)
        if done < jobs:
            return Page(f"retraining {done} of {jobs}", done / jobs, "", 0.0, left, known)
        if self.current is None:
            return None
        overall = f"{self.finished} of {self.total} sweeps, {self.current.running} running"
        return Page(self._doing(self.current), self.current.share(self.study), overall, self.share(), left, known)

    def share(self) -> float:
        """The finished share of all sweeps, 0 to 1."""
        return (self.finished + (self.current.share(self.study) if self.current else 0.0)) / max(self.total, 1)

    def _doing(self, sweep: SweepProgress) -> str:
        budget, failed = self.study.budget, sweep.count("failed")
        words = f"{sweep.strategy} seed {sweep.seed}: {sweep.spent(budget.unit):,.0f} of {budget}"
        return f"{words}, best {short(sweep.best)}" + (f", {failed} failed" if failed else "")


def short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
