"""PASHA: when its largest rung grows, worked out by hand, and what follows from that."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hypertune.space.space import Space
from hypertune.strategies.asha import asha
from hypertune.strategies.pasha import criss_cross, pasha, stable
from hypertune.study.study import Budget
from tests.strategies.runner import VirtualRunner, VirtualTrial, crossing, rising
from tests.sweep.scripted import Runner, make_study


def make(max_epochs: int = 27, **options: Any) -> Any:
    return pasha(Space(), metric="acc", mode="max", seed=0, max_epochs=max_epochs, **options)


@pytest.mark.parametrize(
    ("upper", "epsilon", "expected"),
    [
        ({"a": 0.9, "b": 0.8, "c": 0.7}, 0.0, True),
        ({"a": 0.9, "b": 0.7, "c": 0.8}, 0.0, False),  # b and c, 0.1 apart below, have changed places
        ({"a": 0.9, "b": 0.7, "c": 0.8}, 0.11, True),
        ({"a": 0.7, "b": 0.8, "c": 0.9}, 0.11, False),  # a and c, 0.3 apart
        ({"a": 0.7, "b": 0.8, "c": 0.9}, 0.31, True),
        ({"a": 0.9, "c": 0.8}, 0.0, True),
        ({"a": 0.9, "b": -math.inf, "c": 0.8}, 0.0, True),  # a failed trial has no rank
        ({"a": 0.9}, 0.0, True),
        ({}, 0.0, True),
    ],
)
def test_the_soft_ranking_by_hand(upper: dict[str, float], epsilon: float, expected: bool) -> None:
    assert stable(upper, {"a": 0.6, "b": 0.4, "c": 0.3, "d": 0.9}, epsilon) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3], [0, 1, 2], False),
        ([1, 2, 3], [0, 3, 4], False),  # overtaken once, which is no noise
        ([1, 2, 3], [0, 3, 2], True),
        ([1, 2, 3, 4], [0, 3, 4, 3], True),
        ([1, 2], [0, 3, 2], False),  # not seen at the third epoch
    ],
)
def test_curves_that_cross_and_cross_back_are_noise(one: list[float], other: list[float], expected: bool) -> None:
    first, second = dict(enumerate(one, 1)), dict(enumerate(other, 1))
    assert criss_cross(first, second) is criss_cross(second, first) is expected


def report(scheduler: Any, number: int, *values: float, start: int = 1) -> str:
    decision = ""
    trial = VirtualTrial(number)
    if start == 1:
        scheduler.on_trial_add(None, trial)
    for epoch, value in enumerate(values, start):
        decision = scheduler.on_trial_result(None, trial, {"acc": value, "epoch": epoch})
    return decision


def test_the_largest_rung_grows_when_two_trials_change_places() -> None:
    scheduler = make(27, reduction_factor=3)
    assert list(scheduler.rungs) == [1, 3, 9]
    assert report(scheduler, 1, 0.1, 0.2, 0.3) == "PAUSE"
    assert report(scheduler, 2, 0.2, 0.3, 0.4) == "PAUSE"
    assert scheduler.top == 1  # 2 before 1 at both rungs
    # 3 leads after one epoch and is second after three; no curves cross twice, so epsilon is 0.
    assert report(scheduler, 3, 0.3, 0.34, 0.35) == "STOP"
    assert (scheduler.top, scheduler.epsilon) == (2, 0.0)
    # At the new largest rung it goes on until that one is reached.
    assert report(scheduler, 4, 0.5, 0.5, 0.6, 0.6) == "CONTINUE"
    assert report(scheduler, 4, 0.6, 0.6, 0.6, 0.6, 0.6, start=5) == "PAUSE"


def test_noise_alone_lets_nothing_grow() -> None:
    scheduler = make(27)
    report(scheduler, 1, 0.10, 0.30, 0.32)
    # Ahead, behind, ahead: the curves cross back, 0.02 apart at the third epoch.
    report(scheduler, 2, 0.11, 0.29, 0.34)
    assert scheduler.epsilon == pytest.approx(0.02)
    # It leads by 0.01 at the first rung and is 0.01 behind at the second: within epsilon.
    report(scheduler, 3, 0.12, 0.31, 0.33)
    assert scheduler.top == 1


def test_while_rankings_are_stable_only_the_best_one_trains_beyond_the_second_rung() -> None:
    runner = VirtualRunner(make(81), rising, workers=3, trials=60, max_epochs=81).run()
    assert max(sorted(runner.epochs())[:-1]) == 3
    best = max(runner.trials, key=lambda trial: rising(trial.number, 1))
    assert best.epochs == 81


@pytest.mark.parametrize("workers", [1, 7])
def test_it_takes_fewer_epochs_than_asha_and_never_more(workers: int) -> None:
    def epochs(scheduler: Any, curve: Any) -> int:
        return sum(VirtualRunner(scheduler, curve, workers=workers, trials=60, max_epochs=81).run().epochs())

    def of_asha(curve: Any) -> int:
        return epochs(asha(Space(), metric="acc", mode="max", seed=0, max_epochs=81), curve)

    assert epochs(make(81), rising) < 0.6 * of_asha(rising)
    assert epochs(make(81), crossing) <= of_asha(crossing) + 81


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_a_sweep_with_a_budget_of_trials_ends_with_a_full_training(workers: int) -> None:
    study = make_study(strategies=("pasha",), budget=Budget(trials=20))
    table = Runner(study, "pasha", workers=workers).run().book().trials_table()
    assert len(table) == 20
    assert (table["status"] == "completed").any()
    assert set(table["status"]) == {"completed", "stopped"}


@pytest.mark.parametrize("options", [{"grace_period": 28}, {"reduction_factor": 1}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        make(27, **options)
