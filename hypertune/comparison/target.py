"""Time to a target: how long each strategy takes to get as far as random search does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.comparison.anytime import (
    Axis,
    change_points,
    first_reached,
    on_points,
    reached_between,
    steps_by_seed,
)
from hypertune.comparison.outcomes import Outcomes, baseline, counted, outcomes
from hypertune.records.records import Records

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Target:
    """When each strategy reached the target.

    Attributes:
        value: the metric to reach.
        reference: the strategy whose final mean it is.
        table: index strategy; `at`, when the strategy's mean incumbent first reaches it (seconds or epochs; NaN if its
            sweeps ended before that), its 95 % interval `low`, `high` (infinite where it may never get
            there, NaN with one seed), and `speedup`, the reference's `at` over the strategy's (0 if never).
    """

    value: float
    reference: str
    table: pd.DataFrame


def to_target(records: Records, axis: Axis = "wall_s") -> Target | None:
    """How long each strategy takes to reach the mean value that random search ends at; None if nothing can be compared.

    Without random search among the strategies, the worst final mean is the target. The time is read off the *mean*
    incumbent over seeds: the times of single sweeps would favour random search, which reaches its own final value in
    every sweep by definition while an equal strategy does so in half of its sweeps. A strategy whose mean never gets
    there is censored at its end: its time is missing, never a number.

    These times are descriptive and not tested: incumbents are maxima of noisy validation scores, and strategies
    that look at more configurations sooner get to any such target sooner, whether or not what they find is better.
    """
    facts = outcomes(records)
    values = counted(facts.values, records.study.mode, facts.ran)
    if not facts.seeds or bool((values.isna() & facts.ran).any(axis=None)):
        return None
    means = values.mean()
    worst = str(means.idxmin() if records.study.mode == "max" else means.idxmax())
    reference = baseline(facts.strategies) or worst
    scores, grid = _scores(records, facts, values, axis)
    return Target(value=float(means[reference]), reference=reference, table=_observed(scores, grid, reference))


def _scores(records: Records, facts: Outcomes, values: pd.DataFrame, axis: Axis) -> tuple[dict[str, Floats], Floats]:
    """Every sweep's incumbent at each point where one of them changed: strategy to an array (seeds, points), and the
    points."""
    steps, end = steps_by_seed(records, facts, axis)
    sign = 1.0 if records.study.mode == "max" else -1.0
    for name in steps:
        # A sweep that found nothing counts as the worst value, as in every comparison, and only at the very end.
        late = [(np.array([end]), np.array([sign * value])) for value in values[name][facts.ran[name]]]
        steps[name] = [step if step[0].size else late[i] for i, step in enumerate(steps[name])]
    grid = change_points([sweep for sweeps in steps.values() for sweep in sweeps], end)
    return {name: on_points(grid, sweeps) for name, sweeps in steps.items()}, grid


def _observed(scores: dict[str, Floats], grid: Floats, reference: str) -> pd.DataFrame:
    goal = scores[reference].mean(axis=0)[-1:]
    at = {name: first_reached(rows.mean(axis=0)[None], goal, grid)[0] for name, rows in scores.items()}
    table = pd.DataFrame({"at": pd.Series(at, dtype=float)})
    table["speedup"] = table["at"][reference] / table["at"]
    between = {name: reached_between(rows, float(goal[0]), grid) for name, rows in scores.items()}
    table[["low", "high"]] = pd.DataFrame.from_dict(between, orient="index", columns=["low", "high"])
    table["at"] = table["at"].replace(np.inf, np.nan)
    return table
