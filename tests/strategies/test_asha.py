"""ASHA's stopping rule, worked out by hand and against Ray Tune's own scheduler."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import AsyncHyperBandScheduler

from hypertune.space.space import Space
from hypertune.strategies.asha import asha, cutoff, rung_epochs
from tests.strategies.runner import VirtualRunner, VirtualTrial, crossing, failing


def make(max_epochs: int = 81, **options: Any) -> Any:
    return asha(Space(), metric="acc", mode="max", seed=0, max_epochs=max_epochs, **options)


@pytest.mark.parametrize(
    ("max_epochs", "grace_period", "eta", "expected"),
    [
        (81, 1, 3, [1, 3, 9, 27]),
        (243, 1, 3, [1, 3, 9, 27, 81]),
        (50, 2, 3, [2, 6, 18]),
        (10, 1, 4, [1, 4]),
        (8, 8, 2, []),
        (1, 1, 3, []),
    ],
)
def test_rungs_are_powers_below_max_epochs(max_epochs: int, grace_period: int, eta: int, expected: list[int]) -> None:
    assert rung_epochs(max_epochs, grace_period, eta) == expected


def test_one_rung_by_hand() -> None:
    # Cutoffs, the upper third of those before: none, 5, 3.67, 6.33, 5, 7.
    scheduler = make(3)
    decisions = [
        scheduler.on_trial_result(None, VirtualTrial(number), {"acc": value, "epoch": 1})
        for number, value in enumerate([5.0, 1.0, 9.0, 2.0, 8.0, 3.0])
    ]
    assert decisions == ["CONTINUE", "STOP", "CONTINUE", "STOP", "CONTINUE", "STOP"]


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.integers(2, 5))
def test_the_cutoff_is_numpys_percentile(scores: list[float], eta: int) -> None:
    expected = float(np.nanpercentile(scores, (1 - 1 / eta) * 100))
    assert cutoff(sorted(scores), eta) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_failures_count_and_never_make_the_cutoff_undefined() -> None:
    assert cutoff([-math.inf], 3) == -math.inf
    assert cutoff([-math.inf, 1.0], 3) == -math.inf
    assert cutoff([-math.inf, -math.inf, 1.0, 2.0], 3) == pytest.approx(1.0)


@pytest.mark.parametrize("workers", [1, 2, 7, 100])
@pytest.mark.parametrize("max_epochs", [81, 50, 10])
def test_decisions_are_rays_where_nothing_fails(max_epochs: int, workers: int) -> None:
    ray = AsyncHyperBandScheduler("epoch", "acc", "max", max_epochs, 1, 3, stop_last_trials=False)
    theirs, ours = (
        VirtualRunner(scheduler, crossing, workers=workers, trials=60, max_epochs=max_epochs).run()
        for scheduler in (ray, make(max_epochs))
    )

    def until_the_last_rung(runner: VirtualRunner) -> list[tuple[str, int, str]]:
        return [decision for decision in runner.decisions if decision[1] < max_epochs]

    assert until_the_last_rung(ours) == until_the_last_rung(theirs)


@pytest.mark.parametrize("workers", [1, 2, 7, 100])
def test_rung_populations_are_who_reached_them(workers: int) -> None:
    scheduler = make(50, grace_period=2)
    runner = VirtualRunner(scheduler, crossing, workers=workers, trials=60, max_epochs=50).run()
    for epoch, scores in scheduler.rungs.items():
        assert set(scores) == {trial.trial_id for trial in runner.trials if trial.epochs >= epoch}
        assert all(trial.epochs in (2, 6, 18, 50) for trial in runner.trials)


def test_a_failure_is_the_worst_of_its_next_rung_only() -> None:
    scheduler = make(50)
    runner = VirtualRunner(scheduler, failing, workers=3, trials=30, max_epochs=50).run()
    failed = [trial for trial in runner.trials if trial.failed]
    assert failed
    for trial in failed:
        entries = {epoch: scores.get(trial.trial_id) for epoch, scores in scheduler.rungs.items()}
        upcoming = min(epoch for epoch in entries if epoch > trial.epochs)
        assert entries[upcoming] == -math.inf
        assert all(score is None for epoch, score in entries.items() if epoch > upcoming)


def test_nan_is_stopped() -> None:
    scheduler = make(9)
    scheduler.on_trial_result(None, VirtualTrial(1), {"acc": 0.5, "epoch": 1})
    assert scheduler.on_trial_result(None, VirtualTrial(2), {"acc": math.nan, "epoch": 1}) == "STOP"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"grace_period": 10}, "from 1 to max_epochs = 9, got 10"), ({"reduction_factor": 1}, "at least 2, got 1")],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(9, **options)
