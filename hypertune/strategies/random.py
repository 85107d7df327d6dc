"""Random search (Bergstra and Bengio, 2012, section 2)."""

from __future__ import annotations

import numpy as np
from ray.tune.search import Searcher

from hypertune.space.sampled import Sampled
from hypertune.space.space import Categorical, Config, Parameter, Space
from hypertune.strategies.history import HistorySearcher
from hypertune.strategies.plugin import FEATURES, SAMPLED, searcher


def draw(space: Space, rng: np.random.Generator) -> Config:
    """One configuration, each active hyperparameter drawn from its own distribution."""

    def pick(parameter: Parameter) -> float | int:
        domain = parameter.domain
        if isinstance(domain, Sampled):
            return domain.draw(rng)
        if isinstance(domain, Categorical):
            return int(rng.integers(len(domain.options)))
        return domain.from_unit(rng.random())

    return space.resolve(pick)


class RandomSearcher(HistorySearcher):
    """Independent draws; learns nothing."""

    def propose(self, number: int, rng: np.random.Generator) -> Config:
        return draw(self.space, rng)


@searcher(summary="random search: independent draws, the baseline", supports=FEATURES | {SAMPLED})
def random(space: Space, *, metric: str, mode: str, seed: int, max_epochs: int) -> Searcher:
    """Independent draws from the space's own distributions; levels of an integer are equally likely."""
    return RandomSearcher(space, metric=metric, mode=mode, seed=seed)
