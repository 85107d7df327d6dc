"""The statistics against exact enumeration, published numbers and their own laws."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hypertune.comparison.statistics import grid_step, holm, interval, mean_ranks, p_best, standard_error

numbers = st.floats(-100, 100).map(lambda x: round(x, 3))


def test_holm_matches_the_worked_example_of_demsar() -> None:
    # Demšar 2006, section 3.2.3: p-values of three classifiers against C4.5, alpha 0.05.
    p = holm([0.019, 0.607, 0.016])
    assert p.tolist() == pytest.approx([0.048, 0.607, 0.048])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_the_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (adjusted <= 1).all()
    order = np.argsort(p)
    assert (np.diff(adjusted[order]) >= -1e-12).all()


def test_an_interval_is_students() -> None:
    x = [0.31, 0.35, 0.29, 0.5]
    ours = interval(x)
    theirs = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert ours == pytest.approx((theirs.low, theirs.high))


@given(st.lists(st.floats(0.9, 0.9999), min_size=2, max_size=12))
@settings(max_examples=25, deadline=None)
def test_an_interval_of_proportions_near_one_stays_below_it(values: list[float]) -> None:
    low, high = interval(values)
    assert 0 <= low <= np.mean(values) + 1e-12
    assert np.mean(values) - 1e-12 <= high <= 1


@pytest.mark.parametrize("seeds", [3, 10])
def test_an_interval_covers_the_mean(seeds: int) -> None:
    random = np.random.default_rng(seeds)
    ends = np.array([interval(random.normal(0.7, 0.01, seeds)) for _ in range(400)])
    assert 0.91 < np.mean((ends[:, 0] <= 0.7) & (ends[:, 1] >= 0.7)) < 0.99


def test_an_interval_of_equal_values_is_that_value_unless_they_were_rounded() -> None:
    assert interval([0.5, 0.5, 0.5]) == (0.5, 0.5)
    low, high = interval([0.5, 0.5, 0.5], step=0.01)
    assert low < 0.5 < high
    assert interval([0.5, math.nan, 0.7]) == interval([0.5, 0.7])
    assert all(math.isnan(edge) for edge in interval([0.5]))


def test_rounding_adds_to_the_standard_error() -> None:
    assert standard_error([0.01, 0.01, 0.01]) == 0
    assert standard_error([0.01, 0.01, 0.01], step=0.01) == pytest.approx(0.01 / math.sqrt(18))


def test_mean_ranks_share_ties_and_put_missing_values_last() -> None:
    values = pd.DataFrame({"a": [3.0, math.nan], "b": [3.0, 1.0], "c": [1.0, 2.0]})
    assert mean_ranks(values, "max").tolist() == [(1.5 + 3) / 2, (1.5 + 2) / 2, (3 + 1) / 2]
    assert mean_ranks(values, "min")["c"] == (1 + 2) / 2


def test_p_best_sums_to_one_and_splits_ties() -> None:
    values = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0], "c": [0.0, 0.0, 9.0]})
    shares = p_best(values, "max")
    assert shares.sum() == pytest.approx(1)
    assert shares["a"] == shares["b"] > 0
    assert p_best(values.iloc[:1], "max").isna().all()


def test_p_best_knows_how_few_seeds_there_are() -> None:
    random = np.random.default_rng(0)
    shares = [p_best(pd.DataFrame(random.normal(size=(3, 2)), columns=list("ab")), "max").max() for _ in range(100)]
    assert np.mean(np.array(shares) > 0.995) < 0.05
    clear = pd.DataFrame({"a": [3.0, 3.1, 2.9, 3.0, 3.2], "b": [0.0, 0.1, 0.2, 0.1, 0.0]})
    assert p_best(clear, "max")["a"] > 0.999
    assert p_best(clear, "min")["b"] > 0.999


def test_grid_step_ignores_the_last_bits() -> None:
    assert grid_step([0.1 + 0.2, 0.3, 0.5]) == pytest.approx(0.2)
    assert grid_step([0.5, 0.5]) == 0
    assert grid_step([0.0, 1 - 0.9 - 0.1, 0.1, 0.2]) == pytest.approx(0.1)


def test_one_huge_value_leaves_the_others_their_grid() -> None:
    usual = [0.91, 0.92, 0.94, 0.97]
    assert grid_step([*usual, 2e13]) == pytest.approx(0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        interval([*usual, 2e13], step=0.01)


def test_gains_that_are_all_positive_are_no_proportions() -> None:
    gains = np.array([0.001, 0.02, 0.03])
    half = stats.t.ppf(0.975, 2) * gains.std(ddof=1) / np.sqrt(3)
    assert interval(gains, differences=True) == pytest.approx((gains.mean() - half, gains.mean() + half))
    assert interval(gains)[0] > 0
