"""Numeric domains of a search space, named and bounded as in Ray Tune."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
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

KINDS = (*NUMERIC_KINDS, "choice", "grid_search")
"""Names of domains in a study file."""
EXAMPLES = {
    **dict.fromkeys(NUMERIC_KINDS, "[1, 10]"),
    **{kind: "[2, 10, 2]" for kind, names in NUMERIC_KINDS.items() if len(names) == 3},
    "choice": '["a", "b"]',
    "grid_search": "[1, 2, 4]",
}

LARGEST = 1e300
"""The largest bound allowed: beyond it the width of a domain is infinite."""


def _derived() -> Any:
    return field(init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Numeric:
    """A numeric domain, e.g. `Numeric("loguniform", (1e-4, 3e-3))`; `args` are Ray Tune's own arguments.

    `randint` and `lograndint` exclude the upper bound, `qrandint` and `qlograndint` include it unless q is 1, as in Ray
    Tune. Where q does not divide a bound, the values end at the last multiple inside.

    Raises:
        ValueError: if the arguments do not define a domain.
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
            if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
                raise ValueError(f"{shape}, all finite numbers, got {value!r}")
            if self.integer and not isinstance(value, int):
                raise ValueError(f"{shape}, all integers, got {value!r}")
        self._set(step=self.args[2] if len(self.args) == 3 else 1 if self.integer else None)
        self._check_bounds(shape)
        self._set(low=-math.inf, high=math.inf, _warped=(-math.inf, math.inf))
        if not self.normal:
            try:
                low, high = self._ends()
            except OverflowError:
                raise ValueError(f"{shape}: {self.step} is too small a step for these bounds") from None
            if low > high:
                raise ValueError(f"{shape}: no value lies between {self.args[0]} and {self.args[1]}")
            self._set(low=low, high=high)
            self._set(_warped=tuple(_warp(edge, self.log) for edge in self._edges()))

    def _ends(self) -> tuple[float, float]:
        """The smallest and the largest value."""
        low, high = self.args[:2]
        if len(self.args) == 3 and self.step is not None and not (self.integer and self.step == 1):
            # Ten times 0.1 is not 1.0, and yet 0.1 divides it.
            first, last = math.ceil(low / self.step - 1e-9), math.floor(high / self.step + 1e-9)
            first = max(first, 1) if self.log else first  # 0 has no logarithm
            low, high = self._exact(first * self.step), self._exact(last * self.step)
        elif self.integer:
            high = max(high - 1, low) if self.log else high - 1
        return low, high

    def _exact(self, value: float) -> float:
        """The number in exactly the domain's type, without rounding tails such as 0.30000000000000004."""
        return int(value) if self.integer else float(f"{value:.12g}" if self.step else value)

    def _set(self, **derived: Any) -> None:
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def _check_bounds(self, shape: str) -> None:
        first, second = self.args[:2]
        if self.normal:
            if second <= 0:
                raise ValueError(f"{shape} with sd > 0, got sd = {second}")
        elif first > second:
            raise ValueError(f"{shape} with low <= high, got low = {first}, high = {second}")
        if self.log and first <= 0:
            raise ValueError(f"{shape} with low > 0 since its scale is logarithmic, got low = {first}")
        if self.step is None or (self.integer and len(self.args) == 2):
            return
        if self.step <= 0:
            raise ValueError(f"{shape} with q > 0, got q = {self.step}")

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
        return min(max((_warp(value, self.log) - low) / (high - low), 0.0), 1.0) if high > low else 0.5

    def _edges(self) -> tuple[float, float]:
        if self.step is None:
            return self.low, self.high
        low = self.low - self.step / 2
        return (low if low > 0 or not self.log else self.low / 2), self.high + self.step / 2


def _warp(value: float, log: bool) -> float:
    return math.log(value) if log else value


def _unwarp(value: float, log: bool) -> float:
    return math.exp(value) if log else value


def refuse_misspelt(table: Mapping[str, Any], where: str) -> None:
    """A table with one key that holds a list is a misspelled domain, never a nested space."""
    if len(table) == 1 and isinstance(next(iter(table.values())), list):
        name = next(iter(table))
        close = difflib.get_close_matches(name, KINDS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(KINDS)}"
        raise ValueError(f"{where}: unknown domain {name!r}; {hint} (a constant list belongs in [training.config])")
