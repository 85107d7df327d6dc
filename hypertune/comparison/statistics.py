"""Intervals, ranks and posteriors over seeds; plain arrays in, plain numbers out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import expit

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Confidence of the intervals; the tests reject at `1 - LEVEL`."""
DRAWS = 9999
FEWEST_SEEDS = 3
"""With fewer, nothing is tested: two differences say next to nothing about their spread."""
LAST_BITS = 1e-12
"""Numbers that differ by less, relative to their size, are equal but for the order in which they were computed."""
NEAR_BOUND = 0.1
"""Proportions whose mean is this close to 0 or 1 get their interval on the logit scale."""


def interval(
    values: ArrayLike, *, level: float = LEVEL, step: float = 0.0, differences: bool = False
) -> tuple[float, float]:
    """Student's t-interval of the mean; on the logit scale for proportions near 0 or 1, so that it stays inside.

    For normal, rounded and moderately skewed numbers it covers the mean in 93 to 97 % of cases with 3 to 30 seeds, for
    exponential ones in 88 to 93 %; `python -m tests.benchmarks.judgement` prints the figures.

    Args:
        values: one number per seed; missing ones are left out.
        step: see `standard_error`.
        differences: whether they are differences, which are no proportions even if all lie between 0 and 1.

    Returns:
        (low, high) in the unit of `values`; (NaN, NaN) for fewer than two numbers, which say nothing about spread.
    """
    sample = np.asarray(values, dtype=float).ravel()
    sample = sample[np.isfinite(sample)]
    if sample.size < 2:
        return float("nan"), float("nan")
    half = stats.t.ppf((1 + level) / 2, sample.size - 1) * standard_error(sample, step=step / np.sqrt(2))
    proportions = not differences and bool(sample.min() > 0 and sample.max() < 1)
    low, high = ends(sample.mean(), half, proportions=proportions)
    return float(low), float(high)


def ends(
    mean: ArrayLike, half: ArrayLike, *, proportions: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of intervals `mean` plus and minus `half`, element by element; those of proportions near 0 or 1 are
    formed on the logit scale."""
    centre, reach = np.asarray(mean, dtype=float), np.asarray(half, dtype=float)
    near = np.asarray(proportions) & (np.minimum(centre, 1 - centre) < NEAR_BOUND)
    inside = np.where(near, centre, 0.5)
    logit, slope = np.log(inside / (1 - inside)), 1 / (inside * (1 - inside))
    low, high = (np.where(near, expit(logit + d * slope), centre + d) for d in (-reach, reach))
    return low, high


def standard_error(differences: ArrayLike, *, step: float = 0.0) -> float:
    """Standard error of the mean of two or more paired differences.

    Args:
        step: the grid on which the compared values lie, e.g. 1/360 for accuracies on 360 images. The variance of
            rounding to it is added: otherwise three seeds that happen to differ by the same step look like certainty.
    """
    sample = np.asarray(differences, dtype=float)
    return float(np.sqrt((sample.var(ddof=1) + step**2 / 6) / sample.size))


def grid_step(values: ArrayLike) -> float:
    """The smallest distance between two different finite values, 0 if all are equal."""
    numbers = np.asarray(values, dtype=float)
    numbers = np.unique(numbers[np.isfinite(numbers)])
    if numbers.size < 2:
        return 0.0
    sizes, gaps = np.abs(numbers), np.diff(numbers)
    # Equal values may differ in their last bits: those of their own, since one value may be huge, or of a usual one,
    # since some may be near 0.
    gaps = gaps[gaps > LAST_BITS * np.maximum(np.maximum(sizes[:-1], sizes[1:]), np.median(sizes))]
    return float(gaps.min()) if gaps.size else 0.0


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """p-values corrected for multiple testing (Holm 1979, Scandinavian Journal of Statistics 6), in the order given."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def mean_ranks(values: pd.DataFrame, mode: str) -> pd.Series[float]:
    """Mean rank of each column over the rows, 1 the best; ties share their mean rank, missing values come last."""
    ranks = values.rank(axis=1, ascending=mode == "min", na_option="bottom", method="average")
    return ranks.mean(axis=0)


def p_best(values: pd.DataFrame, mode: str, *, step: float = 0.0, seed: int = 0) -> pd.Series[float]:
    """Posterior probability that each column has the best mean, under a flat prior and normal noise shared by seed.

    The means' posterior is Student's t with `rows - 1` degrees of freedom around those seen (Gelman et al. 2013,
    "Bayesian Data Analysis", section 3.2, for each difference), so that three seeds never look like certainty.

    Args:
        values: index seeds, columns strategies.
        step: see `standard_error`.
        seed: seeds the draws.

    Returns:
        The share of draws in which a column comes first, ties split evenly; NaN for fewer than two rows or where a
        number is missing.
    """
    rows = len(values)
    if rows < 2 or bool(values.isna().any(axis=None)):
        return pd.Series(np.nan, index=values.columns)
    table = values.to_numpy(dtype=float) * (1.0 if mode == "max" else -1.0)
    generator = np.random.default_rng(seed)
    centred = table - table.mean(axis=0)
    noise = generator.standard_normal((DRAWS, rows)) @ centred / np.sqrt(rows - 1)
    noise += generator.standard_normal((DRAWS, table.shape[1])) * step / np.sqrt(12)
    scale = np.sqrt((rows - 1) / generator.chisquare(rows - 1, size=(DRAWS, 1)) / rows)
    means = table.mean(axis=0) + noise * scale
    # Summing in another order changes the last bits of equal means.
    best = means.max(axis=1, keepdims=True)
    first = means >= best - LAST_BITS * np.abs(best)
    return pd.Series((first / first.sum(axis=1, keepdims=True)).mean(axis=0), index=values.columns)
