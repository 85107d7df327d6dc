"""hypertune compares hyperparameter search strategies fairly on Ray Tune and says which differences are real.

The public names load on first use, so that `hypertune --help` does not wait for Ray or torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hypertune import moved

if TYPE_CHECKING:
    from hypertune.api import Result, compare
    from hypertune.study.study import Study
    from hypertune.training.models import load_model

__all__ = ["Result", "Study", "compare", "load_model"]

_HOMES = {
    "Result": "hypertune.api",
    "Study": "hypertune.study.study",
    "compare": "hypertune.api",
    "load_model": "hypertune.training.models",
}

moved.install()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'hypertune' has no attribute {name!r}")
