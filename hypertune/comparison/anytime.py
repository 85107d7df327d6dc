"""Anytime performance: the incumbent over the budget spent, and when a target is reached."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from hypertune.comparison.outcomes import Outcomes, finished, outcomes
from hypertune.comparison.statistics import LEVEL, ends
from hypertune.records.records import Records

Axis = Literal["epochs", "wall_s"]
Centre = Literal["mean", "iqm"]
Steps = dict[str, list[tuple[NDArray[np.float64], NDArray[np.float64]]]]
"""Strategy to one pair per seed: where the incumbent changed, and its score from there on (higher is better)."""

NOTHING = -1e300
"""Score of an incumbent that does not exist yet: below every real one, and finite, so that weights of 0 cancel it."""


@lru_cache(maxsize=1)
def incumbents(records: Records) -> pd.DataFrame:
    """The incumbent of every sweep whenever it changed, and once more at the end of the sweep.

    Returns:
        Columns `strategy, seed, epochs, wall_s, value`: `epochs` spent by the whole sweep and seconds since it began.
        Epochs lost to a failed trial have no time stamp, so they are counted only at the sweep's end.
    """
    columns = ["strategy", "seed", "epochs", "wall_s", "value"]
    if records.curves.empty:
        return pd.DataFrame(columns=columns)
    curves = records.curves.sort_values(["strategy", "seed", "wall_s"], kind="stable", ignore_index=True)
    sweeps = [curves["strategy"], curves["seed"]]
    trained = curves.groupby("trial_id")["epoch"].diff().fillna(curves["epoch"] - _inherited(records, curves))
    reported = curves[records.study.metric].astype(float).replace([math.inf, -math.inf], math.nan)
    values = reported.mask(_diverged(records, curves)).groupby(sweeps)
    best = values.cummax() if records.study.mode == "max" else values.cummin()
    best = best.groupby(sweeps).ffill()
    frame = curves[["strategy", "seed", "wall_s"]].assign(epochs=trained.groupby(sweeps).cumsum(), value=best)
    changed = frame[best.notna() & (best != best.groupby(sweeps).shift())]
    done = finished(records).astype({"epochs": float, "wall_s": float})
    ends = done.merge(changed.groupby(["strategy", "seed"], as_index=False)["value"].last())
    together = pd.concat([changed[columns], ends[columns]], ignore_index=True)
    return together.sort_values(["strategy", "seed", "wall_s"], kind="stable", ignore_index=True)


def _diverged(records: Records, curves: pd.DataFrame) -> pd.Series[bool]:
    """Whether each row is the epoch in which its trial diverged, whatever accuracy its broken weights have."""
    diverged = records.trials.loc[records.trials["status"] == "diverged", "trial_id"]
    return curves["trial_id"].isin(diverged) & (curves["epoch"] == curves.groupby("trial_id")["epoch"].transform("max"))


def _inherited(records: Records, curves: pd.DataFrame) -> pd.Series[float]:
    """Epochs that each row's trial inherited: a fork in population based training continues its parent's count. 0 for
    all other trials."""
    last = curves.groupby("trial_id")["epoch"].max()
    own = records.trials.set_index("trial_id")["epochs"]
    return curves["trial_id"].map(last - own).fillna(0)


def on_grid(records: Records, axis: Axis = "epochs", *, centre: Centre = "mean", points: int = 200) -> pd.DataFrame:
    """The strategies' incumbents on a common grid from 0 to the longest sweep's end.

    A sweep that ended earlier keeps its incumbent. A strategy's curve begins where all its sweeps have an incumbent,
    since a mean over the quick ones alone would flatter it; a sweep that never had one is left out, which `seeds`
    shows.

    Args:
        centre: `mean`, or `iqm`, the interquartile mean (Agarwal et al. 2021, arXiv:2108.13264).

    Returns:
        Columns `strategy, <axis>, value, low, high, seeds`; low and high are the 95 % t-interval over seeds at each
        point, NaN with one seed. Empty if no sweep can be compared.
    """
    facts = outcomes(records)
    steps, end = steps_by_seed(records, facts, axis)
    grid = np.linspace(0, end, points)
    if axis == "epochs":
        grid = np.unique(grid.round())
    sign = 1.0 if records.study.mode == "max" else -1.0
    parts = [_band(name, sweeps, grid, centre, sign) for name, sweeps in steps.items()]
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return frame.reindex(columns=["strategy", "at", "value", "low", "high", "seeds"]).rename(columns={"at": axis})


def steps_by_seed(records: Records, facts: Outcomes, axis: Axis) -> tuple[Steps, float]:
    """The incumbents' scores of the sweeps under comparison, and where the longest of these sweeps ended."""
    changes = incumbents(records)
    sign = 1.0 if records.study.mode == "max" else -1.0
    groups = dict(list(changes.groupby(["strategy", "seed"], sort=False)))
    empty = (np.empty(0), np.empty(0))
    steps: Steps = {name: [] for name in facts.strategies}
    for name in facts.strategies:
        for seed in facts.seeds_of(name):
            part = groups.get((name, seed))
            step = empty if part is None else (part[axis].to_numpy(float), sign * part["value"].to_numpy(float))
            steps[name].append(step)
    done = finished(records)
    compared = done[done["strategy"].isin(facts.strategies) & done["seed"].isin(facts.seeds)]
    return (steps if facts.seeds else {}), float(compared[axis].max()) if len(compared) else 0.0


def on_points(grid: NDArray[np.float64], sweeps: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Any:
    """Scores of the sweeps at the points of `grid`: shape (sweeps, points), `NOTHING` before the first incumbent."""
    rows = []
    for at, scores in sweeps:
        position = np.searchsorted(at, grid, side="right")
        rows.append(np.concatenate([[NOTHING], scores])[position])
    return np.array(rows)


def change_points(sweeps: list[tuple[NDArray[np.float64], NDArray[np.float64]]], end: float) -> NDArray[np.float64]:
    """The points at which any sweep's incumbent changed, and the end; ascending."""
    return np.unique(np.concatenate([*(at for at, _ in sweeps), [end]]))


def first_reached(
    scores: NDArray[np.float64], goal: float | NDArray[np.float64], grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The first grid point at which each row of scores reaches the goal, up to rounding; infinite if there is none.

    Args:
        scores: shape (rows, points).
        goal: one for all rows, or one for each, shape (rows,).
        grid: shape (points,).
    """
    reached = scores >= np.reshape(goal - 1e-9 * np.abs(goal), (-1, 1))
    return np.where(reached.any(axis=1), grid[reached.argmax(axis=1)], np.inf)


def reached_between(scores: NDArray[np.float64], goal: float, grid: NDArray[np.float64]) -> tuple[float, float]:
    """A 95 % interval of when the mean score reaches the goal: from the first point at which the upper end of the
    mean's interval does to the first at which the lower end does; infinite where that never happens."""
    if len(scores) < 2:
        return math.nan, math.nan
    low, high = (np.where(np.isfinite(end), end, NOTHING) for end in band(_known(scores)))
    first = first_reached(np.array([high, low]), goal, grid)
    return float(first[0]), float(first[1])


def _known(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scores at the points where all sweeps have an incumbent, NaN elsewhere."""
    return np.where((scores > NOTHING).all(axis=0), scores, math.nan)


def band(values: NDArray[np.float64], centre: Centre = "mean") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % t-interval of the mean at each point; NaN where a sweep has no value yet.

    For the interquartile mean it is Tukey and McLaughlin's interval of a trimmed mean (1963, Sankhya A 25).

    Args:
        values: shape (sweeps, points), two or more sweeps.
    """
    count = len(values)
    if centre == "mean":
        middle, spread, left = values.mean(axis=0), values.std(axis=0, ddof=1), count
        error = spread / math.sqrt(count)
    else:
        cut = int(0.25 * count)
        ordered = np.sort(values, axis=0)
        clipped = np.clip(ordered, ordered[cut], ordered[count - cut - 1])
        middle, left = ordered[cut : count - cut].mean(axis=0), count - 2 * cut
        error = clipped.std(axis=0, ddof=1) * math.sqrt(count) / left
    if left < 2:
        return np.full_like(middle, math.nan), np.full_like(middle, math.nan)
    half = stats.t.ppf((1 + LEVEL) / 2, left - 1) * error
    return ends(middle, half, proportions=(values.min(axis=0) > 0) & (values.max(axis=0) < 1))


def _band(name: str, sweeps: list[Any], grid: NDArray[np.float64], centre: Centre, sign: float) -> pd.DataFrame:
    found = [sweep for sweep in sweeps if sweep[0].size]
    frame = pd.DataFrame({"strategy": name, "at": grid, "seeds": len(found)})
    if not found:
        return frame.assign(value=math.nan, low=math.nan, high=math.nan)
    scores = on_points(grid, found)
    value = sign * (scores.mean(axis=0) if centre == "mean" else stats.trim_mean(scores, 0.25, axis=0))
    low, high = band(sign * _known(scores), centre) if len(found) > 1 else (math.nan, math.nan)
    frame = frame.assign(value=value, low=low, high=high)
    frame.loc[~(scores > NOTHING).all(axis=0), "value"] = math.nan
    return frame
