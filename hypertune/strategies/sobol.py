"""Quasi-random search: a scrambled Sobol sequence (Owen, 1998; Bergstra and Bengio, 2012, section 4)."""

from __future__ import annotations

import numpy as np
from ray.tune.search import Searcher
from scipy.stats import qmc

from hypertune.space.space import Config, Space
from hypertune.strategies.history import HistorySearcher
from hypertune.strategies.plugin import FEATURES, searcher
from hypertune.strategies.unit_cube import Array, UnitCube


def sobol_point(dimensions: int, seed: int, number: int) -> Array:
    """Point `number` (from 0) of the sequence that `seed` scrambles, shape (dimensions,)."""
    engine = qmc.Sobol(max(dimensions, 1), scramble=True, rng=np.random.default_rng(seed))
    if number:  # scipy overflows on 0
        engine.fast_forward(number)
    point: Array = engine.random(1)[0][:dimensions]
    return point


class SobolSearcher(HistorySearcher):
    """Points spread evenly over the unit cube of the space; learns nothing."""

    def __init__(self, space: Space, *, metric: str, mode: str, seed: int) -> None:
        super().__init__(space, metric=metric, mode=mode, seed=seed)
        self._cube = UnitCube(space)

    def propose(self, number: int, rng: np.random.Generator) -> Config:
        return self._cube.config(sobol_point(self._cube.size, self.seed, number))


@searcher(summary="quasi-random search: a scrambled Sobol sequence", supports=FEATURES)
def sobol(space: Space, *, metric: str, mode: str, seed: int, max_epochs: int) -> Searcher:
    """A scrambled Sobol sequence over the quantiles of the space's distributions; one coordinate per hyperparameter."""
    return SobolSearcher(space, metric=metric, mode=mode, seed=seed)
