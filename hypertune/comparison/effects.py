"""Main effects, interactions and the share of the variation that each factor explains, paired by seed."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hypertune.comparison.runs import Runs
from hypertune.comparison.statistics import LEVEL, standard_error
from hypertune.study.hypotheses import VALUE

INTERVAL = ["effect", "low", "high", "seeds"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds with its interval.

    Attributes:
        effect: the mean.
        error: its standard error; NaN with one seed.
        seeds: how many numbers were averaged.
    """

    effect: float
    error: float
    seeds: int

    @property
    def low(self) -> float:
        return self.effect - self._half_width

    @property
    def high(self) -> float:
        return self.effect + self._half_width

    @property
    def _half_width(self) -> float:
        return float(stats.t.ppf((1 + LEVEL) / 2, self.seeds - 1)) * self.error if self.seeds > 1 else math.nan


def estimate(per_seed: ArrayLike, *, step: float = 0.0) -> Estimate:
    """Mean of one number per seed, missing ones left out, with its t-interval.

    Each number is a contrast computed within one seed, so that a seed's effect common to all cells cancels. The
    t-interval of the contrasts assumes nothing about the noise of individual cells and, unlike a bootstrap of three or
    five seeds, has its nominal coverage.

    Args:
        step: see `standard_error`.
    """
    sample = np.asarray(per_seed, dtype=float)
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return Estimate(math.nan, math.nan, 0)
    error = standard_error(sample, step=step) if sample.size > 1 else math.nan
    return Estimate(float(sample.mean()), error, sample.size)


def main_effects(runs: Runs, outcome: str = VALUE) -> pd.DataFrame:
    """What each level of each factor does to the outcome.

    Returns:
        Columns `factor, level, mean, effect, low, high, seeds`. The effect is the level's mean less the mean over all
        levels (grid), or less the baseline (one at a time), whose own row has none.
    """
    rows = []
    for factor in runs.factors:
        by_level = [runs.at(((factor.name, level),), outcome) for level in factor.levels]
        reference = by_level[runs.baseline[factor.name]] if runs.baseline else sum(by_level) / len(by_level)
        for level, series in zip(factor.levels, by_level, strict=True):
            own = estimate(series - reference, step=runs.step if outcome == VALUE else 0.0)
            rows.append({"factor": factor.name, "level": level, "mean": float(series.mean()), **_columns(own)})
    return pd.DataFrame(rows, columns=["factor", "level", "mean", *INTERVAL])


def interactions(runs: Runs, outcome: str = VALUE) -> pd.DataFrame:
    """The effect of two levels together beyond the sum of their main effects; only a grid can show it.

    Returns:
        Columns `factor, level, other, other_level, effect, low, high, seeds`, a row per pair of levels of every two
        factors, the greatest effects first; empty for fewer than two factors and one at a time.
    """
    columns = ["factor", "level", "other", "other_level", *INTERVAL]
    if runs.baseline or len(runs.factors) < 2:
        return pd.DataFrame(columns=columns)
    values = runs.cells(outcome)
    step = runs.step if outcome == VALUE else 0.0
    rows = []
    for a, b in itertools.combinations(range(len(runs.factors)), 2):
        beyond = _beyond(values, a, b)
        one, two = runs.factors[a], runs.factors[b]
        for i, j in itertools.product(range(len(one.levels)), range(len(two.levels))):
            own = estimate(beyond[i, j], step=step)
            rows.append({"factor": one.name, "level": one.levels[i], "other": two.name,
                         "other_level": two.levels[j], **_columns(own)})  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("effect", key=abs, ascending=False, kind="stable", ignore_index=True)


def _beyond(values: NDArray[np.float64], a: int, b: int) -> NDArray[np.float64]:
    """Deviations from additivity of two axes: shape (levels of a, levels of b, seeds)."""
    together = _mean_over_others(values, a, b)
    own = together.mean(axis=1, keepdims=True) + together.mean(axis=0, keepdims=True)
    beyond: NDArray[np.float64] = together - own + together.mean(axis=(0, 1), keepdims=True)
    return beyond


def _mean_over_others(values: NDArray[np.float64], *kept: int) -> NDArray[np.float64]:
    others = tuple(axis for axis in range(values.ndim - 1) if axis not in kept)
    mean: NDArray[np.float64] = values.mean(axis=others)
    return mean


def variation(runs: Runs, outcome: str = VALUE) -> pd.DataFrame:
    """How the variation among all runs of a grid splits up: the sums of squares of a balanced analysis of variance.

    Returns:
        Columns `term` (a factor, `a x b`, `higher interactions`, `seeds and noise`) and `share`, which sums to 1; empty
        one at a time, with one factor level, or where all runs are equal.
    """
    values = runs.cells(outcome) if not runs.baseline and runs.factors else np.zeros((0,))
    total = float(((values - values.mean()) ** 2).sum()) if values.size else 0.0
    if not math.isfinite(total) or total == 0:
        return pd.DataFrame(columns=["term", "share"])
    names = [factor.name for factor in runs.factors]
    squares = {name: _squares(values, _mean_over_others(values, i).mean(-1)) for i, name in enumerate(names)}
    for a, b in itertools.combinations(range(len(names)), 2):
        squares[f"{names[a]} x {names[b]}"] = _squares(values, _beyond(values, a, b).mean(-1), centred=True)
    cells = _squares(values, values.mean(-1))
    if len(names) > 2:
        squares["higher interactions"] = max(cells - sum(squares.values()), 0.0)
    squares["seeds and noise"] = max(total - cells, 0.0)
    return pd.DataFrame([{"term": term, "share": square / total} for term, square in squares.items()])


def _squares(values: NDArray[np.float64], means: NDArray[np.float64], *, centred: bool = False) -> float:
    """The sum of squares over all runs of the values that `means` predict."""
    deviations = means if centred else means - values.mean()
    return float((deviations**2).sum() * values.size / means.size)


def _columns(own: Estimate) -> dict[str, float]:
    return {"effect": own.effect, "low": own.low, "high": own.high, "seeds": own.seeds}
