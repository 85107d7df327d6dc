"""The Gaussian process searcher and the cube it works on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor

from hypertune.space.space import Space
from hypertune.strategies import gaussian_process
from hypertune.strategies.bayes import bayes
from hypertune.strategies.gaussian_process import (
    FIT_POINTS,
    MODEL_POINTS,
    Hyperparameters,
    Surrogate,
    fit,
    merge,
    scores,
    subset,
)
from hypertune.strategies.random import draw
from hypertune.strategies.unit_cube import UnitCube
from tests.strategies.contract import EVERY_DOMAIN, SMALL


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_configuration_and_its_point_are_the_same_to_a_model(seed: int) -> None:
    cube = UnitCube(EVERY_DOMAIN)
    config = draw(EVERY_DOMAIN, np.random.default_rng(seed))
    point = cube.points([EVERY_DOMAIN.encode(config)])
    assert EVERY_DOMAIN.contains(cube.config(point[0]))
    assert np.array_equal(np.isnan(point), ~cube.active(point))
    # The way there and back may move a normal value into the searched quantiles, and any by a rounding error.
    back = cube.points([EVERY_DOMAIN.encode(cube.config(point[0]))])
    assert np.allclose(cube.features(point), cube.features(back), atol=2e-3)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_points_of_one_configuration_have_the_same_features(seed: int) -> None:
    space = Space.parse({"n": {"randint": [1, 5]}, "c": {"choice": ["a", "b", "c"]}, "q": {"qlograndint": [8, 64, 8]}})
    cube = UnitCube(space)
    u = np.random.default_rng(seed).random((1, cube.size))
    assert np.allclose(cube.features(u), cube.features(cube.points([space.encode(cube.config(u[0]))])))


def test_inactive_coordinates_do_not_matter() -> None:
    cube = UnitCube(SMALL)
    names = [parameter.key for parameter in cube.parameters]
    u = np.full((2, cube.size), 0.4)
    u[:, names.index("norm")] = 0.1
    u[1, names.index("norm[1]/momentum")] = 0.9
    first, second = cube.features(u)
    assert np.array_equal(first, second)


def test_scores_put_failures_last_and_are_higher_for_better() -> None:
    found = scores(np.array([1.0, math.inf, 3.0, 2.0]))
    assert found[1] == found[2] == found.min()
    assert found[0] == found.max()
    assert np.array_equal(scores(np.array([2.0, math.inf, 2.0])), np.zeros(3))


@pytest.mark.parametrize("large", [1e4, 1e38, 1e300, 1.7e308])
@pytest.mark.parametrize("blown_up", [1, 2])
def test_losses_that_blow_up_to_a_number_leave_the_others_apart(large: float, blown_up: int) -> None:
    found = scores(np.array([0.1, 0.2, 0.3, 0.4, 0.25, 0.15, *[large] * blown_up]))
    assert np.isfinite(found).all()
    assert np.ptp(found[:6]) > 0.5
    assert (found[6:] < found[:6].min()).all()


def test_losses_without_outliers_are_told_apart_up_to_the_largest() -> None:
    assert len(set(scores(np.geomspace(0.01, 1.0, 20)).tolist())) == 20


def test_duplicates_are_averaged() -> None:
    x, y, counts = merge(np.array([[0.0], [1.0], [0.0]]), np.array([1.0, 5.0, 3.0]))
    assert x.tolist() == [[0.0], [1.0]]
    assert y.tolist() == [2.0, 5.0]
    assert counts.tolist() == [2.0, 1.0]


def test_a_subset_has_the_best_and_some_of_the_rest() -> None:
    chosen = subset(np.arange(1000.0), 100)
    assert len(set(chosen.tolist())) == 100
    assert set(range(950, 1000)) <= set(chosen.tolist())
    assert chosen.min() == 0


def test_a_fantasy_takes_the_uncertainty_away() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((20, 2))
    hyperparameters = fit(x, scores(np.sin(5 * x).sum(axis=1)))
    assert isinstance(hyperparameters, Hyperparameters)
    point = np.array([[0.5, 0.5]])
    y = scores(np.sin(5 * x).sum(axis=1))
    before = Surrogate(hyperparameters, x, y, np.empty((0, 2))).predict(point)
    after = Surrogate(hyperparameters, x, y, point).predict(point)
    assert after[1] < before[1]
    assert after[0] == pytest.approx(before[0], abs=1e-3)


def make(space: Space, **options: Any) -> Any:
    return bayes(space, metric="loss", mode="min", seed=0, max_epochs=9, **options)


def test_it_finds_the_minimum_of_a_simple_function() -> None:
    searcher, best = make(SMALL), math.inf
    for i in range(30):
        config = searcher.suggest(f"t{i}")
        value = abs(math.log10(config["lr"]) + 2) + abs(config["width"] - 10) / 10 + config["drop"]
        searcher.on_trial_complete(f"t{i}", {"loss": value})
        best = min(best, value)
    assert best < 0.1


def test_a_small_discrete_space_is_exhausted_before_it_repeats() -> None:
    space = Space.parse({"a": {"randint": [0, 4]}, "b": {"choice": ["x", "y", "z"]}})
    searcher = make(space, n_initial=2)
    seen = []
    for i in range(14):
        config = searcher.suggest(f"t{i}")
        seen.append((config["a"], config["b"]))
        searcher.on_trial_complete(f"t{i}", {"loss": config["a"]})
    distinct_after_the_start = len(set(seen[:14]))
    assert distinct_after_the_start == 12


def test_the_model_stays_small_however_many_results_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps a suggestion cheap; `tests/benchmarks/searchers.py` measures the seconds."""
    sizes: dict[bool, list[int]] = {True: [], False: []}

    class Spy(GaussianProcessRegressor):
        def fit(self, x: Any, y: Any) -> Any:
            sizes[self.optimizer is not None].append(len(x))
            return super().fit(x, y)

    monkeypatch.setattr(gaussian_process, "GaussianProcessRegressor", Spy)
    searcher, rng = make(SMALL), np.random.default_rng(0)
    for i in range(1000):
        config = draw(SMALL, rng)
        searcher.adopt(f"t{i}", config)
        searcher.on_trial_complete(f"t{i}", {"loss": config["drop"] + config["width"] / 10})
    searcher.suggest("bounded")
    assert 0 < max(sizes[True]) <= FIT_POINTS < max(sizes[False]) <= MODEL_POINTS < 1000
    assert len(sizes[True]) == 1


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="n_initial must be at least 2"):
        make(SMALL, n_initial=1)
