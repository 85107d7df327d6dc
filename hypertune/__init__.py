"""hypertune compares hyperparameter search strategies fairly on Ray Tune and says which differences are real.

    import hypertune

    result = hypertune.compare("digits_cnn")  # a study file, a shipped study, or your own Ray Tune trainable
    result.conclusion                         # the conclusion in plain words
    hypertune.load("hypertune-out/digits_cnn")  # the result of an existing study

The public names load on first use, so that `hypertune --help` does not wait for Ray or torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hypertune import moved

if TYPE_CHECKING:
    from hypertune.api import compare
    from hypertune.judged import Judgment, judge
    from hypertune.result import Result, load
    from hypertune.study.study import Study
    from hypertune.training.models import load_model
    from hypertune.tuning.population import Population

    __version__: str

__all__ = ["Judgment", "Population", "Result", "Study", "__version__", "compare", "judge", "load", "load_model"]

_HOMES = {
    "Judgment": "hypertune.judged",
    "Population": "hypertune.tuning.population",
    "Result": "hypertune.result",
    "Study": "hypertune.study.study",
    "compare": "hypertune.api",
    "judge": "hypertune.judged",
    "load": "hypertune.result",
    "load_model": "hypertune.training.models",
}

moved.install()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__version__":
        from hypertune.installed import installed_version

        return installed_version()
    raise AttributeError(f"module 'hypertune' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
