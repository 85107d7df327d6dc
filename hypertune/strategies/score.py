"""What schedulers compare: a result's metric as a score, higher is better whatever the mode."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

FAILURE = -math.inf
"""The score of a trial that failed or diverged: worse than any other."""


def score(result: Mapping[str, Any] | None, metric: str, mode: str) -> float:
    """The metric's value in `result`, negated for mode `min`; `FAILURE` where there is no finite one."""
    value = (result or {}).get(metric)
    if value is None or not math.isfinite(value):
        return FAILURE
    return float(value) if mode == "max" else -float(value)
