"""A search space as a unit cube: one coordinate in [0, 1] per hyperparameter, and the features a model sees of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hypertune.space.domains import Numeric
from hypertune.space.space import Categorical, Config, Parameter, Space

Array = NDArray[np.float64]

TAIL = 0.001
"""A model does not search quantiles of a normal domain closer than this to 0 or 1: it would pick the extremes."""

MAX_TABULATED_LEVELS = 1000
"""A model treats a domain with more levels than this as continuous; its values are still exact."""


class UnitCube:
    """Maps a space of P hyperparameters, conditional ones included, to [0, 1]^P and back.

    A numeric coordinate is the quantile in the domain's own distribution, so logarithmic domains are log-warped. A
    categorical coordinate is divided into equal parts, one per option. A configuration determines the coordinates of
    its active hyperparameters.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.parameters = space.parameters()
        self.index = {parameter.key: j for j, parameter in enumerate(self.parameters)}
        self._levels = [_Levels(p.domain) if isinstance(p.domain, Numeric) else None for p in self.parameters]

    @property
    def size(self) -> int:
        """P, the number of coordinates."""
        return len(self.parameters)

    def config(self, u: Array) -> Config:
        """The configuration at the point `u`, shape (P,)."""

        def pick(parameter: Parameter) -> float | int:
            coordinate = float(u[self.index[parameter.key]])
            domain = parameter.domain
            if isinstance(domain, Categorical):
                return min(int(coordinate * len(domain.options)), len(domain.options) - 1)
            return domain.from_unit(min(max(coordinate, TAIL), 1 - TAIL) if domain.normal else coordinate)

        return self.space.resolve(pick)

    def points(self, numbers: list[Mapping[str, float | int]]) -> Array:
        """The points of encoded configurations (`Space.encode`), shape (len, P); NaN where inactive."""
        points = np.full((len(numbers), self.size), np.nan)
        for row, encoded in zip(points, numbers, strict=True):
            for key, number in encoded.items():
                j = self.index[key]
                domain = self.parameters[j].domain
                if isinstance(domain, Categorical):
                    row[j] = (number + 0.5) / len(domain.options)
                else:
                    row[j] = domain.to_unit(number)
        return points

    def options(self, u: Array, j: int) -> NDArray[np.intp]:
        """Option indices of the categorical coordinate `j` of points `u`, shape (M,); 0 where inactive."""
        domain = self.parameters[j].domain
        assert isinstance(domain, Categorical)
        k = len(domain.options)
        return np.minimum((np.nan_to_num(u[:, j]) * k).astype(np.intp), k - 1)

    def active(self, u: Array) -> NDArray[np.bool_]:
        """Which coordinates of points `u`, shape (M, P), exist given the choices they depend on."""
        active = np.ones(u.shape, dtype=bool)
        for j, parameter in enumerate(self.parameters):
            for key, option in parameter.parents:
                active[:, j] &= self.options(u, self.index[key]) == option
        return active

    def features(self, u: Array) -> Array:
        """Features of points `u` for a kernel, shape (M, F): equal for points of the same configuration.

        Numbers are rounded to their levels (Garrido-Merchan and Hernandez-Lobato, 2020), choices become one column per
        option (one column in all for two options), inactive coordinates a constant.
        """
        active = self.active(u)
        columns = [self._columns(u, j, active[:, j]) for j in range(self.size)]
        return np.hstack(columns) if columns else np.zeros((len(u), 0))

    def _columns(self, u: Array, j: int, active: NDArray[np.bool_]) -> Array:
        levels, domain = self._levels[j], self.parameters[j].domain
        if levels is not None:
            return np.where(active, levels.round(np.nan_to_num(u[:, j], nan=0.5)), 0.5)[:, None]
        assert isinstance(domain, Categorical)
        hot = np.eye(len(domain.options))[self.options(u, j)] * active[:, None]
        return hot[:, 1:] if len(domain.options) <= 2 else hot


class _Levels:
    """Rounds unit coordinates of a numeric domain to the coordinates of its levels."""

    def __init__(self, domain: Numeric) -> None:
        self.centres: Array | None = None
        if domain.levels is not None and domain.levels <= MAX_TABULATED_LEVELS:
            assert domain.step is not None
            values = domain.low + domain.step * np.arange(domain.levels)
            self.centres = np.array([domain.to_unit(value) for value in values])
            self.edges = np.array([domain.to_unit(value + domain.step / 2) for value in values[:-1]])

    def round(self, u: Array) -> Array:
        return u if self.centres is None else self.centres[np.searchsorted(self.edges, u)]
