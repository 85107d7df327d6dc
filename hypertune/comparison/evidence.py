"""What the seeds say about each pair of strategies: the difference, its standard error, and whether it is significant.

One boundary covers every look at the data. Of studies judged after each seed, from the third to the thirtieth, at most
5 % make any false claim; this holds for 2 to 20 strategies and for normal, skewed, rounded and unequal noise. Where it
is both, exponential and three or more times as large in some strategies, up to 9 % call one practically equal that is
worse by the margin and a little. The boundary has no closed form: its constants were found by simulation, which
`python -m tests.benchmarks.judgement` repeats, printing the error rates.

Group-sequential boundaries (Jennison and Turnbull 1999, "Group Sequential Methods", chapter 2) are of this kind. Two
things differ: the variance is estimated, from the pair and from all pairs together; and the boundary is higher where
one strategy of a pair is much noisier, since the skewness of the noise then does not cancel in the difference.

Where no two strategies have a seed in common, their values are independent samples, and the error of a difference is
Welch's (1947, Biometrika 34), with the smaller number of seeds for both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.comparison.statistics import FEWEST_SEEDS, LAST_BITS, grid_step

FEWEST_FOR_EQUAL = 5
"""The least number of seeds for the claim that the strategy with the best mean is within the margin of the best."""

Matrix = NDArray[np.float64]
CHANCE = 0.8
"""Over the root of the seeds, about the imbalance that equally noisy strategies show by chance."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """How many standard errors above zero (or minus the margin) a difference must lie to be claimed.

    Attributes:
        level: the boundary between few and many seeds, for equally noisy strategies.
        early: how much higher it is with few seeds: by the factor `1 + early / seeds ** power`.
        late: how much higher it is with more than `late_from` seeds: by `sqrt(1 + late * log(seeds / late_from))`.
        unequal: how much higher it is where one strategy is noisier: by `1 + unequal * imbalance ** 2 / seeds`, with
            the imbalance of the two variances between 0 (equal) and 1 (one strategy has all the noise).
        skewed: the same by `1 + skewed * sqrt(excess / seeds)`, with the excess of the imbalance over `CHANCE /
            sqrt(seeds)`: only between equally noisy strategies does the skewness of the noise cancel.
    """

    level: float
    early: float
    power: float
    late: float
    late_from: float
    unequal: float = 0.0
    skewed: float = 0.0

    def factor(self, seeds: Matrix, imbalance: Matrix) -> Matrix:
        """`level` times the factors, element by element."""
        late = np.sqrt(1 + self.late * np.log(np.maximum(seeds / self.late_from, 1.0)))
        early = 1 + self.early / seeds**self.power
        excess = np.maximum(imbalance - CHANCE / np.sqrt(seeds), 0.0)
        noisier = (1 + self.unequal * imbalance**2 / seeds) * (1 + self.skewed * np.sqrt(excess / seeds))
        factor: Matrix = self.level * late * early * noisier
        return factor


def boundary_of_difference(strategies: int) -> Boundary:
    """For the claim that one strategy is better than another, over all pairs of `strategies` and all looks."""
    level = 3.6 + 0.31 * math.log(max(strategies - 1, 1))
    return Boundary(level=level, early=20.0, power=2, late=0.15, late_from=30, unequal=10.0)


def boundary_of_equality(strategies: int) -> Boundary:
    """For the claim that the strategy with the best mean is at most the margin worse than any other.

    Lower than for a difference: whichever strategy is truly best, a false claim must be one against it.
    """
    level = 2.55 if strategies <= 2 else 2.3
    return Boundary(level=level, early=150.0, power=3, late=0.6, late_from=12, skewed=4.0)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Each pair of strategies compared on their common seeds, or on all their seeds where no two strategies have any in
    common; arrays of shape (strategies, strategies).

    Attributes:
        strategies: the names, in the order of the rows and columns.
        gain: how much better the row's mean is than the column's.
        error: standard error of the gain; NaN with fewer than two common seeds.
        imbalance: of the two strategies' variances, 0 to 1.
        seeds: how many seeds both have; the smaller of the two numbers where none is common.
        identical: whether both have the same value for each of these seeds.
    """

    strategies: tuple[str, ...]
    gain: Matrix
    error: Matrix
    imbalance: Matrix
    seeds: Matrix
    identical: NDArray[np.bool_]

    def statistic(self, margin: float = 0.0) -> Matrix:
        """(gain + margin) in standard errors; infinite where there is a gain and no error at all."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio: Matrix = np.where(self.gain + margin == 0, 0.0, (self.gain + margin) / self.error)
        return ratio

    def needed(self, boundary: Boundary, fewest: int = FEWEST_SEEDS) -> Matrix:
        """The statistic that a claim requires; infinite with fewer seeds than `fewest`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.seeds >= fewest, boundary.factor(self.seeds, self.imbalance), np.inf)

    def better(self) -> NDArray[np.bool_]:
        """Whether the row's strategy is significantly better than the column's."""
        return self.statistic() > self.needed(boundary_of_difference(len(self.strategies)))


def evidence(values: pd.DataFrame, mode: str) -> Evidence:
    """Compares every two columns of `values`, seed by seed, or as independent samples if they share no seeds.

    Args:
        values: index seeds, columns strategies; NaN where a strategy has not run with a seed.
        mode: `max` or `min`: which values are better.
    """
    table, names = oriented(values, mode)
    return evidence_of(table, names, step=grid_step(table))


def oriented(values: pd.DataFrame, mode: str) -> tuple[Matrix, tuple[str, ...]]:
    """The values as an array, shape (seeds, strategies), in which larger ones are better, and the strategies."""
    return values.to_numpy(dtype=float) * (1.0 if mode == "max" else -1.0), tuple(map(str, values.columns))


def evidence_of(table: Matrix, names: tuple[str, ...], *, step: float) -> Evidence:
    """`evidence` of an array, shape (seeds, strategies), in which larger values are better.

    Args:
        step: the grid on which the values lie, 0 if there is none.
    """
    present = np.isfinite(table)
    if present.all():
        return Evidence(names, *_on_common_seeds(table, step))
    if (present.sum(axis=1) <= 1).all():
        return _of_independent(table, names, step)
    gain, error, imbalance, seeds, identical = _unknown(len(names))
    shared = present.T[:, None, :] & present.T[None, :, :]
    for rows in np.unique(shared.reshape(-1, len(table)), axis=0):
        # All strategies that ran these seeds help to estimate the variance of a pair that shares exactly these.
        columns = np.flatnonzero(present[rows].all(axis=0))
        at = np.ix_(columns, columns)
        here = (shared[at] == rows).all(axis=2)
        found = _on_common_seeds(table[rows][:, columns], step)
        for target, new in zip((gain, error, imbalance, seeds, identical), found, strict=True):
            target[at] = np.where(here, new, target[at])
    return Evidence(names, gain, error, imbalance, np.nan_to_num(seeds), identical)


def _unknown(count: int) -> tuple[Matrix, Matrix, Matrix, Matrix, NDArray[np.bool_]]:
    """The arrays of `Evidence` before anything is compared."""
    gain, error, imbalance, seeds = (np.full((count, count), np.nan) for _ in range(4))
    return gain, error, imbalance, seeds, np.eye(count, dtype=bool)


def _of_independent(table: Matrix, names: tuple[str, ...], step: float) -> Evidence:
    """`evidence_of` strategies without common seeds."""
    gain, error, imbalance, seeds, identical = _unknown(len(names))
    own = [column[np.isfinite(column)] for column in table.T]
    known = [i for i, values in enumerate(own) if len(values) > 1]
    if known:
        at = np.ix_(known, known)
        means = np.array([own[i].mean() for i in known])
        number = np.array([len(own[i]) for i in known], dtype=float)
        seeds[at] = fewer = np.minimum(number[:, None], number)
        gain[at] = _differences(means, table[:, known])
        # Each strategy's share in the variance of a difference, as if it were the mean over the fewer seeds.
        share = np.array([own[i].var(ddof=1) for i in known]) / number
        alone, other = fewer * share[:, None], fewer * share
        variance = _steadied(np.where(np.eye(len(known), dtype=bool), 0.0, alone + other), fewer, step)
        error[at], imbalance[at] = np.sqrt(variance / fewer), _imbalance(alone, other, alone + other, variance)
    return Evidence(names, gain, error, imbalance, np.nan_to_num(seeds), identical)


def _on_common_seeds(table: Matrix, step: float) -> tuple[Matrix, Matrix, Matrix, Matrix, NDArray[np.bool_]]:
    """The arrays of `Evidence` for strategies that have all run with the same seeds."""
    n, k = table.shape
    seeds = np.full((k, k), float(n))
    identical: NDArray[np.bool_] = (table[:, :, None] == table[:, None, :]).all(axis=0)
    if n < 2:
        unknown = np.full((k, k), np.nan)
        return (table[0][:, None] - table[0] if n else unknown), unknown, unknown, seeds, identical
    means = table.mean(axis=0)
    gain = _differences(means, table)
    centred = table - means
    covariance = centred.T @ centred / (n - 1)
    alone = np.diag(covariance)
    own = np.maximum(alone[:, None] + alone - 2 * covariance, 0.0)
    variance = _steadied(own, seeds, step)
    return gain, np.sqrt(variance / n), _imbalance(alone[:, None], alone, own, variance), seeds, identical


def _differences(means: Matrix, table: Matrix) -> Matrix:
    """How much larger the row's mean is than the column's."""
    gain: Matrix = means[:, None] - means
    # Summing equal numbers in another order changes the last bits: of the pair's own, since another one's may be huge.
    sizes = np.nanmax(np.abs(table), axis=0)
    gain[np.abs(gain) <= LAST_BITS * np.maximum(sizes[:, None], sizes)] = 0.0
    return gain


def _imbalance(alone: Matrix, other: Matrix, own: Matrix, variance: Matrix) -> Matrix:
    """How much noisier one of the two is, relative to the variance of their difference."""
    imbalance: Matrix = np.minimum(np.abs(alone - other) / np.maximum(np.maximum(own, variance), 1e-300), 1.0)
    return imbalance


def _steadied(own: Matrix, seeds: Matrix, step: float) -> Matrix:
    """The variance of each difference, at least that of the average pair and that of rounding.

    A handful of seeds that happen to agree would otherwise look like certainty. The pair's own variance is reduced a
    little before it is compared with the average, since it is less certain.

    A strategy with a huge value thus widens all intervals. Floors that it does not raise are no better calibrated: for
    noise from 1 to 100 times as large, exponential, looked at after each of 3 to 30 seeds, 3, 4, 6 and 14 strategies
    get a false claim in 4.6, 5.0, 3.2 and 3.1 % of 1,000 simulated studies with the average pair's variance; with the
    median pair's in 4.5, 5.2, 6.9 and 11.6 %; and in 8.3, 8.3, 5.6 and 4.3 % with the average over the strategies whose
    variance is at most 100 times the median one.
    """
    k = len(own)
    if k < 2:
        return own
    average = own.sum() / (k * (k - 1))
    # Two values rounded to a grid have an error of step**2 / 12 each; a power would raise where it is infinite.
    rounding = step * step / 6
    steadied: Matrix = np.maximum(np.maximum(own / (1 + 1 / np.sqrt(seeds)), average), rounding)
    return steadied
