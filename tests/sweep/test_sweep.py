"""Sweeps: budgets, what strategies are told, what is charged; with real searchers and schedulers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hypertune.comparison.anytime import incumbents
from hypertune.study.study import Budget, Training
from hypertune.sweep.trial import Checkpoint, CheckpointMissing, MetricMissing, Report
from tests.sweep.scripted import Runner, accuracy, make_study

STRATEGIES = ["random", "asha", "hyperband", "hyperopt", "optuna", "hyperopt+hyperband"]


@pytest.mark.parametrize("strategy", [*STRATEGIES, "pbt", "pb2"])
@pytest.mark.parametrize("workers", [1, 2, 7])
def test_a_budget_of_epochs_is_spent_exactly(strategy: str, workers: int) -> None:
    runner = Runner(make_study(strategies=(strategy,)), strategy, workers=workers).run()
    row = runner.book().sweeps[strategy, 0]
    assert row["epochs"] == runner.sweep.spent_epochs == 40
    assert row["finished"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_budget_of_trials_gives_out_that_many(strategy: str) -> None:
    runner = Runner(make_study(strategies=(strategy,), budget=Budget(trials=7)), strategy).run()
    assert len(runner.sweep.trials) == 7
    assert runner.book().sweeps[strategy, 0]["finished"]


def test_a_budget_of_seconds_ends_with_the_epochs_in_flight() -> None:
    runner = Runner(make_study(budget=Budget(seconds=10)), "random").run()
    assert 10 <= runner.sweep.wall_s() <= 11


def test_every_trial_ends_and_none_is_dropped() -> None:
    for strategy in STRATEGIES:
        trials = Runner(make_study(strategies=(strategy,)), strategy).run().book().trials_table()
        assert set(trials["status"]) <= {"completed", "stopped"}
        assert trials["epochs"].sum() == 40


def test_a_failed_trial_costs_an_epoch_so_that_failing_ones_cannot_go_on_for_ever() -> None:
    runner = Runner(make_study(budget=Budget(epochs=5)), "random", workers=1)
    runner.sweep.begin()
    for _ in range(20):
        runner.start_trials()
        for name in list(runner.sweep.running):
            runner.sweep.failed(runner.trials[name], "ValueError: no", runner)
    row = runner.book().sweeps["random", 0]
    assert (row["failed"], row["epochs"], row["trials"]) == (5, 5, 5)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_diverged_trial_is_stopped_and_the_searcher_goes_on(strategy: str) -> None:
    def curve(config: dict[str, Any], epoch: int) -> float:
        return math.nan if config["lr"] > 0.01 and epoch >= 2 else accuracy(config, epoch)

    table = Runner(make_study(strategies=(strategy,)), strategy, curve=curve).run().book().trials_table()
    assert (table["status"] == "diverged").any()
    assert (table.loc[table["status"] == "diverged", "epochs"] == 2).all()
    assert table["epochs"].sum() == 40


@pytest.mark.parametrize(
    ("dataset", "name", "status"),
    [
        ("digits", "train_loss", "diverged"),  # of a built-in model
        ("digits", "valid_loss", "diverged"),
        (None, "train_loss", "running"),
        (None, "test_loss", "running"),
        (None, "acc", "diverged"),
    ],
)
def test_the_metric_and_the_losses_of_a_built_in_trainable_tell_of_divergence(
    dataset: str | None, name: str, status: str
) -> None:
    training = Training(trainable="cnn" if dataset else "mine:train", dataset=dataset, max_epochs=9)
    runner, trial = begun(training=training)
    decision = runner.sweep.report(trial, Report(1, {"acc": 0.1, name: math.inf}, 1.0), runner)
    assert decision == ("STOP" if status == "diverged" else "CONTINUE")
    assert runner.sweep.trials[trial.trial_id].status == status


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_accuracy_of_weights_that_are_no_numbers_is_no_result(strategy: str) -> None:
    """A model of NaNs predicts one class, which is often right where classes are unbalanced."""
    training = Training(trainable="cnn", dataset="digits", max_epochs=9)
    runner = Runner(make_study(strategies=(strategy,), training=training), strategy)
    runner.metrics = lambda config, epoch: {"valid_loss": math.nan, "acc": 2.0} if broken(config, epoch) else {}
    book = runner.run().book()
    table, sweep = book.trials_table(), next(iter(book.sweeps.values()))
    diverged = table["status"] == "diverged"
    assert diverged.any()
    assert not (table["acc"] > 1).any()
    assert book.trials[sweep["incumbent"]]["acc"] == table["acc"].max()
    assert max(state.best or 0 for state in runner.sweep.trials.values()) <= 1
    assert incumbents(book.records())["value"].max() == table["acc"].max()


def broken(config: dict[str, Any], epoch: int) -> bool:
    return bool(config["lr"] > 0.01 and epoch >= 2)


def begun(**changes: Any) -> tuple[Runner, Any]:
    """A sweep with one running trial, the only one that can run."""
    runner = Runner(make_study(**changes), "random", workers=1)
    runner.sweep.begin()
    runner.start_trials()
    (trial,) = runner.trials.values()
    return runner, trial


@pytest.mark.parametrize("budget", [Budget(epochs=12), Budget(trials=7)])
def test_trials_that_report_nothing_have_failed_and_end_the_budget(budget: Budget) -> None:
    runner, _ = begun(budget=budget)
    while not runner.sweep.drained(runner):
        for name in list(runner.sweep.running):
            runner.sweep.ended(runner.trials[name], runner)
        runner.start_trials()
    table = runner.book().trials_table()
    assert list(table["status"]) == ["failed"] * int(budget.amount)
    assert set(table["error"]) == {"reported nothing"}
    assert runner.sweep.spent_epochs == budget.amount


STEPS = [[100], [10**12], [3, 6, 9, 12], [1, 10**12], [2, 4, 8, 16], [5, 10, 15, 20, 25], []]


@pytest.mark.parametrize("steps", STEPS, ids=str)
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_trainable_that_counts_in_jumps_never_overspends(steps: list[int], workers: int) -> None:
    runner = jumping(steps, workers)
    book = runner.book()
    spent = book.sweeps["random", 0]["epochs"]
    assert 40 >= runner.sweep.spent_epochs == spent > 40 - 20
    table = book.trials_table()
    assert table["epochs"].max() <= 20
    assert set(table["status"]) <= {"completed", "stopped", "failed"}
    assert (table.loc[table["epochs"] == 0, "status"] == "failed").all()


def jumping(steps: list[int], workers: int) -> Runner:
    """A sweep whose trials each report these epochs of their own count, then end."""
    training = Training(trainable="mine:train", time_attr="epoch", max_epochs=20)
    runner = Runner(make_study(training=training, budget=Budget(epochs=40)), "random", workers=workers)
    runner.sweep.begin()
    runner.start_trials()
    while not runner.sweep.drained(runner):
        for name in sorted(runner.sweep.running):
            left = [step for step in steps if step > runner.sweep.trials[name].epochs]
            if left:
                runner.sweep.report(runner.trials[name], Report(left[0], {"acc": 0.5}, 1.0), runner)
            else:
                runner.sweep.ended(runner.trials[name], runner)
        runner.start_trials()
    return runner


def test_an_epoch_trained_again_is_neither_recorded_nor_charged() -> None:
    runner = Runner(make_study(), "random", workers=1)
    runner.sweep.begin()
    runner.start_trials()
    (trial,) = runner.trials.values()
    for epoch in (1, 2, 1, 2, 3):
        runner.sweep.report(trial, Report(epoch, {"acc": 0.5}, float(epoch)), runner)
    assert runner.sweep.spent_epochs == 3
    assert [event["epoch"] for event in runner.events if event["event"] == "epoch"] == [1, 2, 3]


def test_a_metric_nobody_reports_is_named_with_those_that_are() -> None:
    runner = Runner(make_study(metric="f1"), "random", workers=1)
    runner.sweep.begin()
    runner.start_trials()
    (trial,) = runner.trials.values()
    with pytest.raises(MetricMissing, match=r"study.metric: 'f1' is not reported; .* acc, loss"):
        runner.sweep.report(trial, Report(1, {"acc": 0.5, "loss": 1.0}, 1.0), runner)


class Listener:
    """A searcher that proposes one configuration and notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.given = False

    def suggest(self, trial_id: str) -> Any:
        if self.given:
            return "FINISHED"
        self.given = True
        return {"lr": 0.01, "width": 3}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self.told.append(("epoch", result["epoch"], result["acc"]))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self.told.append(("end", result and result["epoch"], result and result["acc"], error))


def test_a_searcher_learns_each_epochs_value_and_the_best_at_the_end() -> None:
    values = [0.5, 0.9, 0.7]
    study = make_study(training=Training(trainable="cnn", dataset="digits", max_epochs=3))
    runner = Runner(study, "random", workers=1, curve=lambda config, epoch: values[epoch - 1])
    runner.sweep.searcher = listener = Listener()
    runner.run()
    assert listener.told == [("epoch", 1, 0.5), ("epoch", 2, 0.9), ("epoch", 3, 0.7), ("end", 3, 0.9, False)]


def test_the_same_seed_gives_the_same_sweep() -> None:
    for strategy in [*STRATEGIES, "pbt", "pb2"]:
        first, second = (Runner(make_study(strategies=(strategy,)), strategy).run().events for _ in range(2))
        assert [strip(event) for event in first] == [strip(event) for event in second]


def run_until_fork(saves: bool) -> Runner:
    """A population of eight that is paused after its first epoch; two of them are out."""
    runner = Runner(make_study(strategies=("pbt",)), "pbt", workers=1)
    runner.saves = saves
    runner.sweep.begin()
    for _ in range(8):
        runner.start_trials()
        (name,) = runner.sweep.running
        runner.advance(runner.trials[name])
    return runner


def test_a_fork_starts_with_its_parents_epochs_and_is_charged_its_own() -> None:
    runner = run_until_fork(saves=True)
    runner.start_trials()
    (name,) = runner.sweep.running
    assert (name, runner.sweep.trials[name].epochs, runner.sweep.trials[name].train_s) == ("pbt_s0_0009", 1, 0.5)
    runner.advance(runner.trials[name])
    assert runner.sweep.trials[name].epochs == 2
    assert runner.sweep.spent_epochs == 9
    row = runner.book().trials[name]
    assert (row["epochs"], row["best_epoch"], row["train_s"]) == (1, 2, 0.5)


def test_nothing_starts_while_the_parent_of_a_fork_is_being_saved() -> None:
    runner = run_until_fork(saves=False)
    fork = runner.sweep.fork(runner)
    assert fork is not None
    parent = runner.trials[fork.parent_id]
    parent.status = "RUNNING"  # as the driver says until its state is saved
    assert runner.sweep.choose(runner) is None
    assert runner.sweep.suggest(runner) is None
    # Its worker died meanwhile: it trains up to its pause again, at no cost, and is saved there.
    assert runner.sweep.report(parent, Report(1, {"acc": 0.5}, 0.5), runner) == "PAUSE"
    assert runner.sweep.spent_epochs == 8
    runner.sweep.checkpointed(fork.parent_id, "x")
    suggestion = runner.sweep.suggest(runner)
    assert suggestion is not None
    assert suggestion[1] == fork.config
    assert runner.sweep.origin(suggestion[0]) == Checkpoint("x", 1, 0.5)


def test_a_parent_that_left_no_checkpoint_ends_the_study() -> None:
    runner = run_until_fork(saves=False)
    with pytest.raises(CheckpointMissing, match=r"study.strategies: pbt needs a trainable that saves checkpoints; pbt"):
        runner.sweep.suggest(runner)


def strip(event: dict[str, Any]) -> dict[str, Any]:
    """An event without the real seconds that decisions took."""
    return {key: value for key, value in event.items() if key != "decision_s"}
