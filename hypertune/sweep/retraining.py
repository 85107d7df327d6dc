"""Retraining: trains each sweep's incumbent from scratch with fresh seeds, and scores it once on the test split."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypertune.records.lineage import Schedule
from hypertune.records.records import Event
from hypertune.space.space import Config
from hypertune.study.divergence import finite_ones
from hypertune.study.study import Study
from hypertune.sweep.sweep import CONTINUE, STOP
from hypertune.sweep.trial import Report, Trial, View

FIRST_SEED = 10_000
"""The first retraining seed, far from the seeds of sweeps; the same seeds are used for all strategies."""


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The best trial of a sweep, to be retrained up to the epoch of its best value.

    Attributes:
        schedule: configurations by their first epoch, if the trial did not use `config` throughout.
    """

    strategy: str
    seed: int
    trial_id: str
    config: Config
    epochs: int
    schedule: Schedule = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One retraining.

    Attributes:
        model_path: where the weights are kept; None if they are not.
        test: whether it is scored on the test split.
        repeated: whether it has been recorded before, and is done once more for the weights alone.
    """

    incumbent: Incumbent
    retrain_seed: int
    model_path: str | None = None
    test: bool = True
    repeated: bool = False

    @property
    def trial_id(self) -> str:
        return f"{self.incumbent.trial_id}_retrain_{self.retrain_seed}"


class Retraining:
    """A stage of the queue like a sweep, but with a fixed list of jobs instead of a strategy."""

    def __init__(self, study: Study, jobs: list[Job], *, workers: int, emit: Callable[[Event], None]) -> None:
        self._study, self._waiting = study, list(jobs)
        self._jobs = {job.trial_id: job for job in jobs}
        self._last: dict[str, Report] = {}
        self.workers, self.emit = workers, emit
        self.running: set[str] = set()

    def begin(self) -> None:
        self.emit({"event": "retraining", "jobs": len(self._jobs)})

    def resize(self, workers: int) -> None:
        """Notes that the cluster has grown or shrunk to so many workers."""
        self.workers = max(workers, 1)
        self.emit({"event": "workers", "workers": workers})

    def suggest(self, view: View) -> tuple[str, Config] | None:
        if not self._waiting or len(self.running) >= self.workers:
            return None
        job = self._waiting.pop(0)
        self.running.add(job.trial_id)
        schedule = job.incumbent.schedule
        return job.trial_id, schedule[0][1] if schedule else job.incumbent.config

    def origin(self, trial_id: str) -> None:
        """A retraining starts from scratch."""

    def told(self, trial_id: str) -> dict[str, Any]:
        job = self._jobs[trial_id]
        return {
            "seed": job.retrain_seed,
            "stop_epoch": job.incumbent.epochs,
            "test": job.test,
            "model_path": job.model_path,
            "schedule": [[from_epoch, config] for from_epoch, config in job.incumbent.schedule],
        }

    def added(self, trial: Trial, view: View) -> None: ...

    def grant(self, trial_id: str) -> int:
        """One: each epoch is reported by itself."""
        return 1

    def choose(self, view: View) -> Trial | None:
        return None

    def checkpointed(self, trial_id: str, path: str) -> None:
        """Ignored: a retraining is short and starts from scratch after an interruption."""

    def report(self, trial: Trial, report: Report, view: View) -> str:
        self._last[trial.trial_id] = report
        done = report.epoch >= self._jobs[trial.trial_id].incumbent.epochs
        return STOP if done or self._diverged(report) else CONTINUE

    def _diverged(self, report: Report) -> bool:
        names = finite_ones(self._study, report.metrics)
        return not all(math.isfinite(report.metrics[name]) for name in names if name in report.metrics)

    def ended(self, trial: Trial, view: View) -> None:
        if (last := self._last.get(trial.trial_id)) is not None:
            self._tell(trial.trial_id, "diverged" if self._diverged(last) else "completed")
        else:
            self.failed(trial, "reported nothing", view)

    def failed(self, trial: Trial, error: str, view: View, **facts: Any) -> None:
        self._tell(trial.trial_id, "failed", error=error, **facts)

    def _tell(self, trial_id: str, status: str, **facts: Any) -> None:
        self.running.discard(trial_id)
        job, last = self._jobs[trial_id], self._last.get(trial_id)
        incumbent = job.incumbent
        self.emit(
            {
                "event": "retrained",
                "strategy": incumbent.strategy,
                "seed": incumbent.seed,
                "trial_id": incumbent.trial_id,
                "retrain_seed": job.retrain_seed,
                "status": status,
                "epochs": last.epoch if last else 0,
                **(last.metrics if last else {}),
                **facts,
                "for_model": job.model_path is not None,
                "repeated": job.repeated,
            }
        )

    def drained(self, view: View) -> bool:
        return not self._waiting and not self.running

    def finish(self) -> None: ...
