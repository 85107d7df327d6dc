"""Axes for hyperparameters: where a value lies, and which ticks it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.comparison.encoding import option_labels
from hypertune.comparison.numbers import rounded, setting
from hypertune.report.style import plain, short
from hypertune.space.domains import Numeric
from hypertune.space.space import Parameter

LONGEST = 28
"""Most characters of a name on an axis."""
BINS = 7
"""Fields of a heatmap along a numeric hyperparameter."""
MOST_LEVELS = 12
"""Of a hyperparameter with steps and no more values than these, each has a field and a tick of its own."""


@dataclass(frozen=True, slots=True)
class Scale:
    """One hyperparameter's axis.

    Attributes:
        title: the hyperparameter's key, shortened where it is very long.
        options: names of the options of a choice; empty for a number.
        log: whether the axis is logarithmic.
        low, high: the ends, in the hyperparameter's unit or as option indices.
        step: distance between neighbouring values; None for options and where any number is possible.
    """

    title: str
    options: tuple[str, ...]
    log: bool
    low: float
    high: float
    step: float | None = None

    def unit(self, values: Any) -> NDArray[np.float64]:
        """Positions between 0 and 1 along the axis."""
        numbers = np.asarray(values, dtype=float)
        low, high = (math.log(edge) if self.log else edge for edge in (self.low, self.high))
        warped = np.log(numbers) if self.log else numbers
        if high <= low:
            return np.where(np.isnan(numbers), np.nan, 0.5)
        unit: NDArray[np.float64] = (warped - low) / (high - low)
        return unit

    @property
    def levels(self) -> NDArray[np.float64]:
        """All values of a domain with steps, if they are few; else none."""
        if self.step is None or (self.high - self.low) / self.step > MOST_LEVELS - 0.5:
            return np.empty(0)
        return self._on_grid(np.arange(self.low, self.high + self.step / 2, self.step))

    def _on_grid(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The nearest values of the domain, all multiples of its step: zero is 0.0, without a rounding tail."""
        return values if self.step is None else np.asarray(self.step * np.round(values / self.step) + 0.0)

    def ticks(self) -> list[tuple[float, str]]:
        """A few values in the axis' unit with their labels: both ends, and what lies evenly between."""
        if self.options:
            return list(enumerate(self.options))
        values = np.unique(self._on_grid(self._even(self.low, self.high, 3)))
        return _labelled(values, exact=self.step is not None)

    def _log_ticks(self) -> list[tuple[float, str]]:
        """1, 3, 10, 30, ...: plotly's own labels of logarithmic axes read `100µ` and bare digits."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        values = (float(f"{digit}e{decade}") for decade in decades for digit in (1, 3))
        shown = [value for value in values if self.low <= value * 1.001 and value <= self.high * 1.001]
        return [(value, setting(value, 2)) for value in shown]

    def _even(self, low: float, high: float, parts: int) -> NDArray[np.float64]:
        """Borders of that many parts of the axis from `low` to `high`, equally wide as it is drawn."""
        units = np.linspace(0, 1, parts + 1)
        even = low ** (1 - units) * high**units if self.log else low * (1 - units) + high * units
        return np.asarray(even, dtype=np.float64)

    def edges(self) -> NDArray[np.float64]:
        """Borders of the fields of a heatmap: one per option or level, or about `BINS` of even width. Those of a domain
        with steps are half-way between its values, so that each field has values and each value one field."""
        if self.options:
            return np.arange(len(self.options) + 1, dtype=np.float64) - 0.5
        if self.step is None:
            return self._even(self.low, self.high, BINS)
        first, last = self.low - self.step / 2, self.high + self.step / 2
        if few := len(self.levels):
            steps = np.arange(few + 1, dtype=np.float64)
        else:
            steps = np.unique(np.round((self._even(first, last, BINS) - first) / self.step))
        return np.asarray(first + self.step * steps, dtype=np.float64)

    def axis(self) -> dict[str, Any]:
        """The axis as plotly takes it."""
        if self.options:
            ticks = self.ticks()
            return {
                "type": "linear", "tickvals": [at for at, _ in ticks], "ticktext": [text for _, text in ticks],
                "range": [-0.5, len(self.options) - 0.5], "title": {"text": self.title},
            }  # fmt: skip
        low, high = (math.log10(edge) if self.log else edge for edge in self.edges()[[0, -1]].tolist())
        margin = 0.03 * (high - low)
        ticks = _labelled(self.levels, exact=True) or (self._log_ticks() if self.log else [])
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
    return Scale(title, (), domain.log, float(low), float(high), domain.step)


def _labelled(values: NDArray[np.float64], *, exact: bool) -> list[tuple[float, str]]:
    """Each value with its label, of the fewest digits that distinguish them, or if `exact` that are right."""
    for digits in range(2, 7):
        shown = [rounded(value, digits) for value in values.tolist()]
        if np.allclose(shown, values, rtol=1e-6, atol=0) if exact else len(set(shown)) == len(shown):
            break
    return [
        (value, f"{text:.0f}" if exact and 1e4 <= abs(text) < 1e7 else setting(text, digits))
        for value, text in zip(values.tolist(), shown, strict=True)
    ]
