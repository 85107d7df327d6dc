"""Turns a result's metric into the score that schedulers compare; higher is better in both modes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from hypertune.strategies.unit_cube import Array

FAILURE = -math.inf
"""The score of a trial that failed or diverged: worse than any other."""


def score(result: Mapping[str, Any] | None, metric: str, mode: str) -> float:
    """The metric's value in `result`, negated for mode `min`; `FAILURE` if it is not finite."""
    value = (result or {}).get(metric)
    if value is None or not math.isfinite(value):
        return FAILURE
    return float(value) if mode == "max" else -float(value)


def usual(values: Array, width: float) -> tuple[float, float]:
    """The range outside of which a value is an outlier: `width` median absolute deviations around the median.

    Both medians are those of the distinct finite values, so that repetitions do not narrow the range. It holds while
    fewer than half of them are outliers (Huber and Ronchetti, 2009, "Robust Statistics").
    """
    distinct = np.unique(values[np.isfinite(values)])
    middle = float(np.median(distinct))
    reach = width * float(np.median(np.abs(distinct - middle)))
    return (middle - reach, middle + reach) if reach else (-math.inf, math.inf)
