"""Maps configurations to points whose Euclidean distance measures how different they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hypertune.space.domains import Numeric
from hypertune.space.space import Config, Space

Floats = NDArray[np.float64]

ABSENT = 0.5
"""Coordinate of an inactive hyperparameter."""
ONE_HOT = math.sqrt(0.5)
"""Coordinate of a chosen option: two different options are 1 apart, like the two ends of a numeric domain."""


class Coordinates:
    """Maps configurations of a space to points in the unit cube.

    A numeric hyperparameter becomes its quantile in the domain's own distribution, a choice one coordinate per option.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._numeric: dict[str, tuple[int, Callable[[float], float]]] = {}
        self._options: dict[str, int] = {}
        blank: list[float] = []
        for parameter in space.parameters():
            if isinstance(parameter.domain, Numeric):
                self._numeric[parameter.key] = (len(blank), _quantile(parameter.domain))
                blank.append(ABSENT)
            else:
                self._options[parameter.key] = len(blank)
                blank += [0.0] * len(parameter.domain.options)
        self._blank = blank
        # In most spaces, which are flat and numeric, a configuration is its own encoding.
        self._plain = not self._options and all("/" not in key for key in self._numeric)

    @property
    def size(self) -> int:
        """How many coordinates a point has."""
        return len(self._blank)

    def point(self, config: Config) -> list[float]:
        """The point of one configuration, `size` numbers."""
        if self._plain:
            return [quantile(config[name]) for name, (_, quantile) in self._numeric.items()]
        point = self._blank.copy()
        for key, number in self._space.encode(config).items():
            if key in self._options:
                point[self._options[key] + int(number)] = ONE_HOT
            else:
                at, quantile = self._numeric[key]
                point[at] = quantile(number)
        return point

    def points(self, configs: Iterable[Config]) -> Floats:
        """The points of configurations, shape (len, size)."""
        return np.array([self.point(config) for config in configs], dtype=np.float64).reshape(-1, self.size)


def _quantile(domain: Numeric) -> Callable[[float], float]:
    """`domain.to_unit` with precomputed constants; it is linear in the number or its logarithm."""
    if domain.normal:
        return domain.to_unit
    warp: Callable[[float], float] = math.log if domain.log else float
    low, high = warp(domain.low), warp(domain.high)
    start = domain.to_unit(domain.low)
    slope = (domain.to_unit(domain.high) - start) / (high - low) if high > low else 0.0
    return partial(_linear, warp, low, start, slope)


def _linear(warp: Callable[[float], float], low: float, start: float, slope: float, number: float) -> float:
    return start + slope * (warp(number) - low)
