"""How far values support or refute each form of hypothesis: arrays in, one-sided p-values out.

Series have seeds on the last axis and levels of a factor on the one before; any leading axes are kept, so that a
simulation tests thousands of studies at once. Larger values are better. Every form gives two p-values: one for its
support, valid wherever the claim is false, and one for its refutation, valid wherever it is true. A claim that says
several things is supported if all of them hold (an intersection-union test, Berger 1982, needs no correction) and
refuted if one fails, corrected by Bonferroni; the other way round where it says that some level exists.

`python -m tests.benchmarks.hypotheses` prints how often each form is supported or refuted falsely.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Weighed = tuple[Floats, Floats]
"""p-values of the support and of the refutation."""

SKEWNESS = 2.5
"""How much more evidence is needed where one side of a contrast has all the noise: by `1 + SKEWNESS / sqrt(seeds)`."""
HIDDEN = 0.7
"""Exponent of the imbalance of the two sides' variances: below 1, since a handful of seeds hides much of it."""
PART = 0.1
"""Without a margin, a trend may fall between two levels by this fraction of its total change."""


def p_above(plus: Floats, minus: Floats, threshold: float = 0.0, *, step: float = 0.0) -> Floats:
    """p-value of the claim that the mean of `plus - minus` lies above `threshold`; NaN with fewer than two seeds.

    Student's t of the differences within seeds, which assumes nothing about how noisy either side is. If both are
    equally noisy, the skewness of the noise cancels. The more of the noise is on one side, the less it cancels and the
    more t is shrunk; otherwise exponential noise on one side alone gives 11 % false claims with three to five seeds.

    Args:
        step: see `standard_error`; here for a difference of two values.
    """
    difference = plus - minus
    seeds = difference.shape[-1]
    if seeds < 2:
        return np.full(difference.shape[:-1], np.nan)
    # Summing equal numbers in another order changes the last bits.
    least = 1e-12 * max(float(np.abs(plus).max(initial=0.0)), float(np.abs(minus).max(initial=0.0)))
    ahead = difference.mean(axis=-1) - threshold
    variance = difference.var(axis=-1, ddof=1) + step**2 / 6
    apart = np.abs(plus.var(axis=-1, ddof=1) - minus.var(axis=-1, ddof=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        imbalance = np.where(variance > least**2, np.minimum(apart / variance, 1.0), 0.0)
        tail = p_beyond(ahead / np.sqrt(variance / seeds), imbalance, seeds)
    certain = np.where(ahead > least, 0.0, 1.0)
    p: Floats = np.where(variance > least**2, tail, certain)
    return p


def p_beyond(t: Floats, imbalance: Floats, seeds: int) -> Floats:
    """p-value of a Student's t over so many seeds, shrunk by how much noisier one of its two sides is (0 to 1)."""
    shrunk = 1 + SKEWNESS * imbalance**HIDDEN / np.sqrt(seeds)
    p: Floats = stats.t.sf(t / shrunk, seeds - 1)
    return p


def better(left: Floats, right: Floats, margin: float, *, step: float = 0.0) -> Weighed:
    """`left` is better than `right` by more than the margin."""
    return p_above(left, right, margin, step=step), p_above(right, left, -margin, step=step)


def equal(left: Floats, right: Floats, margin: float, *, step: float = 0.0) -> Weighed:
    """`left` and `right` differ by less than the margin: two one-sided tests (Schuirmann 1987)."""
    inside = np.maximum(p_above(left, right, -margin, step=step), p_above(right, left, -margin, step=step))
    outside = np.minimum(p_above(left, right, margin, step=step), p_above(right, left, margin, step=step))
    return inside, outside


def trend(levels: Floats, margin: float | None, *, step: float = 0.0) -> Weighed:
    """The last level lies above the first, and no level below an earlier one by more than the margin.

    Args:
        margin: None for `PART` of the change from the first level to the last.
    """
    first, last = levels[..., 0, :], levels[..., -1, :]
    rise, fall = p_above(last, first, step=step), p_above(first, last, step=step)
    early, late = np.triu_indices(levels.shape[-2], 1)
    inner = (early > 0) | (late < levels.shape[-2] - 1)
    if not inner.any():
        return rise, fall
    later, earlier = levels[..., late[inner], :], levels[..., early[inner], :]
    if margin is None:
        later, earlier = later + PART * last[..., None, :], earlier + PART * first[..., None, :]
    kept = p_above(later, earlier, -(margin or 0.0), step=step).max(axis=-1)
    broken = p_above(earlier, later, margin or 0.0, step=step).min(axis=-1) * inner.sum()
    return np.maximum(rise, kept), np.minimum(2 * np.minimum(fall, broken), 1.0)


def no_gain(levels: Floats, margin: float, *, step: float = 0.0) -> Weighed:
    """No level is better than the first one by more than the margin."""
    first, others = levels[..., :1, :], levels[..., 1:, :]
    gain, none = better(others, first, margin, step=step)
    return none.max(axis=-1), _one_of(gain)


def flat(levels: Floats, margin: float, *, step: float = 0.0) -> Weighed:
    """No level differs from the first one by more than the margin."""
    inside, outside = equal(levels[..., 1:, :], levels[..., :1, :], margin, step=step)
    return inside.max(axis=-1), _one_of(outside)


def robust(narrow: Floats, wide: Floats, *, step: float = 0.0) -> Weighed:
    """The means of `narrow` have a smaller range over the levels than those of `wide`.

    The range of noisy means grows with their noise, so ranges are not compared directly: two levels must differ by more
    in `wide` than any two do in `narrow`.
    """
    return _wider(wide, narrow, step), _wider(narrow, wide, step)


def _wider(one: Floats, other: Floats, step: float) -> Floats:
    """p-value of the claim that the range of one's means is greater than that of the other's."""
    pairs = np.array(list(itertools.permutations(range(one.shape[-2]), 2)))
    p: list[Floats] = []
    for high, low in pairs:
        plus = one[..., high, None, :] + other[..., pairs[:, 1], :]
        minus = one[..., low, None, :] + other[..., pairs[:, 0], :]
        p.append(p_above(plus, minus, step=step * np.sqrt(2)).max(axis=-1))
    # Each pair of levels counts once, not once per direction: doubling the p-value for the verdict covers the other.
    corrected: Floats = np.minimum(np.stack(p, axis=-1).min(axis=-1) * len(pairs) / 2, 1.0)
    return corrected


def peak(levels: Floats, *, step: float = 0.0) -> Weighed:
    """An inner level is better than the first and than the last."""
    inner = levels[..., 1:-1, :]
    ends = [levels[..., :1, :], levels[..., -1:, :]]
    above = np.maximum(*(p_above(inner, end, step=step) for end in ends))
    below = [p_above(end, inner, step=step).max(axis=-1) for end in ends]
    return _one_of(above), _one_of(np.stack(below, axis=-1))


def bound(values: Floats, number: float, *, step: float = 0.0) -> Weighed:
    """The mean lies above the number."""
    # One value is rounded, not two.
    return better(values, np.zeros_like(values), number, step=step / np.sqrt(2))


def _one_of(p: Floats) -> Floats:
    """The smallest along the last axis, corrected by Bonferroni."""
    corrected: Floats = np.minimum(p.min(axis=-1) * p.shape[-1], 1.0)
    return corrected
