"""Grid search in a seeded order, so that a budget too small for the grid sees all of the space, not a corner."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from ray.tune.search import Searcher

from hypertune.domains import Numeric
from hypertune.space import Categorical, Config, Space
from hypertune.strategies.history import HistorySearcher
from hypertune.strategies.plugin import FEATURES, searcher

MAX_SIZE = 1_000_000


class Grid:
    """All combinations of a space's values, numbered from 0; what is conditional multiplies its own option only.

    Args:
        points: values per continuous hyperparameter, evenly spread on its own scale.
        levels: a stepped domain of at most this many levels is enumerated, a larger one gets `points` values too.
    """

    def __init__(self, space: Space, points: int, levels: int) -> None:
        self.space = space
        self._values = {
            parameter.key: _values(parameter.domain, points, levels)
            for parameter in space.parameters()
            if isinstance(parameter.domain, Numeric)
        }
        self.size = self._count(space, "")

    def config(self, index: int) -> Config:
        """Configuration `index`; the first hyperparameter varies fastest."""
        numbers = dict(self._digits(self.space, index, ""))
        return self.space.resolve(lambda parameter: numbers[parameter.key])

    def _count(self, entry: object, key: str) -> int:
        if isinstance(entry, Space):
            return math.prod(self._count(inner, key + name) for name, inner in _children(entry))
        if isinstance(entry, Numeric):
            return len(self._values[key])
        if isinstance(entry, Categorical):
            return sum(self._count(option, f"{key}[{i}]/") for i, option in enumerate(entry.options))
        return 1

    def _digits(self, entry: object, index: int, key: str) -> Iterator[tuple[str, float | int]]:
        if isinstance(entry, Space):
            for name, inner in _children(entry):
                index, digit = divmod(index, self._count(inner, key + name))
                yield from self._digits(inner, digit, key + name)
        elif isinstance(entry, Numeric):
            yield key, self._values[key][index]
        elif isinstance(entry, Categorical):
            for i, option in enumerate(entry.options):
                count = self._count(option, f"{key}[{i}]/")
                if index < count:
                    yield key, i
                    yield from self._digits(option, index, f"{key}[{i}]/")
                    return
                index -= count


def _children(space: Space) -> Iterator[tuple[str, object]]:
    """Entries with the part of the key they add; a nested space ends its own with a slash."""
    for name, entry in space.entries.items():
        yield f"{name}/" if isinstance(entry, Space) else name, entry


def _values(domain: Numeric, points: int, levels: int) -> list[float]:
    """The domain's values on the grid: all levels, or quantiles, the bounds among them where there are bounds."""
    if domain.levels is not None and domain.levels <= levels:
        assert domain.step is not None
        return [domain.cast(domain.low + i * domain.step) for i in range(domain.levels)]
    inner = domain.normal or points == 1
    quantiles = (np.arange(points) + 0.5) / points if inner else np.linspace(0, 1, points)
    return list(dict.fromkeys(domain.from_unit(float(u)) for u in quantiles))


class GridSearcher(HistorySearcher):
    """Every point of the grid once, then `FINISHED`."""

    def __init__(
        self, space: Space, *, metric: str, mode: str, seed: int, points: int, levels: int, shuffle: bool
    ) -> None:
        super().__init__(space, metric=metric, mode=mode, seed=seed)
        self.grid = Grid(space, points, levels)
        if self.grid.size > MAX_SIZE:
            raise ValueError(
                f"the grid has {self.grid.size:,} points, more than {MAX_SIZE:,};"
                " lower points or levels, or narrow [space]"
            )
        order = np.arange(self.grid.size)
        self._order = np.random.default_rng(seed).permutation(order) if shuffle else order

    def propose(self, number: int, rng: np.random.Generator) -> Config | None:
        return self.grid.config(int(self._order[number])) if number < self.grid.size else None


@searcher(summary="grid search: every combination once, in random order", supports=FEATURES)
def grid(
    space: Space,
    *,
    metric: str,
    mode: str,
    seed: int,
    max_epochs: int,
    points: int = 5,
    levels: int = 10,
    shuffle: bool = True,
) -> Searcher:
    """The product of all hyperparameters' values; ends when each combination has been suggested once.

    Args:
        points: values per continuous hyperparameter, evenly spread on its own scale (log, or quantiles of a
            normal one).
        levels: a stepped domain of at most this many levels is enumerated; a larger one gets `points` values too.
        shuffle: whether the seed orders the grid; else the first hyperparameter varies fastest.

    Raises:
        ValueError: for options below 1 and for a grid of more than a million points.
    """
    if points < 1 or levels < 1:
        raise ValueError("points and levels must be at least 1")
    return GridSearcher(space, metric=metric, mode=mode, seed=seed, points=points, levels=levels, shuffle=shuffle)
