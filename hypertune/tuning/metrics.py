"""Publishes a study's live metrics for Prometheus and its status for `hypertune top` through its Ray cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.util.metrics import Gauge

from hypertune.records.live import STATUS_FILE, STATUSES, Live, Status, StrategyStatus
from hypertune.records.records import Event
from hypertune.storage.files import write_atomically
from hypertune.study.study import Study
from hypertune.tuning.job_page import JobPage
from hypertune.tuning.time_left import TimeLeft

EVERY_S = 1.0


class Gauges:
    """The Prometheus series; their labels are bounded, since a study has few strategies and trials six statuses.

    Ray prefixes each name with `ray_` and adds labels for cluster, node and process.
    """

    def __init__(self) -> None:
        by_strategy = ("study", "strategy")
        self.best = _gauge("best_value", "Best value of the study's metric so far.", (*by_strategy, "metric"))
        self.epochs = _gauge("epochs_spent", "Epochs charged to the strategy so far.", by_strategy)
        self.rate = _gauge("epochs_per_second", "Epochs per second in the last minute.", by_strategy)
        self.trials = _gauge("trials", "Trials by status.", (*by_strategy, "status"))
        self.utilisation = _gauge("utilisation", "Share of the workers' time spent training, 0 to 1.", by_strategy)
        self.sweeps = _gauge("sweeps_done", "Finished sweeps.", by_strategy)
        self.share = _gauge("study_progress", "Finished share of the study's sweeps, 0 to 1.", ("study",))
        self.workers = _gauge("workers", "Trials that can run at the same time.", ("study",))

    def set(self, status: Status) -> None:
        """Sets every series from the status, except unknown values."""
        study = {"study": status.study}
        self.share.set(status.progress, tags=study)
        if status.workers is not None:
            self.workers.set(status.workers, tags=study)
        for strategy in status.strategies:
            self._set(strategy, {**study, "strategy": strategy.strategy}, status.metric)

    def _set(self, strategy: StrategyStatus, tags: dict[str, str], metric: str) -> None:
        if strategy.best is not None:
            self.best.set(strategy.best, tags={**tags, "metric": metric})
        if strategy.utilisation is not None:
            self.utilisation.set(strategy.utilisation, tags=tags)
        self.epochs.set(strategy.epochs, tags=tags)
        self.rate.set(strategy.epochs_per_s, tags=tags)
        self.sweeps.set(strategy.sweeps, tags=tags)
        for name in STATUSES:
            self.trials.set(strategy.trials.get(name, 0), tags={**tags, "status": name})


def _gauge(name: str, description: str, tags: tuple[str, ...]) -> Gauge:
    return Gauge(f"hypertune_{name}", description, tag_keys=tags)


class Publisher(Callback):
    """An observer that publishes the study's status every second, even without new events.

    Args:
        workers: trials that can run at the same time as it begins.
        past: events of earlier attempts.
        logs: folder of Ray's logs on this node, where the status is written as `hypertune-NAME.json`.
    """

    def __init__(self, study: Study, logs: Path | None, workers: int, past: Sequence[Event] = ()) -> None:
        super().__init__()
        self._live, self._left, self._gauges = Live(study), TimeLeft(study, time.monotonic), Gauges()
        self._file = logs / STATUS_FILE.format(study=study.name) if logs else None
        self._page, self._due = JobPage(), 0.0
        for event in ({"event": "connected", "workers": workers, "past": len(past)}, *past):
            self(event)

    def __call__(self, event: Event) -> None:
        self._live(event)
        self._left(event)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Called by Ray Tune several times a second."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY_S
            self.publish()

    def publish(self) -> None:
        """Sets the gauges, tells the page of jobs and rewrites the file; a full disk must not end the study."""
        status, left = self._live.status(), self._left.estimate()
        status.left_s = left.seconds if left else None
        self._gauges.set(status)
        self._page.progress(status)
        if self._file is not None:
            try:
                write_atomically(self._file, msgspec.json.encode(status))
            except OSError:
                self._file = None
