"""Ax, adaptive experimentation (Olson et al., 2025): Gaussian processes by BoTorch, through Ax's current client.

Ray's adapter is written for a client that Ax has deprecated.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from ray.tune.search import Searcher

from hypertune.space.seeded import seeded
from hypertune.space.space import Categorical, Config, Parameter, Space
from hypertune.strategies.external import ExternalSearcher, decode, sizes
from hypertune.strategies.plugin import FEATURES, searcher
from hypertune.strategies.threads import one_thread


class AxSearcher(ExternalSearcher):
    """One Ax experiment; Ax itself takes pending trials into account."""

    def __init__(self, space: Space, *, metric: str, mode: str, seed: int, n_initial: int) -> None:
        super().__init__(space, metric=metric, mode=mode, seed=seed)
        # Ax accepts neither choices with one option nor names with slashes.
        self._names = {p.key: f"p{i}" for i, p in enumerate(space.parameters()) if sizes(p) != 1}
        self._client = _client(space, self._names, seed, n_initial) if self._names else None
        self._indices: list[int] = []

    def propose(self, number: int, rng: np.random.Generator) -> Config:
        if self._client is None:
            return self.space.resolve(lambda parameter: decode(parameter, 0))
        with one_thread(), _seeded_with_torch(int(rng.integers(2**31))):
            ((index, chosen),) = self._client.get_next_trials(max_trials=1).items()
        self._indices.append(index)
        return self.space.resolve(lambda parameter: self._number(parameter, chosen))

    def _number(self, parameter: Parameter, chosen: Mapping[str, Any]) -> float | int:
        name = self._names.get(parameter.key)
        return decode(parameter, chosen[name] if name else 0)

    def add(self, coordinates: Mapping[str, float | int]) -> None:
        if self._client is not None:
            chosen = {self._names[key]: value for key, value in coordinates.items() if key in self._names}
            self._indices.append(self._client.attach_trial(chosen))

    def tell(self, number: int, loss: float) -> None:
        if self._client is not None:
            self._client.complete_trial(self._indices[number], raw_data={"loss": loss})


def _client(space: Space, names: Mapping[str, str], seed: int, n_initial: int) -> Any:
    from ax.api.client import Client
    from ax.utils.common.logger import set_ax_logger_levels

    set_ax_logger_levels(logging.WARNING)  # otherwise Ax logs two lines per trial
    client = Client(random_seed=seed)
    parameters = [_parameter(p, names[p.key]) for p in space.parameters() if p.key in names]
    client.configure_experiment(parameters)
    client.configure_optimization(objective="-loss")
    client.configure_generation_strategy(
        method="fast",
        initialization_budget=n_initial,
        initialization_random_seed=seed,
        initialize_with_center=False,
        allow_exceeding_initialization_budget=True,
    )
    return client


def _parameter(parameter: Parameter, name: str) -> Any:
    from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

    size = sizes(parameter)
    if size is None:
        return RangeParameterConfig(name, (0.0, 1.0), "float")
    if isinstance(parameter.domain, Categorical):
        return ChoiceParameterConfig(name, list(range(size)), "int", is_ordered=False)
    return RangeParameterConfig(name, (0, size - 1), "int")


@contextmanager
def _seeded_with_torch(seed: int) -> Iterator[None]:
    """Seeds torch's generator, too, since BoTorch draws from it."""
    import torch

    with torch.random.fork_rng(devices=[]), seeded(seed):
        torch.manual_seed(seed)
        yield


@searcher(
    summary="Ax: Gaussian processes by BoTorch",
    supports=FEATURES - {"conditional"},
    packages={"ax": "hypertune-ray[ax]"},
    warm_starts=True,
)
def ax(space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, n_initial: int = 5) -> Searcher:
    """Ax's default optimisation (method "fast").

    Needs the package `ax-platform`. `restore` replays all questions to Ax.

    Args:
        n_initial: Sobol points before the model is used; after an earlier study so many fewer as it has trials.

    Raises:
        ValueError: for `n_initial` below 1.
    """
    if n_initial < 1:
        raise ValueError("n_initial must be at least 1")
    return AxSearcher(space, metric=metric, mode=mode, seed=seed, n_initial=n_initial)
