"""BOHB's choice of fidelity and its densities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hypertune.strategies.bohb import bohb
from hypertune.strategies.density import Density
from tests.strategies.contract import SMALL


def make(**options: Any) -> Any:
    return bohb(SMALL, metric="loss", mode="min", seed=0, max_epochs=27, **options)


def report(searcher: Any, trial_id: str, losses: list[float]) -> None:
    searcher.suggest(trial_id)
    for epoch, loss in enumerate(losses, start=1):
        searcher.on_trial_result(trial_id, {"loss": loss, "epoch": epoch})


def test_trials_are_ranked_at_the_largest_epoch_that_enough_reached() -> None:
    # SMALL has five hyperparameters, so eight results make a model.
    searcher = make(n_initial=1)
    for i in range(8):
        report(searcher, f"long{i}", [9.0, 9.0 - i, 9.0 - i])
    assert [s.number for s in searcher._ranked()] == [7, 6, 5, 4, 3, 2, 1, 0]
    # Better than all, but only for one epoch.
    report(searcher, "short", [0.0])
    assert len(searcher._ranked()) == 8


def test_a_value_is_the_best_up_to_the_epoch() -> None:
    searcher = make(n_initial=1)
    report(searcher, "spiky", [1.0, 50.0])
    for i in range(7):
        report(searcher, f"t{i}", [5.0, 4.0])
    assert searcher._ranked()[0].number == 0


def test_failures_come_last_and_make_no_fidelity() -> None:
    searcher = make(n_initial=1)
    for i in range(9):
        report(searcher, f"t{i}", [float(i)])
    searcher.on_trial_complete("t0", None, error=True)
    assert [s.number for s in searcher._ranked()] == [*range(1, 9), 0]
    fresh = make(n_initial=1)
    for i in range(20):
        fresh.suggest(f"t{i}")
        fresh.on_trial_complete(f"t{i}", None, error=True)
    assert fresh._ranked() == []


def test_a_density_is_high_where_the_points_are() -> None:
    points = np.array([[0.2, 0.0], [0.25, 0.0], [0.3, 1.0]])
    density = Density(points, np.array([0, 3]))
    near, far, other = density.log(np.array([[0.25, 0.0], [0.9, 0.0], [0.25, 2.0]]))
    assert near > far
    assert near > other


def test_draws_stay_in_the_cube_and_near_the_points() -> None:
    density = Density(np.array([[0.05, 1.0], [0.1, 1.0], [0.02, 1.0]]), np.array([0, 3]))
    draws = density.sample(500, 3.0, np.random.default_rng(0))
    assert draws[:, 0].min() >= 0
    assert draws[:, 0].max() < 0.6
    assert set(draws[:, 1].tolist()) <= {0.0, 1.0, 2.0}
    assert (draws[:, 1] == 1.0).mean() > 0.9


def test_a_choice_of_one_option_is_no_obstacle() -> None:
    density = Density(np.array([[0.1, 0.0], [0.4, 0.0]]), np.array([0, 1]))
    draws = density.sample(9, 1.0, np.random.default_rng(0))
    assert np.isfinite(density.log(draws)).all()


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="good between 0 and 1"):
        make(good=1.0)
