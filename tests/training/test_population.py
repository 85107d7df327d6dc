"""Slots of a population: refilled, paused, cloned, and the same as each configuration alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from hypertune.training.datasets import ImageData
from hypertune.training.fused import together
from hypertune.training.fused.engine import Engine
from hypertune.training.loop import TrainingLoop
from hypertune.training.population import ImagePopulation
from hypertune.tuning.population import Population

CONFIG = {"device": "cpu", "batch_size": 32, "dropout": 0.2}


@pytest.fixture
def population(few_digits: ImageData) -> ImagePopulation:
    torch.set_num_threads(1)
    return ImagePopulation("mlp", few_digits, max_epochs=4)


def alone(data: ImageData, lr: float, seed: int) -> TrainingLoop:
    return TrainingLoop("mlp", {**CONFIG, "lr": lr}, data, seed=seed, max_epochs=4)


def test_it_follows_the_protocol(population: ImagePopulation) -> None:
    assert isinstance(population, Population)


def test_slots_are_paused_and_refilled(population: ImagePopulation, few_digits: ImageData) -> None:
    first, second, third = alone(few_digits, 1e-3, 0), alone(few_digits, 3e-3, 1), alone(few_digits, 1e-2, 2)
    population.add(0, {**CONFIG, "lr": 1e-3}, seed=0)
    population.add(7, {**CONFIG, "lr": 3e-3}, seed=1)
    results = population.train_epoch([0, 7])
    assert results[0] == pytest.approx(first.train_epoch(), rel=1e-5)
    assert results[7] == pytest.approx(second.train_epoch(), rel=1e-5)
    assert population.train_epoch([7])[7] == pytest.approx(second.train_epoch(), rel=1e-5)
    population.remove(7)
    population.add(7, {**CONFIG, "lr": 1e-2}, seed=2)
    results = population.train_epoch([7, 0])
    assert results[7] == pytest.approx(third.train_epoch(), rel=1e-5)
    assert results[0] == pytest.approx(first.train_epoch(), rel=1e-5)


def test_a_clone_goes_on_with_its_own_learning_rate(population: ImagePopulation, few_digits: ImageData) -> None:
    population.add(0, {**CONFIG, "lr": 1e-3}, seed=0)
    population.train_epoch([0])
    file = io.BytesIO()
    torch.save(population.state(0), file)
    file.seek(0)
    population.add(1, {**CONFIG, "lr": 1e-2}, seed=5)
    population.load(1, torch.load(file, weights_only=True))
    forked = alone(few_digits, 1e-3, 0)
    forked.train_epoch()
    forked.change({**CONFIG, "lr": 1e-2})
    results: dict[int, Any] = population.train_epoch([0, 1])
    assert results[1] == pytest.approx(forked.train_epoch(), rel=1e-5)
    assert results[0]["lr"] == 1e-3


@pytest.mark.filterwarnings("ignore:the GPU's memory has no room")
def test_a_configuration_too_large_for_the_memory_fails_alone(
    population: ImagePopulation, few_digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 100_000
    sizes = []

    class Scarce(Engine):
        """In a memory with room for so many weights."""

        def __init__(self, loops: Sequence[TrainingLoop], capacity: int) -> None:
            super().__init__(loops, capacity)
            if self.weights.flat.numel() > room:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            sizes.append(capacity)

    monkeypatch.setattr(together, "Engine", Scarce)
    for slot in range(8):
        population.add(slot, {**CONFIG, "units1": 2000 if slot == 5 else 16}, seed=slot)
    results: dict[int, Any] = population.train_epoch(range(8))
    assert isinstance(results[5], torch.OutOfMemoryError)
    assert str(results[5]).endswith("no room for this configuration, even by itself: CUDA out of memory.")
    assert results[5].__traceback__ is None  # it would hold on to the memory
    assert sizes == [4, 1, 2]
    population.remove(5)
    again: dict[int, Any] = population.train_epoch([0, 1, 2, 3, 4, 6, 7])
    assert sizes[3:] == [7]  # the large one has changed nothing for the others
    for slot in again:
        loop = TrainingLoop("mlp", {**CONFIG, "units1": 16}, few_digits, seed=slot, max_epochs=4)
        assert results[slot] == pytest.approx(loop.train_epoch(), rel=1e-5)
        assert again[slot] == pytest.approx(loop.train_epoch(), rel=1e-5)


def test_slots_that_are_taken_or_free(population: ImagePopulation) -> None:
    population.add(0, CONFIG)
    with pytest.raises(ValueError, match="slot 0 is taken"):
        population.add(0, CONFIG)
    with pytest.raises(KeyError):
        population.train_epoch([1])
