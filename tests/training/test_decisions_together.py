"""Schedulers decide the same whether trials are trained together or each by itself, if all are equally fast."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pytest
import torch
from ray import tune

from hypertune.space.from_ray import from_ray
from hypertune.strategies.registry import schedulers
from hypertune.sweep.trial import Fork
from hypertune.training.datasets import ImageData
from hypertune.training.loop import TrainingLoop
from hypertune.training.population import ImagePopulation
from tests.strategies.runner import VirtualRunner, VirtualTrial

WORKERS, TRIALS, MAX_EPOCHS = 4, 12, 9
FIXED = {"device": "cpu", "batch_size": 16, "units2": 16, "dropout": 0.2}
SPACE = {"lr": tune.loguniform(1e-4, 1e-1), "units1": tune.choice([8, 16, 32])}


class Trainer(Protocol):
    def begin(self, number: int, config: Mapping[str, Any], parent: int | None) -> None: ...
    def train(self, numbers: Sequence[int]) -> dict[int, float]: ...


class Processes:
    """A loop for each trial."""

    def __init__(self, data: ImageData) -> None:
        self._data = data
        self._loops: dict[int, TrainingLoop] = {}

    def begin(self, number: int, config: Mapping[str, Any], parent: int | None) -> None:
        loop = TrainingLoop("mlp", {**FIXED, **config}, self._data, seed=number, max_epochs=MAX_EPOCHS)
        if parent is not None:
            loop.load_state_dict(self._loops[parent].state_dict())
        self._loops[number] = loop

    def train(self, numbers: Sequence[int]) -> dict[int, float]:
        return {number: -self._loops[number].train_epoch()["valid_loss"] for number in numbers}


class Slots:
    """One population for all."""

    def __init__(self, data: ImageData) -> None:
        self._population = ImagePopulation("mlp", data, max_epochs=MAX_EPOCHS)

    def begin(self, number: int, config: Mapping[str, Any], parent: int | None) -> None:
        self._population.add(number, {**FIXED, **config}, seed=number)
        if parent is not None:
            self._population.load(number, self._population.state(parent))

    def train(self, numbers: Sequence[int]) -> dict[int, float]:
        found: dict[int, Any] = self._population.train_epoch(numbers)
        return {number: -outcome["valid_loss"] for number, outcome in found.items()}


class Lockstep(VirtualRunner):
    """Epochs that begin together end together, and are reported in the order of the trials."""

    def __init__(self, scheduler: Any, trainer: Trainer) -> None:
        super().__init__(
            scheduler, lambda number, epoch: self._values[number], workers=WORKERS, trials=TRIALS, max_epochs=MAX_EPOCHS
        )
        self._trainer = trainer
        self._values: dict[int, float] = {}
        self._rng = np.random.default_rng(0)

    def run(self) -> Lockstep:
        self._fill()
        while self._agenda:
            self._now = self._agenda[0][0]
            due = sorted(number for when, number, _ in self._agenda if when == self._now)
            self._values = self._trainer.train(due)
            for _ in due:
                self._epoch(heapq.heappop(self._agenda)[2])
            self._fill()
        return self

    def _begin(self, trial: VirtualTrial, fork: Fork | None) -> None:
        super()._begin(trial, fork)
        if fork is None:
            lr, units = 10 ** self._rng.uniform(-4, -1), int(self._rng.choice([8, 16, 32]))
            trial.config = {"lr": lr, "units1": units}
        self._trainer.begin(trial.number, trial.config, None if fork is None else int(fork.parent_id[1:]))

    def _duration(self, trial: VirtualTrial) -> float:
        return 1


@pytest.mark.parametrize(
    ("name", "options", "kinds"),
    [("asha", {}, {"STOP", "CONTINUE"}), ("hyperband", {}, {"STOP", "PAUSE", "CONTINUE"}),
     ("pbt", {"population_size": 4, "perturbation_interval": 2}, {"PAUSE", "STOP", "CONTINUE"})],
)  # fmt: skip
def test_decisions_are_those_of_as_many_processes(
    few_digits: ImageData, name: str, options: dict[str, Any], kinds: set[str]
) -> None:
    torch.set_num_threads(1)
    space = from_ray(SPACE)
    alone, together = (
        Lockstep(
            schedulers()[name](space, metric="acc", mode="max", seed=0, max_epochs=MAX_EPOCHS, **options), trainer
        ).run()
        for trainer in (Processes(few_digits), Slots(few_digits))
    )
    assert {decision for _, _, decision in alone.decisions} == kinds
    assert together.decisions == alone.decisions
    assert [trial.config for trial in together.trials] == [trial.config for trial in alone.trials]
