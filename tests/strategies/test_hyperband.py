"""HyperBand's rungs against Table 1 and Algorithm 1 of Li et al. (2018), worked out by hand."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from hypertune.space.space import Space
from hypertune.strategies.brackets import Bracket, plan
from hypertune.strategies.hyperband import hyperband
from tests.strategies.runner import Curve, VirtualRunner, VirtualTrial, crossing, rising

# (R, eta): brackets of (n_i, r_i), most exploring first.
TABLES = {
    (81, 3): [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ],
    (50, 3): [
        [(27, 2), (9, 6), (3, 17), (1, 50)],
        [(12, 6), (4, 17), (1, 50)],
        [(6, 17), (2, 50)],
        [(4, 50)],
    ],
    (100, 3): [
        [(81, 1), (27, 4), (9, 11), (3, 33), (1, 100)],
        [(34, 4), (11, 11), (3, 33), (1, 100)],
        [(15, 11), (5, 33), (1, 100)],
        [(8, 33), (2, 100)],
        [(5, 100)],
    ],
    (10, 3): [[(9, 1), (3, 3), (1, 10)], [(5, 3), (1, 10)], [(3, 10)]],
    (7, 2): [[(4, 2), (2, 4), (1, 7)], [(3, 4), (1, 7)], [(3, 7)]],
    (1, 3): [[(1, 1)]],
}


@pytest.mark.parametrize(("max_epochs", "eta"), TABLES)
def test_the_plan_is_the_papers(max_epochs: int, eta: int) -> None:
    assert plan(max_epochs, eta) == TABLES[max_epochs, eta]


@settings(deadline=None)
@given(st.integers(1, 10_000), st.integers(2, 9))
def test_rungs_are_distinct_and_end_at_max_epochs(max_epochs: int, eta: int) -> None:
    for rungs in plan(max_epochs, eta):
        epochs = [epoch for _, epoch in rungs]
        assert epochs[0] >= 1
        assert epochs[-1] == max_epochs
        assert all(a < b for a, b in pairwise(epochs))
        assert all(size >= 1 for size, _ in rungs)


def run(max_epochs: int, trials: int, workers: int, curve: Curve = rising, eta: int = 3) -> VirtualRunner:
    scheduler = hyperband(Space(), metric="acc", mode="max", seed=0, max_epochs=max_epochs, reduction_factor=eta)
    return VirtualRunner(scheduler, curve, workers=workers, trials=trials, max_epochs=max_epochs).run()


def stops(rungs: list[tuple[int, int]]) -> Counter[int]:
    """How many trials of a bracket end at which epoch."""
    sizes = [size for size, _ in rungs] + [0]
    return Counter({epoch: sizes[i] - sizes[i + 1] for i, (_, epoch) in enumerate(rungs)})


@pytest.mark.parametrize("workers", [1, 2, 7, 100])
@pytest.mark.parametrize(("max_epochs", "eta"), TABLES)
def test_rung_populations_are_the_papers_at_any_concurrency(max_epochs: int, eta: int, workers: int) -> None:
    brackets = TABLES[max_epochs, eta]
    runner = run(max_epochs, sum(rungs[0][0] for rungs in brackets), workers, crossing, eta)
    ended = iter(runner.epochs())
    for rungs in brackets:
        assert Counter(next(ended) for _ in range(rungs[0][0])) == stops(rungs)


@pytest.mark.parametrize("workers", [1, 2, 7, 100])
def test_the_best_of_each_bracket_go_on(workers: int) -> None:
    runner = run(81, 143, workers)
    first = sorted(runner.trials[:81], key=lambda trial: -rising(trial.number, 1))
    assert [trial.epochs for trial in first] == [81] + [27] * 2 + [9] * 6 + [3] * 18 + [1] * 54


def test_after_the_last_bracket_the_first_begins_again() -> None:
    runner = run(10, 17 + 9, workers=3)
    assert Counter(runner.epochs()[17:]) == stops(TABLES[10, 3][0])


@pytest.mark.parametrize("workers", [1, 7])
def test_failures_fill_places_as_the_worst(workers: int) -> None:
    def curve(number: int, epoch: int) -> float | None:
        return None if number in (2, 5) else float(number)

    runner = run(9, 9, workers, curve)
    assert runner.epochs() == [1, 0, 1, 1, 0, 1, 3, 3, 9]


def test_where_too_few_survive_all_survivors_go_on() -> None:
    runner = run(9, 9, 2, lambda number, epoch: None if number > 2 else float(number))
    assert runner.epochs() == [3, 9, 0, 0, 0, 0, 0, 0, 0]


def test_a_failed_trial_of_a_later_rung_does_not_block_it() -> None:
    runner = run(9, 9, 2, lambda number, epoch: None if number == 9 and epoch == 2 else float(number))
    assert runner.epochs() == [1, 1, 1, 1, 1, 1, 3, 9, 1]


@pytest.mark.parametrize(("trials", "expected"), [(7, [1] * 5 + [3, 9]), (2, [1, 9]), (1, [9])])
def test_a_bracket_that_is_never_filled_goes_on_once_closed(trials: int, expected: list[int]) -> None:
    assert run(9, trials, 2, lambda number, epoch: float(number)).epochs() == expected


def test_new_trials_start_the_next_bracket_while_a_rung_waits() -> None:
    scheduler: Any = hyperband(Space(), metric="acc", mode="max", seed=0, max_epochs=9)
    runner = VirtualRunner(scheduler, rising, workers=1, trials=0, max_epochs=9)
    for number in range(1, 11):
        trial = VirtualTrial(number)
        runner.trials.append(trial)
        scheduler.on_trial_add(runner, trial)
    assert [len(bracket.rungs[0].members) for bracket in scheduler.brackets] == [9, 1]


def test_a_trial_that_ends_early_competes_with_what_it_has() -> None:
    bracket = Bracket([(3, 1), (1, 3)], eta=3)
    for name in "abc":
        bracket.add(name)
    assert bracket.record("a", 1.0) == []
    assert bracket.end("b", 5.0) == []
    assert sorted(bracket.record("c", 2.0)) == ["a", "c"]
    assert bracket.rungs[1].scores == {"b": 5.0}


def test_a_report_that_skips_a_rungs_epoch_counts_for_it() -> None:
    scheduler: Any = hyperband(Space(), metric="acc", mode="max", seed=0, max_epochs=9)
    runner = VirtualRunner(scheduler, rising, workers=1, trials=0, max_epochs=9)
    trials = [VirtualTrial(number) for number in range(1, 10)]
    runner.trials = trials
    for trial in trials:
        scheduler.on_trial_add(runner, trial)
        trial.status = Trial.RUNNING
    for trial in trials[:-1]:
        assert scheduler.on_trial_result(runner, trial, {"acc": 0.0, "epoch": 2}) == TrialScheduler.PAUSE
        trial.status = Trial.PAUSED
    assert scheduler.on_trial_result(runner, trials[-1], {"acc": 1.0, "epoch": 2}) == TrialScheduler.CONTINUE
    assert sum(trial.status == Trial.TERMINATED for trial in trials) == 6


def test_a_reduction_factor_below_two_is_refused() -> None:
    with pytest.raises(ValueError, match="reduction_factor must be at least 2, got 1"):
        run(9, 1, 1, eta=1)
