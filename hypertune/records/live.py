"""The live status of a study, computed from its events without Ray, pandas or a cluster."""

from __future__ import annotations

from collections import Counter, deque

import msgspec

from hypertune.records.facts import Look, extended, sweeps_planned
from hypertune.records.offered import Offered
from hypertune.records.records import FINAL_STATUSES, Event, handle, improves
from hypertune.study.divergence import value_of
from hypertune.study.study import Study

STATUSES = ("running", "paused", *FINAL_STATUSES)
"""All statuses of a trial."""
RATE_WINDOW_S = 60.0
"""Window of the epochs per second: the last minute of the current sweep."""


STATUS_FILE = "hypertune-{study}.json"
"""File among Ray's logs on the driver's node, from where the dashboard serves it."""
STUDY = "study"
"""Key of a job's metadata that holds its study's name."""
JOB_NAME = "job_name"
"""Key of a job's metadata that Ray's page of jobs shows as its name."""
STUDY_TEXT = "study_file"
"""Key of a submitted job's metadata that holds its study file."""
PROGRESS, VERDICT = "progress", "verdict"
"""Keys of a submitted job's metadata: how far its study is, and what it has found."""


class StrategyStatus(msgspec.Struct, kw_only=True):
    """One strategy, over all of its sweeps so far."""

    strategy: str
    sweeps: int = 0
    """Sweeps that are finished."""
    best: float | None = None
    epochs: int = 0
    trials: dict[str, int] = {}
    """Trials by status, including `running` and `paused`."""
    utilisation: float | None = None
    """Share of the workers' time that was training, 0 to 1."""
    epochs_per_s: float = 0.0


class Status(msgspec.Struct, kw_only=True):
    """The status of a study; plain data that can be sent elsewhere."""

    study: str
    metric: str
    mode: str
    budget: str
    sweeps: int
    """Number of sweeps in the study, the most if it runs until decided."""
    sweeps_done: int = 0
    running: str | None = None
    """The current sweep, e.g. `asha seed 1`."""
    share: float = 0.0
    """Share of that sweep's budget that is spent, 0 to 1."""
    workers: int | None = None
    sharing: str | None = None
    """How the trials share GPUs, if they do."""
    retrained: tuple[int, int] | None = None
    """Finished retrainings and their total; None before they begin."""
    left_s: float | None = None
    """Seconds that are left, an estimate; None while it is not known."""
    strategies: list[StrategyStatus] = []

    @property
    def progress(self) -> float:
        """Finished share of the study's sweeps, 0 to 1; its retrainings come on top."""
        return (self.sweeps_done + self.share) / self.sweeps


class _Sweep:
    """The current sweep."""

    def __init__(self, strategy: str, seed: int, workers: int) -> None:
        self.strategy, self.seed, self.workers, self.offered = strategy, seed, workers, Offered(workers)
        self.epochs = self.trials = 0
        self.wall_s = self.busy_s = 0.0
        self.lately: deque[tuple[float, int]] = deque()

    def spend(self, epochs: int, wall_s: float) -> None:
        self.epochs += epochs
        self.wall_s = max(self.wall_s, wall_s)
        self.lately.append((wall_s, epochs))
        while self.lately[0][0] < wall_s - RATE_WINDOW_S:
            self.lately.popleft()

    def offered_s(self, wall_s: float) -> float:
        """Worker-seconds up to a moment of the sweep."""
        return self.offered.mean(wall_s) * wall_s

    def rate(self) -> float:
        """Epochs per second."""
        window = min(self.wall_s, RATE_WINDOW_S)
        return sum(epochs for _, epochs in self.lately) / window if window > 0 else 0.0


class _Strategy:
    """Sums over a strategy's sweeps."""

    def __init__(self) -> None:
        self.sweeps = self.epochs = 0
        self.best: float | None = None
        self.trials: Counter[str] = Counter()
        self.busy_s = self.offered_s = 0.0


class Live:
    """Follows the events of a study, from the journal or as they happen."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._strategies = {name: _Strategy() for name in study.strategies}
        self._trials: dict[str, tuple[str, str, float]] = {}
        """Live trials: strategy, status, and training seconds counted so far."""
        self._sweep: _Sweep | None = None
        self._retrained: list[int] | None = None
        self._looks: list[Look] = []
        self.sharing: str | None = None
        """How the trials share GPUs, which the events of a journal do not tell."""

    def __call__(self, event: Event) -> None:
        handle(self, event)

    def _on_connected(self, event: Event) -> None:
        self.sharing = event.get("sharing")

    def _on_sweep(self, event: Event) -> None:
        self._sweep = _Sweep(event["strategy"], event["seed"], event["workers"])

    def _on_workers(self, event: Event) -> None:
        if self._sweep is not None:
            self._sweep.workers = event["workers"]
            self._sweep.offered.change(event["workers"], event["wall_s"])

    def _on_resumed(self, event: Event) -> None:
        if "workers" in event:  # older journals lack it
            self._on_workers(event)

    def _on_trial(self, event: Event) -> None:
        seconds = event.get("parent", {}).get("elapsed_s", 0.0)
        self._trials[event["trial_id"]] = (event["strategy"], "running", seconds)
        self._strategies[event["strategy"]].trials["running"] += 1
        if self._sweep is not None:
            self._sweep.trials += 1

    def _move(self, trial_id: str, status: str) -> None:
        strategy, former, seconds = self._trials[trial_id]
        counts = self._strategies[strategy].trials
        counts[former] -= 1
        counts[status] += 1
        self._trials[trial_id] = (strategy, status, seconds)

    def _on_pause(self, event: Event) -> None:
        self._move(event["trial_id"], "paused")

    def _on_unpause(self, event: Event) -> None:
        self._move(event["trial_id"], "running")

    def _on_epoch(self, event: Event) -> None:
        name, status, seconds = self._trials[event["trial_id"]]
        strategy, value = self._strategies[name], value_of(self.study, event["metrics"])
        if improves(value, strategy.best, self.study.mode):
            strategy.best = value
        strategy.epochs += event["spent"]
        if self._sweep is not None:
            self._sweep.busy_s += max(event["elapsed_s"] - seconds, 0.0)
            self._sweep.spend(event["spent"], event["wall_s"])
        self._trials[event["trial_id"]] = (name, status, max(event["elapsed_s"], seconds))

    def _on_end(self, event: Event) -> None:
        self._move(event["trial_id"], event["status"])
        strategy, _, _ = self._trials.pop(event["trial_id"])
        self._strategies[strategy].epochs += event.get("spent", 0)
        if self._sweep is not None:
            self._sweep.epochs += event.get("spent", 0)

    def _on_done(self, event: Event) -> None:
        strategy, sweep, self._sweep = self._strategies[event["strategy"]], self._sweep, None
        strategy.sweeps += 1
        if sweep is not None:
            strategy.busy_s += sweep.busy_s
            strategy.offered_s += sweep.offered_s(event["wall_s"])

    def _on_look(self, event: Event) -> None:
        self._looks.append(event)

    def _on_planned(self, event: Event) -> None:
        if event.get("before"):
            self._looks = extended(self._looks)

    def _on_retraining(self, event: Event) -> None:
        self._retrained = [0, event["jobs"]]

    def _on_retrained(self, event: Event) -> None:
        if self._retrained is not None:
            self._retrained[0] += 1

    def status(self) -> Status:
        """The current status of the study."""
        sweep, study = self._sweep, self.study
        return Status(
            study=study.name,
            metric=study.metric,
            mode=study.mode,
            budget=str(study.budget),
            sweeps=len(sweeps_planned(study, self._looks)),
            sweeps_done=sum(strategy.sweeps for strategy in self._strategies.values()),
            running=f"{sweep.strategy} seed {sweep.seed}" if sweep else None,
            share=self._share(sweep) if sweep else 0.0,
            workers=sweep.workers if sweep else None,
            sharing=self.sharing,
            retrained=(self._retrained[0], self._retrained[1]) if self._retrained else None,
            strategies=[self._strategy(name) for name in study.strategies],
        )

    def _share(self, sweep: _Sweep) -> float:
        budget = self.study.budget
        spent = {"epochs": sweep.epochs, "trials": sweep.trials, "seconds": sweep.wall_s}[budget.unit]
        return min(spent / budget.amount, 1.0)

    def _strategy(self, name: str) -> StrategyStatus:
        sums = self._strategies[name]
        sweep = self._sweep if self._sweep is not None and self._sweep.strategy == name else None
        busy_s = sums.busy_s + (sweep.busy_s if sweep else 0.0)
        offered_s = sums.offered_s + (sweep.offered_s(sweep.wall_s) if sweep else 0.0)
        return StrategyStatus(
            strategy=name,
            sweeps=sums.sweeps,
            best=sums.best,
            epochs=sums.epochs,
            trials={status: count for status, count in sums.trials.items() if count},
            utilisation=min(busy_s / offered_s, 1.0) if offered_s > 0 else None,
            epochs_per_s=sweep.rate() if sweep else 0.0,
        )
