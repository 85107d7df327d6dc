"""The baselines: one epoch for all, and Ray Tune's own schedulers."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.schedulers import HyperBandScheduler as RayHyperBand

from hypertune.space.space import Space
from hypertune.strategies.registry import schedulers
from tests.strategies.runner import VirtualRunner, crossing, rising


def make(name: str, *, max_epochs: int = 10, **options: Any) -> Any:
    return schedulers()[name](Space(), metric="acc", mode="max", seed=0, max_epochs=max_epochs, **options)


@pytest.mark.parametrize("workers", [1, 7])
def test_the_best_after_one_epoch_train_to_the_end(workers: int) -> None:
    scheduler = make("one-epoch", trials=15, keep=2)
    runner = VirtualRunner(scheduler, crossing, workers=workers, trials=15, max_epochs=10).run()
    best = sorted(runner.trials, key=lambda trial: -crossing(trial.number, 1))[:2]
    assert sorted(runner.epochs()) == [1] * 13 + [10] * 2
    assert {trial.number for trial in runner.trials if trial.epochs == 10} == {trial.number for trial in best}


def test_a_round_of_the_default_size_costs_two_full_trainings() -> None:
    runner = VirtualRunner(make("one-epoch"), rising, workers=3, trials=20, max_epochs=10).run()
    assert sum(runner.epochs()) == 2 * (10 + 9)


def test_more_cannot_be_kept_than_there_are() -> None:
    with pytest.raises(ValueError, match="keep must be from 1 to trials = 3, got 4"):
        make("one-epoch", trials=3, keep=4)


@pytest.mark.parametrize("workers", [1, 7])
@pytest.mark.parametrize("name", ["ray-asha", "ray-hyperband"])
def test_rays_decisions_are_unchanged(name: str, workers: int) -> None:
    plain = {
        "ray-asha": AsyncHyperBandScheduler("epoch", "acc", "max", 10),
        "ray-hyperband": RayHyperBand("epoch", "acc", "max", 10),
    }[name]
    theirs, ours = (
        VirtualRunner(scheduler, crossing, workers=workers, trials=40, max_epochs=10).run()
        for scheduler in (plain, make(name))
    )
    assert ours.decisions == theirs.decisions


def test_rays_brackets_are_drawn_from_the_sweeps_own_stream() -> None:
    np.random.seed(1)
    before = np.random.get_state(legacy=False), random.getstate()
    first, second = (
        VirtualRunner(make("ray-asha", brackets=3), crossing, workers=3, trials=40, max_epochs=10).run()
        for _ in range(2)
    )
    assert first.decisions == second.decisions
    assert random.getstate() == before[1]
    np.testing.assert_equal(np.random.get_state(legacy=False), before[0])


@pytest.mark.parametrize(
    ("name", "options"),
    [("ray-asha", {"grace_period": 11}), ("ray-asha", {"brackets": 0}), ("ray-hyperband", {"reduction_factor": 1})],
)
def test_wrong_options_are_one_line(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        make(name, **options)
