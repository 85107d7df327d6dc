"""A small study around a trainable that somebody brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune

from hypertune import compare


def study(out: Path, trainable: Any, space: dict[str, Any] | None = None, **changes: Any) -> Any:
    """Runs random search with one seed; `changes` are arguments of `compare`."""
    arguments: dict[str, Any] = {
        "trainable": trainable, "space": space or {"lr": tune.uniform(0, 1)}, "strategies": ["random"], "seeds": 1,
        "metric": "loss", "mode": "min", "max_epochs": 1, "budget": {"trials": 4}, "out": out, "progress": False,
        "resources": {"max_workers": 1},  # starting another worker takes longer than the trials
    }  # fmt: skip
    return compare(**{**arguments, **changes})
