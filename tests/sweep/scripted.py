"""Small real searchers, trials and studies that tests drive sweeps with, without Ray."""

from __future__ import annotations

from typing import Any, Self

from hypertune.records.records import Book, Event
from hypertune.space.space import Space
from hypertune.strategies.checks import build
from hypertune.study.study import Budget, Study, Training
from hypertune.sweep.strategy import Clocks
from hypertune.sweep.sweep import PAUSE, STOP, Sweep
from hypertune.sweep.trial import Report, StubTrial

SPACE = Space.parse({"lr": {"loguniform": [1e-4, 1e-1]}, "width": {"randint": [1, 9]}})


def make_study(**changes: Any) -> Study:
    fields: dict[str, Any] = {
        "name": "scripted",
        "strategies": ("random", "asha"),
        "seeds": (0, 1),
        "budget": Budget(epochs=40),
        "metric": "acc",
        "mode": "max",
        "training": Training(trainable="cnn", dataset="digits", max_epochs=9),
        "space": SPACE,
        "retrain": 1,
    }
    return Study(**{**fields, **changes})


def accuracy(config: dict[str, Any], epoch: int) -> float:
    """A learning curve that rises with epochs, fastest for lr near 0.01."""
    return float(1 - abs(config["lr"] - 0.01) * 5 - 1 / (config["width"] * (epoch + 1)))


class Runner:
    """Runs one sweep to its end on `workers` simulated workers; the shortest possible driver.

    Every running trial advances by one epoch per round, in the order of its start.
    """

    def __init__(self, study: Study, strategy: str, seed: int = 0, workers: int = 2, curve: Any = accuracy) -> None:
        self.study, self.curve, self.saves = study, curve, True
        self.metrics: Any = lambda config, epoch: {}  # what else is reported
        self.events: list[Event] = []
        self.now = 0.0
        self.sweep = Sweep(
            study,
            build(study, strategy, seed),
            workers=workers,
            emit=self.events.append,
            clocks=Clocks(clock=lambda: self.now),
        )
        self.trials: dict[str, Any] = {}
        self.stopped: list[str] = []

    # The view of the scheduler
    def get_trials(self) -> list[Any]:
        return list(self.trials.values())

    def get_live_trials(self) -> set[Any]:
        return {self.trials[name] for name in self.sweep.running | self.sweep.paused}

    def pause_trial(self, trial: Any, should_checkpoint: bool = True) -> None:
        trial.status = "PAUSED"

    def stop_trial(self, trial: Any) -> None:
        self.stopped.append(trial.trial_id)
        self.sweep.ended(trial, self)

    def run(self, wall_s: float = 0.0) -> Self:
        self.sweep.begin(wall_s)
        while True:
            self.start_trials()
            if self.sweep.drained(self):
                for name in list(self.sweep.paused):
                    self.stop_trial(self.trials[name])
                self.sweep.finish()
                return self
            for name in sorted(self.sweep.running):
                if name in self.sweep.running:
                    self.advance(self.trials[name])

    def start_trials(self) -> None:
        while (trial := self.sweep.choose(self)) is not None:
            trial.status = "RUNNING"
        while (suggestion := self.sweep.suggest(self)) is not None:
            name, config = suggestion
            self.trials[name] = StubTrial(name, config)
            self.sweep.added(self.trials[name], self)

    def advance(self, trial: Any) -> None:
        self.now += 0.5
        epoch = self.sweep.trials[trial.trial_id].epochs + 1
        value = self.curve(trial.config, epoch)
        reported = {"acc": value, "loss": 1 - value, **self.metrics(trial.config, epoch)}
        decision = self.sweep.report(trial, Report(epoch, reported, 0.5 * epoch), self)
        trial.status = {PAUSE: "PAUSED", STOP: "TERMINATED"}.get(decision, "RUNNING")
        if decision == PAUSE and self.saves and trial.trial_id in self.sweep.paused:
            self.sweep.checkpointed(trial.trial_id, "x")

    def book(self) -> Book:
        book = Book(self.study)
        for event in self.events:
            book.apply(event)
        return book
