"""Numeric domains of a search space, named and bounded as in Ray Tune."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

NUMERIC_KINDS = {
    "uniform": ("low", "high"),
    "quniform": ("low", "high", "q"),
    "loguniform": ("low", "high"),
    "qloguniform": ("low", "high", "q"),
    "randn": ("mean", "sd"),
    "qrandn": ("mean", "sd", "q"),
    "randint": ("low", "high"),
    "qrandint": ("low", "high", "q"),
    "lograndint": ("low", "high"),
    "qlograndint": ("low", "high", "q"),
}


def _derived() -> Any:
    return field(init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Numeric:
    """A numeric domain, e.g. `Numeric("loguniform", (1e-4, 3e-3))`; `args` are Ray Tune's own arguments.

    `randint` and `lograndint` exclude the upper bound, `qrandint` and `qlograndint` include it, as in Ray Tune.

    Raises:
        ValueError: if the arguments do not make a domain.
    """

    kind: str
    args: tuple[float, ...]
    # Computed once, since a simulation draws and rounds millions of values.
    integer: bool = _derived()
    log: bool = _derived()
    normal: bool = _derived()
    """Whether the domain is a normal distribution, the only kind without bounds."""
    step: float | None = _derived()
    """Distance between neighbouring values; None if the domain is continuous."""
    low: float = _derived()
    high: float = _derived()
    """The largest value that can be drawn (`randint` and `lograndint` exclude the bound itself)."""
    _warped: tuple[float, float] = _derived()
    """The bounds (logarithms if log), widened by half a step so that the end levels get their full share."""

    def __post_init__(self) -> None:
        names = NUMERIC_KINDS[self.kind]
        shape = f"{self.kind} takes [{', '.join(names)}]"
        self._set(integer=self.kind.endswith("int"), log="log" in self.kind, normal=self.kind.endswith("randn"))
        if len(self.args) != len(names):
            raise ValueError(f"{shape}, got {list(self.args)}")
        for value in self.args:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{shape}, all finite numbers, got {value!r}")
            if self.integer and not isinstance(value, int):
                raise ValueError(f"{shape}, all integers, got {value!r}")
        self._set(step=self.args[2] if len(self.args) == 3 else 1 if self.integer else None)
        self._check_bounds(shape)
        if self.normal:
            self._set(low=-math.inf, high=math.inf, _warped=(-math.inf, math.inf))
        else:
            self._set(low=self.args[0], high=self.args[1] - (self.kind in ("randint", "lograndint")))
            self._set(_warped=tuple(_warp(edge, self.log) for edge in self._edges()))

    def _set(self, **derived: Any) -> None:
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def _check_bounds(self, shape: str) -> None:
        first, second = self.args[:2]
        if self.normal:
            if second <= 0:
                raise ValueError(f"{shape} with sd > 0, got sd = {second}")
        elif first >= second:
            raise ValueError(f"{shape} with low < high, got low = {first}, high = {second}")
        if self.log and first <= 0:
            raise ValueError(f"{shape} with low > 0 since its scale is logarithmic, got low = {first}")
        if self.step is None or (self.integer and len(self.args) == 2):
            return
        if self.step <= 0:
            raise ValueError(f"{shape} with q > 0, got q = {self.step}")
        for bound in () if self.normal else (first, second):
            if not math.isclose(bound / self.step, round(bound / self.step), abs_tol=1e-9):
                raise ValueError(f"{shape} with bounds that are multiples of q, got bound {bound} and q = {self.step}")

    @property
    def levels(self) -> int | None:
        """The number of values in the domain; None if it is infinite."""
        if self.step is None or self.normal:
            return None
        return round((self.high - self.low) / self.step) + 1

    def cast(self, value: float) -> float:
        """The domain's value nearest to `value`, of type `int` or `float`."""
        step = self.step
        if step is not None:
            value = round(value / step) * step
        low, high = self.low, self.high
        value = low if value < low else high if value > high else value
        # Rounding to the step leaves tails such as 0.30000000000000004, which are ugly in a table.
        return int(value) if self.integer else float(f"{value:.12g}" if step else value)

    def contains(self, value: object) -> bool:
        """Whether `value` has exactly the domain's type and lies on its grid, inside its bounds."""
        if type(value) is not (int if self.integer else float):
            return False
        on_grid = self.step is None or math.isclose(value, self.cast(value), rel_tol=1e-9, abs_tol=1e-12)
        return on_grid and self.low <= value <= self.high

    def from_unit(self, u: float) -> float:
        """The value at quantile `u` in [0, 1] of the domain's own distribution."""
        if self.normal:
            return self.cast(NormalDist(*self.args[:2]).inv_cdf(min(max(u, 1e-12), 1 - 1e-12)))
        low, high = self._warped
        return self.cast(_unwarp(low * (1 - u) + high * u, self.log))

    def to_unit(self, value: float) -> float:
        """The quantile of `value`, the inverse of `from_unit`; for a level, the middle of its range."""
        if self.normal:
            return NormalDist(*self.args[:2]).cdf(value)
        low, high = self._warped
        return min(max((_warp(value, self.log) - low) / (high - low), 0.0), 1.0)

    def _edges(self) -> tuple[float, float]:
        if self.step is None:
            return self.low, self.high
        low = self.low - self.step / 2
        return (low if low > 0 or not self.log else self.low / 2), self.high + self.step / 2


def _warp(value: float, log: bool) -> float:
    return math.log(value) if log else value


def _unwarp(value: float, log: bool) -> float:
    return math.exp(value) if log else value
