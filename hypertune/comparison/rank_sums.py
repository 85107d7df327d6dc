"""How rank sums vary by chance: their distribution if, within each task, every order of the ranks is equally likely.

Tabulated exactly where that is quick, else drawn with a fixed seed, and always for the ties that the table has. The
usual approximations are wrong for few tasks: where two or three of them agree, Iman and Davenport's F is infinite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from hypertune.comparison.statistics import DRAWS, LEVEL

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_ROWS = 20_000
"""Most rank sums that are formed at a time for the exact distribution; more take about a second in all."""
ROUNDING = 1e-9
"""Probabilities are sums whose last bits are not exact."""


@dataclass(frozen=True, slots=True, eq=False)
class RankSums:
    """The distribution of the strategies' rank sums over tasks, of ranks in halves, so that they are whole with ties.

    Attributes:
        squares: the sum over strategies of the squared rank sums, shape (outcomes,).
        gaps: the largest difference between two rank sums, shape (outcomes,).
        weights: the outcomes' probabilities, shape (outcomes,).
        unseen: probability of the table itself, which counts as one of the draws; 0 where `weights` are exact.
    """

    squares: Ints
    gaps: Ints
    weights: Floats
    unseen: float

    def p_of_squares(self, squares: int) -> float:
        """Probability of squares as large as these or larger: the p-value of Friedman's test."""
        return min(1.0, self.unseen + float(self.weights[self.squares >= squares].sum()))

    def critical_gap(self) -> float:
        """The least gap such that one as large or larger has a probability of at most 0.05; infinite if none has.

        Every two rank sums are compared with it, so that the 0.05 hold for all pairs together (McDonald and Thompson
        1967, Biometrika 54).
        """
        gaps, place = np.unique(self.gaps, return_inverse=True)
        at_least = np.cumsum(np.bincount(place, self.weights)[::-1])[::-1] + self.unseen
        rare = gaps[at_least <= 1 - LEVEL + ROUNDING]
        return float(rare[0]) if rare.size and rare[0] > 0 else math.inf


def rank_sums(halves: Ints) -> RankSums:
    """The distribution for the ranks of a table.

    Args:
        halves: twice the ranks, shape (tasks, strategies). Only which ranks a task has matters, not whose they are.
    """
    rows = np.sort(halves, axis=1)
    # In an order of their own, so that the draws do not depend on that of the tasks.
    return _of(tuple(sorted(map(tuple, rows.tolist()))))


@lru_cache(maxsize=64)
def _of(tasks: tuple[tuple[int, ...], ...]) -> RankSums:
    sums, weights = _tabulated(tasks) or _drawn(tasks)
    unseen = max(0.0, 1 - float(weights.sum()))
    return RankSums(
        squares=(sums**2).sum(axis=1),
        gaps=sums.max(axis=1) - sums.min(axis=1),
        weights=weights,
        unseen=unseen if unseen > ROUNDING else 0.0,
    )


def _tabulated(tasks: tuple[tuple[int, ...], ...]) -> tuple[Ints, Floats] | None:
    """All rank sums and their probabilities, task by task; None where there are too many.

    Sums that differ only in whose they are count as one, since the next task treats all strategies alike.
    """
    sums: Ints = np.array(tasks[:1], dtype=np.int64)
    weights: Floats = np.ones(1)
    for task in tasks[1:]:
        if len(sums) * math.factorial(len(task)) > MOST_ROWS:
            return None
        orders, counts = np.unique(list(permutations(task)), axis=0, return_counts=True)
        added = np.sort((sums[:, None] + orders).reshape(-1, len(task)), axis=1)
        sums, place = np.unique(added, axis=0, return_inverse=True)
        weights = np.bincount(place.ravel(), np.outer(weights, counts / counts.sum()).ravel()).astype(float)
    return sums, weights


def _drawn(tasks: tuple[tuple[int, ...], ...]) -> tuple[Ints, Floats]:
    """Rank sums of `DRAWS` tables whose ranks are shuffled within each task."""
    generator = np.random.default_rng(0)
    sums = np.zeros((DRAWS, len(tasks[0])), dtype=np.int64)
    for task in tasks:
        sums += generator.permuted(np.broadcast_to(np.array(task), sums.shape), axis=1)
    return sums, np.full(DRAWS, 1 / (DRAWS + 1))
