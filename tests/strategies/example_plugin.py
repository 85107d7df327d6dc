"""A third-party searcher in 30 lines: varies the best configuration so far."""

import numpy as np
from ray.tune.search import Searcher

from hypertune.space import Config, Space
from hypertune.strategies.history import HistorySearcher
from hypertune.strategies.plugin import FEATURES, searcher
from hypertune.strategies.unit_cube import UnitCube


class Climber(HistorySearcher):
    """Finished suggestions are in `self.done()`; a lower `loss` is better in both modes."""

    step = 0.1

    def propose(self, number: int, rng: np.random.Generator) -> Config:
        cube = UnitCube(self.space)  # one coordinate in [0, 1] per hyperparameter, NaN where it is inactive
        fresh = rng.random(cube.size)
        if not self.done():
            return cube.config(fresh)
        best = min(self.done(), key=lambda suggestion: suggestion.loss or 0.0)
        near = cube.points([best.numbers])[0] + self.step * rng.standard_normal(cube.size)
        return cube.config(np.where(np.isnan(near) | (rng.random(cube.size) < 0.2), fresh, np.clip(near, 0, 1)))


@searcher(summary="varies the best configuration so far", supports=FEATURES)
def climber(space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, step: float = 0.1) -> Searcher:
    made = Climber(space, metric=metric, mode=mode, seed=seed)
    made.step = step
    return made
