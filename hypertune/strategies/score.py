"""Turns a result's metric into the score that schedulers compare; higher is better in both modes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

FAILURE = -math.inf
"""The score of a trial that failed or diverged: worse than any other."""


def score(result: Mapping[str, Any] | None, metric: str, mode: str) -> float:
    """The metric's value in `result`, negated for mode `min`; `FAILURE` if it is not finite."""
    value = (result or {}).get(metric)
    if value is None or not math.isfinite(value):
        return FAILURE
    return float(value) if mode == "max" else -float(value)
