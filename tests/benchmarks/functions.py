"""Analytic functions to minimise, at a fidelity from 0 to 1; needs numpy alone, for other libraries' environments.

The fidelities of Branin and Hartmann are those of Kandasamy et al. (2017, "Multi-fidelity Bayesian Optimisation with
Continuous Approximations", appendix): at a lower one the function is another one, whose minimum lies elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Config = dict[str, Any]


def branin(config: Config, fidelity: float = 1.0) -> float:
    """Branin (Dixon and Szego, 1978); minimum 0.397887."""
    x, y, lack = config["x"], config["y"], 1 - fidelity
    b, c, t = 5.1 / (4 * math.pi**2) - 0.01 * lack, 5 / math.pi - 0.1 * lack, 1 / (8 * math.pi) + 0.05 * lack
    return float((y - b * x**2 + c * x - 6) ** 2 + 10 * (1 - t) * math.cos(x) + 10)


_HARTMANN_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_HARTMANN_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann6(config: Config, fidelity: float = 1.0) -> float:
    """Hartmann's function in six dimensions; minimum -3.32237."""
    x = np.array([config[f"x{i}"] for i in range(6)])
    alpha = _HARTMANN_ALPHA - 0.1 * (1 - fidelity)
    return -float(alpha @ np.exp(-(_HARTMANN_A * (x - _HARTMANN_P) ** 2).sum(axis=1)))


def mixed(config: Config, fidelity: float = 1.0) -> float:
    """Learning rate, layers, units, optimiser and activation, as a network might depend on them; minimum 0.

    At a low fidelity large networks and small learning rates look worse than they are.
    """
    best_rate = {"sgd": -1.0, "adam": -3.0, "rmsprop": -3.5}[config["optimizer"]]
    rate = (math.log10(config["lr"]) - best_rate) ** 2
    size = 0.1 * (config["layers"] - 4) ** 2 + (math.log2(config["units"]) - 7) ** 2 / 4
    kind = {"sgd": 0.4, "adam": 0.0, "rmsprop": 0.2}[config["optimizer"]]
    activation = {"relu": 0.1, "tanh": 0.5, "gelu": 0.0, "sigmoid": 1.0}[config["activation"]]
    slow = 0.05 * config["layers"] + 0.1 * math.log2(config["units"]) - 0.2 * math.log10(config["lr"])
    return float(rate + size + kind + activation + (1 - fidelity) * slow)


FUNCTIONS: dict[str, Callable[..., float]] = {"branin": branin, "hartmann6": hartmann6, "mixed": mixed}

DOMAINS: dict[str, dict[str, tuple[Any, ...]]] = {
    "branin": {"x": ("float", -5.0, 10.0), "y": ("float", 0.0, 15.0)},
    "hartmann6": {f"x{i}": ("float", 0.0, 1.0) for i in range(6)},
    "mixed": {
        "lr": ("log", 1e-5, 1.0),
        "layers": ("integer", 1, 10),
        "units": ("log steps", 16, 1024, 16),
        "optimizer": ("choice", ["sgd", "adam", "rmsprop"]),
        "activation": ("choice", ["relu", "tanh", "gelu", "sigmoid"]),
    },
}
"""Function to hyperparameter to its kind and arguments; bounds are included."""

GUESSES: dict[str, dict[str, Any]] = {
    "branin": {"x": 4.0, "y": 4.0},
    "hartmann6": dict(zip([f"x{i}" for i in range(6)], [0.3, 0.25, 0.4, 0.35, 0.4, 0.6], strict=True)),
    "mixed": {"lr": 3e-4, "layers": 6, "units": 256, "optimizer": "adam", "activation": "relu"},
}
"""A prior that is helpful and not exact."""


def rounded(config: Config, problem: str) -> Config:
    """The configuration with integers and steps on their grid, of a library that has no such domains."""
    values = dict(config)
    for name, (kind, *rest) in DOMAINS[problem].items():
        if kind == "integer":
            values[name] = round(values[name])
        elif kind == "log steps":
            values[name] = min(max(round(values[name] / rest[2]) * rest[2], rest[0]), rest[1])
    return values
