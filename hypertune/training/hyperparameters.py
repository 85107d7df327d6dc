"""Hyperparameters of the built-in models and of their optimisation: names, defaults and allowed values."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Self

RESERVED = "hypertune"
"""Reserved key of a trial's configuration: the driver's settings for the trainable, not a hyperparameter."""

Check = Callable[[Any], Any]
"""Returns the value as a plain int, float or str; raises a ValueError saying what is allowed."""


def _whole(default: int, low: int = 1) -> Any:
    def check(value: Any) -> int:
        if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
            raise ValueError(f"must be a whole number of at least {low}")
        return int(value)

    return field(default=default, metadata={"check": check})


def _number(default: float, allowed: str, accepts: Callable[[float], bool]) -> Any:
    def check(value: Any) -> float:
        if not isinstance(value, Real) or isinstance(value, bool) or not accepts(float(value)):
            raise ValueError(f"must be a number {allowed}")
        return float(value)

    return field(default=default, metadata={"check": check})


def _one_of(*names: str) -> Any:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return value.lower()

    return field(default=names[0], metadata={"check": check})


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """Hyperparameters of the optimisation; each model adds its own. Names of choices may be in any case."""

    optimizer: str = _one_of("adam", "adamw", "sgd", "rmsprop")
    """adam, adamw, sgd (with `momentum`) or rmsprop, as in torch.optim."""
    lr: float = _number(1e-3, "above 0", lambda value: 0 < value < math.inf)
    """Learning rate at the start."""
    lr_schedule: str = _one_of("none", "cosine", "step")
    """Learning rate over the epochs: constant; half a cosine down to 0; or divided by 10 after 1/2 and 3/4 of the
    epochs. It is set once per epoch and refers to the study's max_epochs even if a trial is stopped earlier."""
    batch_size: int = _whole(64)
    """Images per optimisation step."""
    weight_decay: float = _number(0.0, "of at least 0", lambda value: 0 <= value < math.inf)
    """Weight decay of all parameters: decoupled for adamw, an L2 term in the gradient for the others."""
    momentum: float = _number(0.9, "of at least 0 and below 1", lambda value: 0 <= value < 1)
    """Momentum of sgd; the other optimizers do not use it."""
    norm: str = _one_of("none", "batch", "layer")
    """Normalisation of the hidden layers."""
    dropout: float = _number(0.0, "of at least 0 and below 1", lambda value: 0 <= value < 1)
    """Share of the hidden dense units dropped while training."""
    units1: int = _whole(128)
    """Width of the first hidden dense layer."""
    units2: int = _whole(64)
    """Width of the second hidden dense layer."""
    precision: str = _one_of("auto", "fp32", "bf16")
    """Precision of the forward and backward pass (weights stay fp32); auto is bf16 for trials that share a GPU that has
    it, else fp32, also for a trial that has a GPU to itself."""
    device: str = _one_of("auto", "cpu", "cuda", "mps")
    """Device to train on; auto is cuda if available, else mps, else the CPU."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Reads a flat configuration, ignoring the reserved key `hypertune`; accepts numpy's scalars.

        Raises:
            ValueError: for an unknown key, a wrong type or a value out of range, naming the key.
        """
        checks: dict[str, Check] = {entry.name: entry.metadata["check"] for entry in fields(cls)}
        values = {}
        for key, value in config.items():
            if key == RESERVED:
                continue
            if key not in checks:
                raise ValueError(_unknown(key, checks))
            try:
                values[key] = checks[key](value)
            except ValueError as error:
                raise ValueError(f"hyperparameter {key} = {value!r}: {error}") from None
        hyperparameters = cls(**values)
        if hyperparameters.norm == "batch" and hyperparameters.batch_size == 1:
            raise ValueError("hyperparameter batch_size = 1: must be at least 2 with norm = 'batch'")
        return hyperparameters


@dataclass(frozen=True, kw_only=True)
class CNNHyperparameters(Hyperparameters):
    """Hyperparameters of the CNN."""

    filters: int = _whole(14)
    """Channels of every convolution."""
    blocks: int = _whole(3)
    """Number of blocks of convolution and max-pooling."""


@dataclass(frozen=True, kw_only=True)
class MLPHyperparameters(Hyperparameters):
    """Hyperparameters of the MLP."""

    depth: int = _whole(2)
    """Hidden layers: the first has `units1`, all others `units2` units."""


KINDS: dict[str, type[Hyperparameters]] = {"cnn": CNNHyperparameters, "mlp": MLPHyperparameters}
"""The kinds of models."""


def read_hyperparameters(kind: str, config: Mapping[str, Any]) -> Hyperparameters:
    """The checked hyperparameters of a model of that kind.

    Raises:
        ValueError: for an unknown kind, or a hyperparameter that is unknown or not allowed.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of model {kind!r}; known are {', '.join(KINDS)}")
    return KINDS[kind].from_config(config)


def _unknown(key: str, known: Mapping[str, Check]) -> str:
    close = difflib.get_close_matches(str(key), known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown hyperparameter {key!r}: {hint}known are {', '.join(sorted(known))}"
