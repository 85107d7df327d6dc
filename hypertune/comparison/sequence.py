"""A comparison decided seed by seed: which strategies need another seed, and when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.comparison.evidence import Boundary, boundary_of_difference, oriented
from hypertune.comparison.judgement import UNDECIDED, WORSE, Judgement, judge_table
from hypertune.comparison.statistics import FEWEST_SEEDS, grid_step

WITHIN_REACH = 2.0
"""Once a recommendation is established, open questions are pursued for at most this many times the seeds so far."""
MOST_SEEDS = 1000


@dataclass(frozen=True, slots=True)
class Decided:
    """How a comparison that was decided seed by seed ended.

    Attributes:
        judgement: on the seeds that were used.
        seeds_used: by strategy; fewer for one that was established as worse before the end.
        ended: whether it was decided; if not, the seeds ran out first.
    """

    judgement: Judgement
    seeds_used: dict[str, int]
    ended: bool


def decide(
    values: pd.DataFrame, mode: str, *, margin: float | None = None, seconds: Mapping[str, float] | None = None,
    found: pd.DataFrame | None = None,
) -> Decided:  # fmt: skip
    """Goes through the seeds in the order of the rows and stops as soon as the comparison is decided.

    It is decided when each strategy is best, practically equal to the best, or worse; or when one can be recommended
    and deciding the rest is out of reach: it would take more than `WITHIN_REACH` times the seeds so far. Strategies
    that are established as worse get no further seeds.

    Args:
        values: as `judge_values` takes it.
        margin, seconds, found: as `judge_values` takes them.
    """
    table, names = oriented(values, mode)
    real = None if found is None else found.to_numpy(dtype=bool)
    return decide_table(table, names, margin=margin, seconds=seconds, found=real)


def decide_table(
    table: NDArray[np.float64],
    names: tuple[str, ...],
    *,
    margin: float | None = None,
    seconds: Mapping[str, float] | None = None,
    found: NDArray[np.bool_] | None = None,
) -> Decided:
    """`decide` of an array, shape (seeds, strategies), in which larger values are better."""
    step, active = grid_step(table), np.ones(len(names), dtype=bool)
    used = np.full_like(table, np.nan)
    for row in range(len(table)):
        used[row, active] = table[row, active]
        last = row + 1 == len(table)
        if row + 1 < FEWEST_SEEDS and not last:
            continue
        real = None if found is None else found[: row + 1]
        judgement = judge_table(used[: row + 1], names, step=step, margin=margin, seconds=seconds, found=real)
        ended = has_ended(judgement)
        if ended or last:
            break
        active = np.array([verdict != WORSE for verdict in judgement.verdicts.values()])
    counts = np.isfinite(used).sum(axis=0)
    return Decided(judgement, {name: int(count) for name, count in zip(names, counts, strict=True)}, ended)


def has_ended(judgement: Judgement) -> bool:
    """Whether no further seed is needed; see `decide`."""
    open_ones = judgement.named(UNDECIDED)
    if not open_ones:
        return True
    if judgement.recommended is None:
        return False
    return any(seeds_to_decide(judgement, name) > WITHIN_REACH * judgement.seeds for name in open_ones)


def seeds_to_decide(judgement: Judgement, strategy: str) -> float:
    """How many seeds in all would decide between a strategy and the leader, if the means and their spread stay as they
    are.

    Infinite where no number up to `MOST_SEEDS` does; NaN where the spread is unknown.
    """
    facts = judgement.evidence
    i, leader = (facts.strategies.index(name) for name in (strategy, judgement.leaders[0]))
    if i == leader:
        return max(
            (seeds_to_decide(judgement, other) for other in judgement.named(UNDECIDED) if other != strategy),
            default=float(judgement.seeds),
        )
    return seeds_between(judgement, leader, i)


def seeds_between(judgement: Judgement, i: int, j: int) -> float:
    """How many seeds in all decide between the strategies at two positions; see `seeds_to_decide`."""
    facts = judgement.evidence
    spread = facts.error[i, j] * np.sqrt(facts.seeds[i, j])
    if not np.isfinite(spread):
        return float("nan")
    ahead = abs(float(facts.gain[i, j]))
    distances = [ahead, *([judgement.margin - ahead] if judgement.margin else [])]
    boundary = boundary_of_difference(len(facts.strategies))
    return min(_seeds_for(distance, float(spread), boundary) for distance in distances)


def _seeds_for(distance: float, spread: float, boundary: Boundary) -> float:
    if distance <= 0:
        return float("inf")
    seeds = np.arange(FEWEST_SEEDS, MOST_SEEDS + 1, dtype=float)
    enough = distance * np.sqrt(seeds) > spread * boundary.factor(seeds, np.zeros_like(seeds))
    return float(seeds[int(np.argmax(enough))]) if enough.any() else float("inf")
