"""Reports that arrive several at a time: nothing is decided in between, and no budget is overspent."""

from __future__ import annotations

from typing import Any

import pytest

from hypertune.study.study import Budget, Training
from hypertune.sweep.batches import LONGEST_S, batch_s
from hypertune.sweep.sweep import CONTINUE, PAUSE, STOP
from hypertune.sweep.trial import Report
from tests.sweep.scripted import Runner, accuracy, make_study

LONG = Training(trainable="cnn", dataset="digits", max_epochs=81)


class Batched(Runner):
    """Every running trial trains what it is granted, an epoch in a thousandth of a second."""

    epoch_s = 0.001
    step = 1

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.granted: list[int] = []

    def advance(self, trial: Any) -> None:
        state = self.sweep.trials[trial.trial_id]
        granted = self.sweep.grant(trial.trial_id)
        assert self.step > 1 or self.sweep.room() >= 0
        self.granted.append(granted)
        for i in range(granted):
            epoch = state.epochs + self.step
            self.now += self.epoch_s
            report = Report(epoch, {"acc": accuracy(trial.config, epoch)}, self.epoch_s * epoch)
            decision = self.sweep.report(trial, report, self)
            assert decision == CONTINUE or i == granted - 1
        trial.status = {PAUSE: "PAUSED", STOP: "TERMINATED"}.get(decision, "RUNNING")
        if decision == PAUSE and trial.trial_id in self.sweep.paused:
            self.sweep.checkpointed(trial.trial_id, "x")


@pytest.mark.parametrize("strategy", ["random", "asha", "hyperband", "bohb", "hyperopt", "pbt", "median"])
@pytest.mark.parametrize("workers", [1, 3, 50])
def test_nothing_is_decided_within_a_batch_and_the_budget_is_spent_exactly(strategy: str, workers: int) -> None:
    study = make_study(strategies=(strategy,), training=LONG, budget=Budget(epochs=2000))
    runner = Batched(study, strategy, workers=workers).run()
    assert runner.sweep.spent_epochs == 2000
    assert runner.sweep.batches.under_way == 0
    assert (max(runner.granted) > 1) == (strategy != "median")  # which may stop a trial at any epoch


def test_asha_decides_the_same_with_one_worker_as_epoch_by_epoch() -> None:
    study = make_study(strategies=("asha",), training=LONG, budget=Budget(epochs=1000))
    batched, single = Batched(study, "asha", workers=1).run(), Runner(study, "asha", workers=1).run()
    ends = [[(s.config, s.epochs, s.status) for s in runner.sweep.trials.values()] for runner in (batched, single)]
    assert ends[0] == ends[1]
    assert len(batched.granted) < 500


@pytest.mark.parametrize("strategy", ["asha", "hyperband", "pbt"])
def test_a_trainable_that_reports_every_third_epoch_is_not_let_past_a_decision(strategy: str) -> None:
    runner = Batched(make_study(strategies=(strategy,), training=LONG, budget=Budget(epochs=3000)), strategy)
    runner.step = 3
    runner.run()
    assert max(runner.granted) > 1
    assert runner.sweep.spent_epochs <= 3000 + 2 * 2  # two workers, each two epochs into its last report


def test_a_trial_reports_each_epoch_that_takes_longer_than_a_batch_may() -> None:
    study = make_study(training=LONG)
    assert batch_s(2) < 0.5  # seconds of the scripted epochs
    runner = Runner(study, "random", workers=2)
    runner.sweep.begin()
    runner.start_trials()
    for _ in range(3):
        for name, trial in runner.trials.items():
            assert runner.sweep.grant(name) == 1
            runner.advance(trial)


def test_granted_epochs_that_are_not_trained_are_given_back() -> None:
    study = make_study(training=LONG, budget=Budget(epochs=4000))
    runner = Batched(study, "random", workers=1)
    runner.sweep.begin()
    runner.start_trials()
    ((name, trial),) = runner.trials.items()
    runner.sweep.report(trial, Report(1, {"acc": 0.1}, 0.001), runner)
    assert runner.sweep.grant(name) == 10  # what a hundredth of a second holds
    assert runner.sweep.room() == 4000 - 1 - 10
    runner.sweep.failed(trial, "the worker process died", runner)
    assert runner.sweep.room() == 4000 - 1 - 1


def test_batches_are_as_long_as_keeps_the_driver_from_drowning() -> None:
    assert batch_s(2) == 0.02
    assert batch_s(10_000) == LONGEST_S
