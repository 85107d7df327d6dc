"""Axes for hyperparameters: where a value lies, and which ticks it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.comparison.encoding import option_labels
from hypertune.comparison.numbers import setting
from hypertune.report.style import plain, short
from hypertune.space.domains import Numeric
from hypertune.space.space import Parameter

LONGEST = 28
"""Most characters of a name on an axis."""
BINS = 7
"""Fields of a heatmap along a numeric hyperparameter."""


@dataclass(frozen=True, slots=True)
class Scale:
    """One hyperparameter's axis.

    Attributes:
        title: the hyperparameter's key, shortened where it is very long.
        options: names of the options of a choice; empty for a number.
        log: whether the axis is logarithmic.
        low, high: the ends, in the hyperparameter's unit or as option indices.
    """

    title: str
    options: tuple[str, ...]
    log: bool
    low: float
    high: float

    def unit(self, values: Any) -> NDArray[np.float64]:
        """Positions between 0 and 1 along the axis."""
        numbers = np.asarray(values, dtype=float)
        low, high = (math.log(edge) if self.log else edge for edge in (self.low, self.high))
        warped = np.log(numbers) if self.log else numbers
        if high <= low:
            return np.where(np.isnan(numbers), np.nan, 0.5)
        unit: NDArray[np.float64] = (warped - low) / (high - low)
        return unit

    def ticks(self) -> list[tuple[float, str]]:
        """A few values in the axis' unit with their labels: both ends, and what lies evenly between."""
        if self.options:
            return list(enumerate(self.options))
        units = np.linspace(0, 1, 4)
        if self.log:
            values = np.exp(math.log(self.low) * (1 - units) + math.log(self.high) * units)
        else:
            values = self.low * (1 - units) + self.high * units
        return [(float(value), text) for value, text in zip(values, _labels(values), strict=True)]

    def _log_ticks(self) -> list[tuple[float, str]]:
        """1, 3, 10, 30, ...: plotly's own labels of logarithmic axes read `100µ` and bare digits."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        values = (float(f"{digit}e{decade}") for decade in decades for digit in (1, 3))
        return [(value, _tick(value)) for value in values if self.low <= value * 1.001 and value <= self.high * 1.001]

    def edges(self) -> NDArray[np.float64]:
        """Borders of the fields of a heatmap: one per option, or `BINS` even ones."""
        if self.options:
            return np.arange(len(self.options) + 1, dtype=np.float64) - 0.5
        units = np.linspace(0, 1, BINS + 1)
        even: NDArray[np.float64] = (
            self.low ** (1 - units) * self.high**units if self.log else self.low * (1 - units) + self.high * units
        )
        return np.asarray(even, dtype=np.float64)

    def axis(self) -> dict[str, Any]:
        """The axis as plotly takes it."""
        if self.options:
            ticks = self.ticks()
            return {
                "type": "linear", "tickvals": [at for at, _ in ticks], "ticktext": [text for _, text in ticks],
                "range": [-0.5, len(self.options) - 0.5], "title": {"text": self.title},
            }  # fmt: skip
        low, high = (math.log10(edge) if self.log else edge for edge in (self.low, self.high))
        margin = 0.03 * (high - low)
        ticks = self._log_ticks() if self.log else []
        return {
            "type": "log" if self.log else "linear",
            "tickvals": [at for at, _ in ticks] or None, "ticktext": [text for _, text in ticks] or None,
            "range": [low - margin, high + margin], "title": {"text": self.title},
        }  # fmt: skip


def scale(parameter: Parameter, values: pd.Series[float]) -> Scale:
    """The axis of one hyperparameter; a domain without bounds ends at the tried values."""
    domain, key = parameter.domain, parameter.key
    title = short(key, LONGEST)
    if not isinstance(domain, Numeric):
        options = tuple(plain(label) for label in option_labels(parameter))
        return Scale(title, options, False, 0, max(len(options) - 1, 0))
    low, high = (values.min(), values.max()) if domain.normal and values.notna().any() else (domain.low, domain.high)
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = 0.0, 1.0
    return Scale(title, (), domain.log, float(low), float(high))


def _tick(value: float, digits: int = 2) -> str:
    return setting(float(f"{value:.{digits}g}"), digits)


def _labels(values: NDArray[np.float64]) -> list[str]:
    """The fewest digits that distinguish the ticks."""
    for digits in range(2, 7):
        labels = [_tick(float(value), digits) for value in values]
        if len(set(labels)) == len(labels):
            break
    return labels
