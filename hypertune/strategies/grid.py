"""Designs as searchers: the full grid, or one hyperparameter at a time; in a seeded order.

The order is random for two reasons: a budget too small for the design then covers the whole space instead of a corner,
and drift of the machine over time (another program, a hot processor) does not look like an effect.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.tune.search import Searcher

from hypertune.space.space import Config, Space
from hypertune.strategies.history import HistorySearcher
from hypertune.strategies.plugin import FEATURES, SAMPLED, searcher
from hypertune.study.design import LEVELS, POINTS, Cells, Grid, OneAtATime


class DesignSearcher(HistorySearcher):
    """Suggests every cell of a design once, then `FINISHED`."""

    def __init__(self, space: Space, cells: Cells, *, metric: str, mode: str, seed: int, shuffle: bool) -> None:
        super().__init__(space, metric=metric, mode=mode, seed=seed)
        self.cells = cells
        order = np.arange(cells.size)
        self._order = np.random.default_rng(seed).permutation(order) if shuffle else order

    def propose(self, number: int, rng: np.random.Generator) -> Config | None:
        return self.cells.config(int(self._order[number])) if number < self.cells.size else None


@searcher(summary="grid search: every combination once, in random order", supports=FEATURES | {SAMPLED})
def grid(
    space: Space,
    *,
    metric: str,
    mode: str,
    seed: int,
    max_epochs: int,
    points: int = POINTS,
    levels: int = LEVELS,
    shuffle: bool = True,
) -> Searcher:
    """The product of all hyperparameters' values; ends when each combination has been suggested once.

    Args:
        points: values per continuous hyperparameter, evenly spread on its own scale (log, or quantiles of a
            normal one).
        levels: a stepped domain of at most this many levels is enumerated; a larger one gets `points` values.
        shuffle: whether the seed shuffles the grid; otherwise the first hyperparameter varies fastest.

    Raises:
        ValueError: for options below 1 and for a grid of more than a million points.
    """
    _check(points, levels)
    cells = Grid(space, points, levels)
    return DesignSearcher(space, cells, metric=metric, mode=mode, seed=seed, shuffle=shuffle)


@searcher(
    summary="a baseline, and every cell that differs from it in one hyperparameter", supports=FEATURES - {"conditional"}
)
def one_at_a_time(
    space: Space,
    *,
    metric: str,
    mode: str,
    seed: int,
    max_epochs: int,
    baseline: dict[str, Any] | None = None,
    points: int = POINTS,
    levels: int = LEVELS,
    shuffle: bool = True,
) -> Searcher:
    """One hyperparameter at a time around a baseline; ends when each cell has been suggested once.

    Args:
        baseline: one value of every hyperparameter; by default the middle level of each.
        points, levels, shuffle: as for `grid`.

    Raises:
        ValueError: for options below 1, or a baseline outside the space.
    """
    _check(points, levels)
    cells = OneAtATime(space, baseline, points, levels)
    return DesignSearcher(space, cells, metric=metric, mode=mode, seed=seed, shuffle=shuffle)


def _check(points: int, levels: int) -> None:
    if points < 1 or levels < 1:
        raise ValueError("points and levels must be at least 1")
