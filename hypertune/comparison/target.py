"""Time to a target: how much faster than random search a strategy gets as far as random search does."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.comparison.anytime import (
    CURVE_RESAMPLES,
    Axis,
    change_points,
    first_reached,
    on_points,
    steps_by_seed,
)
from hypertune.comparison.outcomes import Outcomes, baseline, counted, outcomes
from hypertune.comparison.statistics import LEVEL, holm, resampling_weights
from hypertune.records.records import Records

EXACT_SWAPS = 12
"""Up to this many seeds every way of swapping two strategies' sweeps is gone through; 4096 random ways beyond."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Target:
    """When each strategy reached the target.

    Attributes:
        value: the metric to reach.
        reference: the strategy whose final mean it is.
        table: index strategy; `at` where the strategy's mean incumbent first is as good (seconds or epochs; NaN if it
            never was: its sweeps ended before), `speedup` = the reference's `at` over the strategy's (0 if never),
            its 95 % bootstrap interval `low`, `high` (NaN with one seed), `p_adjusted` of the test that the two
            strategies are equally fast (Holm's correction; NaN for the reference), and `decided`, whether it is below
            0.05.
    """

    value: float
    reference: str
    table: pd.DataFrame


def to_target(records: Records, axis: Axis = "wall_s", *, seed: int = 0) -> Target | None:
    """How long each strategy takes to the mean value that random search ends at; None if nothing can be compared.

    Without random search among the strategies, the worst final mean is the target. The time is read off the *mean*
    incumbent over seeds: the times of single sweeps would favour random search, which reaches its own final value in
    every sweep by definition while an equal strategy does so in every second one. A strategy whose mean never gets
    there is censored at its end: its time is missing, never a number. Seeds are resampled jointly for all strategies.

    The test takes the ratio of the times at which two strategies reach the level that both reach, swaps their sweeps
    seed by seed, and asks how often the ratio is as extreme as the one seen: an exact permutation test of whole curves,
    which needs six seeds to decide at all.
    """
    facts = outcomes(records)
    values = counted(facts.values, records.study.mode)
    if not facts.seeds or values.isna().any(axis=None):
        return None
    means = values.mean()
    worst = str(means.idxmin() if records.study.mode == "max" else means.idxmax())
    reference = baseline(facts.strategies) or worst
    scores, grid = _scores(records, facts, values, axis)
    table = _observed(scores, grid, reference)
    table[["low", "high"]] = _intervals(scores, grid, reference, seed)
    table["p_adjusted"] = _p_values(scores, grid, reference, seed)
    table["decided"] = table["p_adjusted"] < 1 - LEVEL
    return Target(value=float(means[reference]), reference=reference, table=table)


def _scores(records: Records, facts: Outcomes, values: pd.DataFrame, axis: Axis) -> tuple[dict[str, Floats], Floats]:
    """Every sweep's incumbent wherever one of them changed: strategy to an array (seeds, points), and the points."""
    steps, end = steps_by_seed(records, facts, axis)
    sign = 1.0 if records.study.mode == "max" else -1.0
    for name in steps:
        # A sweep that found nothing counts as the worst value, as in every comparison, and only at the very end.
        late = [(np.array([end]), np.array([sign * value])) for value in values[name]]
        steps[name] = [step if step[0].size else late[i] for i, step in enumerate(steps[name])]
    grid = change_points([sweep for sweeps in steps.values() for sweep in sweeps], end)
    return {name: on_points(grid, sweeps) for name, sweeps in steps.items()}, grid


def _observed(scores: dict[str, Floats], grid: Floats, reference: str) -> pd.DataFrame:
    goal = scores[reference].mean(axis=0)[-1:]
    at = {name: first_reached(rows.mean(axis=0)[None], goal, grid)[0] for name, rows in scores.items()}
    table = pd.DataFrame({"at": pd.Series(at, dtype=float)})
    table["speedup"] = table["at"][reference] / table["at"]
    table["at"] = table["at"].replace(np.inf, np.nan)
    return table


def _intervals(scores: dict[str, Floats], grid: Floats, reference: str, seed: int) -> pd.DataFrame:
    seeds = len(scores[reference])
    if seeds < 2:
        return pd.DataFrame(np.nan, index=list(scores), columns=["low", "high"])
    weights = resampling_weights(seeds, resamples=CURVE_RESAMPLES, seed=seed)
    goal = (weights @ scores[reference])[:, -1]
    firsts = {name: first_reached(weights @ rows, goal, grid) for name, rows in scores.items()}
    tails = [50 * (1 - LEVEL), 50 * (1 + LEVEL)]
    rows = {name: np.percentile(firsts[reference] / at, tails) for name, at in firsts.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["low", "high"])


def _p_values(scores: dict[str, Floats], grid: Floats, reference: str, seed: int) -> pd.Series[float]:
    others = [name for name in scores if name != reference]
    swaps = _swaps(len(scores[reference]), seed)
    p = [_swap_test(scores[reference], scores[name], grid, swaps) for name in others]
    return pd.Series(holm(p), index=others, dtype=float).reindex(list(scores))


def _swap_test(reference: Floats, other: Floats, grid: Floats, swaps: Floats) -> float:
    """Two-sided p-value that the two are interchangeable seed by seed, judged by the ratio of their times."""
    seeds = len(reference)
    first = ((1 - swaps) @ reference + swaps @ other) / seeds
    second = ((1 - swaps) @ other + swaps @ reference) / seeds
    # The level that both reach: the same whichever is called the reference, so that swapping all turns the sign.
    goal = np.minimum(first[:, -1], second[:, -1])
    ratio = np.abs(np.log(first_reached(first, goal, grid) / first_reached(second, goal, grid)))
    return float((ratio >= ratio[0] - 1e-9).mean())


def _swaps(seeds: int, seed: int) -> Floats:
    """Ways of swapping, shape (ways, seeds) of 0 and 1; the first one swaps nothing."""
    if seeds <= EXACT_SWAPS:
        return np.array(list(itertools.product((0.0, 1.0), repeat=seeds)))
    random = np.random.default_rng(seed).integers(2, size=(2**EXACT_SWAPS, seeds)).astype(float)
    random[0] = 0.0
    return random
