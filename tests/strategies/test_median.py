"""The median stopping rule, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from hypertune.space.space import Space
from hypertune.strategies.median import median
from tests.strategies.runner import VirtualTrial


def feed(scheduler: Any, curves: dict[int, list[float]]) -> list[str]:
    """Reports whole curves, one trial after the other; returns each trial's last decision."""
    return [
        [
            scheduler.on_trial_result(None, VirtualTrial(number), {"acc": value, "epoch": epoch})
            for epoch, value in enumerate(curve, start=1)
        ][-1]
        for number, curve in curves.items()
    ]


def make(**options: Any) -> Any:
    return median(Space(), metric="acc", mode="max", seed=0, max_epochs=9, **options)


def test_a_trial_below_the_median_of_running_averages_is_stopped() -> None:
    scheduler = make(min_trials=3)
    # Running averages at epoch 2: 1.5, 3.0, 5.0; their median is 3.
    feed(scheduler, {1: [1.0, 2.0], 2: [2.0, 4.0], 3: [4.0, 6.0]})
    assert feed(scheduler, {4: [2.5, 2.9]}) == ["STOP"]


def test_its_best_value_counts_not_its_last() -> None:
    scheduler = make(min_trials=3)
    feed(scheduler, {1: [1.0, 2.0], 2: [2.0, 4.0], 3: [4.0, 6.0]})
    assert feed(scheduler, {4: [3.1, 0.0]}) == ["CONTINUE"]


def test_too_few_trials_or_epochs_stop_nothing() -> None:
    assert feed(make(min_trials=3), {1: [5.0], 2: [5.0], 3: [0.0]})[-1] == "CONTINUE"
    scheduler = make(min_trials=1, grace_period=2)
    assert feed(scheduler, {1: [5.0], 2: [0.0]})[-1] == "CONTINUE"


def test_failures_pull_the_median_down() -> None:
    scheduler = make(min_trials=3)
    feed(scheduler, {1: [5.0]})
    for number in (2, 3):
        scheduler.on_trial_error(None, VirtualTrial(number))
    assert feed(scheduler, {4: [0.0]}) == ["CONTINUE"]


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make(min_trials=0)
