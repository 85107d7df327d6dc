"""The statistics against exact enumeration, published numbers and their own laws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hypertune.comparison.pairs import PERMUTATION, T_TEST, compare_pairs, find_pair
from hypertune.comparison.statistics import (
    grid_step,
    holm,
    interval,
    least_seeds,
    mean_ranks,
    p_best,
    paired_t_p,
    permutation_p,
    resampling_weights,
    seeds_needed,
)

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


@given(st.lists(numbers, min_size=2, max_size=7))
@settings(max_examples=40, deadline=None)
def test_permutation_p_is_the_exact_enumeration(differences: list[float]) -> None:
    sample = np.array(differences)
    flips = np.array(list(itertools.product((-1, 1), repeat=len(sample))))
    means = (flips * sample).mean(axis=1)
    tail = min((means >= sample.mean() - 1e-9).mean(), (means <= sample.mean() + 1e-9).mean())
    assert permutation_p(differences) == pytest.approx(min(1.0, 2 * tail))


def test_permutation_p_has_the_known_floor() -> None:
    assert permutation_p([1.0, 1.1, 0.9, 1.2, 1.0]) == pytest.approx(2 / 2**5)
    assert permutation_p(np.arange(1.0, 31.0)) < 0.001


def test_paired_t_is_scipys_without_a_grid() -> None:
    x = [0.1, 0.3, 0.2, 0.5]
    assert paired_t_p(x) == pytest.approx(float(stats.ttest_1samp(x, 0).pvalue))


def test_three_equal_steps_are_no_certainty() -> None:
    assert paired_t_p([0.01, 0.01, 0.01]) == 0
    assert paired_t_p([0.01, 0.01, 0.01], step=0.01) > 0.05


def test_too_few_seeds_are_not_tested() -> None:
    assert math.isnan(paired_t_p([0.1, 0.1]))
    assert math.isnan(permutation_p([0.1]))
    assert all(math.isnan(edge) for edge in interval([0.5]))
    assert math.isnan(seeds_needed([0.1]))


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_equal_strategies_are_rarely_called_different(seeds: int) -> None:
    """Accuracies on 360 images of four equal strategies: a finding in at most about 5 % of studies."""
    random, wrong = np.random.default_rng(seeds), 0
    for _ in range(25):
        draws = np.round(random.normal(0.96, 0.004, (seeds, 4)) * 360) / 360
        wrong += bool(_pairs(pd.DataFrame(draws, columns=list("abcd")))["decided"].any())
    assert wrong <= 4


@pytest.mark.parametrize(("seeds", "test"), [(5, T_TEST), (10, PERMUTATION)])
def test_a_clear_difference_is_found(seeds: int, test: str) -> None:
    random = np.random.default_rng(0)
    values = pd.DataFrame(random.normal(0.96, 0.002, (seeds, 4)), columns=["random", "b", "c", "d"])
    values["b"] += 0.05
    pairs = _pairs(values)
    pair = find_pair(pairs, "b", "random")
    assert pair["decided"]
    assert pair["test"] == test
    assert pair["low"] < 0.05 < pair["high"] or abs(pair["better_by"] - 0.05) < 0.01
    assert not find_pair(pairs, "c", "d")["decided"]


def _pairs(values: pd.DataFrame) -> pd.DataFrame:
    return compare_pairs(values, "max")


def test_find_pair_turns_the_sign() -> None:
    values = pd.DataFrame({"a": [1.0, 2.0, 3.5], "b": [0.0, 1.5, 2.0]})
    pairs = _pairs(values)
    forward, backward = find_pair(pairs, "a", "b"), find_pair(pairs, "b", "a")
    assert forward["better_by"] == -backward["better_by"] > 0
    assert (forward["low"], forward["high"]) == (-backward["high"], -backward["low"])
    worse = find_pair(compare_pairs(values, "min"), "a", "b")
    assert worse["better_by"] == -forward["better_by"]
    with pytest.raises(KeyError):
        find_pair(pairs, "a", "z")


def test_pairs_with_random_search_are_a_family_of_their_own() -> None:
    values = pd.DataFrame(np.random.default_rng(1).normal(size=(6, 4)), columns=["a", "random", "b", "c"])
    pairs = _pairs(values)
    with_random = (pairs["strategy"] == "random") | (pairs["other"] == "random")
    assert pairs.loc[with_random, "comparisons"].tolist() == [3, 3, 3]
    assert pairs.loc[~with_random, "comparisons"].tolist() == [6, 6, 6]


@given(st.lists(numbers, min_size=2, max_size=12))
@settings(max_examples=25, deadline=None)
def test_an_interval_lies_within_the_values(values: list[float]) -> None:
    low, high = interval(values)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_an_interval_of_equal_values_is_that_value_and_missing_ones_are_left_out() -> None:
    assert interval([0.5, 0.5, 0.5]) == (0.5, 0.5)
    assert interval([0.5, math.nan, 0.7]) == interval([0.5, 0.7])


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


def test_resampling_weights_sum_to_one() -> None:
    weights = resampling_weights(4, resamples=50)
    assert weights.shape == (50, 4)
    assert weights.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(("comparisons", "seeds"), [(1, 6), (3, 7), (15, 10)])
def test_least_seeds_is_where_the_permutation_test_begins_to_reject(comparisons: int, seeds: int) -> None:
    assert least_seeds(comparisons) == seeds
    assert 2 / 2**seeds * comparisons <= 0.05 < 2 / 2 ** (seeds - 1) * comparisons


def test_seeds_needed_is_the_textbook_power_analysis() -> None:
    # Cohen 1988, table 2.4.1 (paired: d = 0.5, power 0.8, two-sided 0.05) asks for 34.
    unit = np.array([-1.0, 1.0]) / np.sqrt(2)
    assert seeds_needed(unit + 0.5) == 34
    assert seeds_needed(unit + 0.5, comparisons=10) > 34
    assert seeds_needed(unit) == math.inf
    assert seeds_needed([1.0, 1.0, 1.0]) == 3


def test_grid_step_ignores_the_last_bits() -> None:
    assert grid_step([0.1 + 0.2, 0.3, 0.5]) == pytest.approx(0.2)
    assert grid_step([0.5, 0.5]) == 0
