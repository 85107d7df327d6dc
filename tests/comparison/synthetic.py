"""Made-up studies: records built from events as a real study writes them, without Ray, torch or a clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from hypertune.records.records import Book, Event, Records
from hypertune.space.space import Parameter
from hypertune.study.study import Study

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SKILL = {"random": 0.0, "bayes": 0.5, "hyperband": 0.0, "hyperopt": 0.65, "asha": 0.1, "optuna": 0.6}
"""How far a strategy draws its configurations towards the optimum, 0 not at all."""
STOPPING = ("asha", "hyperband", "median")
SPACE: dict[str, Any] = {
    "filters": {"randint": [2, 33]},
    "lr": {"loguniform": [1e-4, 3e-2]},
    "batch_size": {"choice": [16, 32, 64, 128]},
    "norm": {"choice": ["none", "batch"]},
}


def make_study(**table: Any) -> Study:
    """A study on digits; keyword arguments replace keys of `[study]`, `space` the search space."""
    space = table.pop("space", SPACE)
    max_epochs = table.pop("max_epochs", 9)
    base = {
        "name": "synthetic", "strategies": ["random", "hyperopt", "asha"], "seeds": 3, "budget": {"epochs": 60},
        "metric": "valid_accuracy", "mode": "max",
    }  # fmt: skip
    training = {"trainable": "cnn", "dataset": "digits", "max_epochs": max_epochs}
    return Study.parse({"study": {**base, **table}, "training": training, "space": space})


def make_records(**options: Any) -> Records:
    """The records of a made-up study; `options` are those of `make_events` and of `make_study`."""
    of_events = {name: options.pop(name) for name in EVENT_OPTIONS if name in options}
    study = make_study(**{"retrain": 1, **options})
    book = Book(study)
    for event in make_events(study, **of_events):
        book.apply(event)
    provenance = {
        "command": "hypertune compare synthetic.toml", "python_version": "3.11.7", "started_at": START.isoformat(),
        "versions": {"hypertune": "0.1.0", "ray": "2.60.0"}, "hardware": {"processor": "made up", "cores": 2},
        "ended_at": (START + timedelta(hours=1)).isoformat(), "workers": 2, "git_commit": None,
    }  # fmt: skip
    return book.records(provenance)


EVENT_OPTIONS = ("trials", "workers", "noise", "unfinished", "absent", "failing")


def make_events(
    study: Study,
    *,
    trials: int = 8,
    workers: int = 2,
    noise: float = 0.003,
    unfinished: tuple[tuple[str, int], ...] = (),
    absent: tuple[tuple[str, int], ...] = (),
    failing: float = 0.0,
) -> list[Event]:
    """The journal of a study whose sweeps try `trials` configurations each.

    Args:
        unfinished: sweeps that are cut off in their last trial.
        absent: sweeps that never began.
        failing: share of trials that raise in their first epoch.
    """
    journal: list[Event] = []
    book = Book(study)

    def tell(event: Event) -> None:
        journal.append(event)
        book.apply(event)

    for strategy in study.strategies:
        for seed in study.seeds:
            if (strategy, seed) not in absent:
                maker = _Maker(study, tell, strategy, seed, workers, noise, failing)
                maker.run(trials, finish=(strategy, seed) not in unfinished)
    for row in [row for row in book.sweeps.values() if row["finished"] and row["incumbent"]]:
        _retrain(book, row, tell)
    return journal


class _Maker:
    """Plays one sweep: every trial goes to the worker that is free first."""

    def __init__(
        self, study: Study, tell: Callable[[Event], None], strategy: str, seed: int, workers: int, noise: float,
        failing: float,
    ) -> None:  # fmt: skip
        self.study, self.emit, self.strategy, self.seed = study, tell, strategy, seed
        self.noise, self.failing = noise, failing
        self.free = [0.5] * workers
        number = self.study.strategies.index(strategy)
        self.random = np.random.default_rng([seed, number])
        self.seen: list[list[float]] = [[] for _ in range(self.study.training.max_epochs + 1)]

    def run(self, trials: int, *, finish: bool) -> None:
        self.tell("sweep", strategy=self.strategy, seed=self.seed, workers=len(self.free), at=stamp(0))
        for number in range(1, trials + 1):
            self.trial(f"{self.strategy}_s{self.seed}_{number:04d}", cut=not finish and number == trials)
        if finish:
            self.tell(
                "done", strategy=self.strategy, seed=self.seed, wall_s=max(self.free) + 0.2, decision_s=0.1,
                at=stamp(max(self.free) + 0.2),
            )  # fmt: skip

    def trial(self, trial_id: str, *, cut: bool) -> None:
        worker = int(np.argmin(self.free))
        config = self.study.space.resolve(self.pick)
        began = self.free[worker]
        self.tell(
            "trial", strategy=self.strategy, seed=self.seed, trial_id=trial_id, config=config, wall_s=began,
            at=stamp(began),
        )  # fmt: skip
        if self.random.random() < self.failing:
            self.free[worker] += 0.5
            self.end(trial_id, "failed", self.free[worker], error="made-up failure", spent=1)
            return
        self.train(trial_id, config, worker, cut)

    def train(self, trial_id: str, config: dict[str, Any], worker: int, cut: bool) -> None:
        level, pace = quality(config), 0.3 + 0.02 * float(config.get("filters", 10))
        elapsed, last = 0.0, self.study.training.max_epochs
        for epoch in range(1, last + 1):
            elapsed += pace
            self.free[worker] += pace
            accuracy = level * (1 - 0.6 * math.exp(-0.5 * epoch)) + self.random.normal(0, self.noise)
            self.tell(
                "epoch", trial_id=trial_id, epoch=epoch, metrics=metrics(self.study.metric, accuracy), spent=1,
                elapsed_s=elapsed, wall_s=self.free[worker], node="10.0.0.1", device="cpu",
            )  # fmt: skip
            if cut and epoch >= 2:
                return
            if self.stops(epoch, accuracy) and epoch < last:
                self.end(trial_id, "stopped", self.free[worker])
                return
        self.end(trial_id, "completed", self.free[worker])

    def stops(self, epoch: int, accuracy: float) -> bool:
        self.seen[epoch].append(accuracy)
        rung = epoch in (1, 3)
        return self.strategy in STOPPING and rung and accuracy < float(np.quantile(self.seen[epoch], 0.66))

    def pick(self, parameter: Parameter) -> float | int:
        skill = SKILL.get(self.strategy, 0.3)
        if hasattr(parameter.domain, "from_unit"):
            unit = (1 - skill) * self.random.random() + skill * 0.7
            return float(parameter.domain.from_unit(unit))
        return int(self.random.integers(len(parameter.domain.options)))

    def end(self, trial_id: str, status: str, wall_s: float, **facts: Any) -> None:
        self.tell("end", trial_id=trial_id, status=status, at=stamp(wall_s), wall_s=wall_s, **facts)

    def tell(self, event: str, **facts: Any) -> None:
        self.emit({"event": event, **facts})


def quality(config: dict[str, Any]) -> float:
    """Final accuracy of a configuration: best near 23 filters and a learning rate of 5e-3."""
    rate = math.log10(float(config.get("lr", 5e-3)) / 5e-3)
    width = (float(config.get("filters", 23)) - 23) / 30
    return 0.97 - 0.05 * rate**2 - 0.06 * width**2 + 0.005 * (config.get("norm") == "batch")


def metrics(metric: str, accuracy: float) -> dict[str, float]:
    values = {"valid_accuracy": accuracy, "valid_loss": 2 * (1 - accuracy), "train_loss": 1.8 * (1 - accuracy)}
    return values if metric in values else {metric: accuracy, **values}


def stamp(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def _retrain(book: Book, row: dict[str, Any], tell: Callable[[Event], None]) -> None:
    trial = book.trials[row["incumbent"]]
    value = quality(book.configs[row["incumbent"]])
    random = np.random.default_rng([row["seed"], len(trial["trial_id"])])
    for retrain_seed in range(book.study.retrain):
        accuracy = value - 0.006 + random.normal(0, 0.002)
        event = {
            "event": "retrained", "strategy": row["strategy"], "seed": row["seed"], "trial_id": trial["trial_id"],
            "retrain_seed": 1000 + retrain_seed, "status": "completed", "epochs": trial["epochs"],
            "valid_accuracy": accuracy + 0.003, "test_accuracy": accuracy, "test_loss": 2 * (1 - accuracy),
        }  # fmt: skip
        tell(event)
