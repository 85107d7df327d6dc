"""Populations: trainables that train many configurations at once in one process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from hypertune.training.datasets import ImageData
from hypertune.training.fused.together import Together
from hypertune.training.loop import TrainingLoop


@runtime_checkable
class Population(Protocol):
    """Trains many configurations at once, each in a slot of its own.

    A slot is a whole number that the caller chooses. What is reported for a slot must depend on its own configuration,
    seed and state only: neither on the other slots nor on their number.
    """

    def add(self, slot: int, config: Mapping[str, Any], *, seed: int = 0) -> None:
        """Begins a configuration in a slot that is free.

        Raises:
            ValueError: if the slot is taken, or a hyperparameter is not allowed.
        """

    def train_epoch(self, slots: Sequence[int]) -> dict[int, dict[str, float]]:
        """Trains one epoch in each of the slots named and leaves the others, which are paused, as they are.

        Returns:
            The metrics of each slot named. A configuration that has diverged reports a loss that is not finite.

        Raises:
            KeyError: if a slot is free.
        """

    def state(self, slot: int) -> dict[str, Any]:
        """A copy of all that the slot's training needs to go on, in plain values and tensors or arrays."""

    def load(self, slot: int, state: Mapping[str, Any]) -> None:
        """Goes on from the state of any slot, also of another process, with this slot's own hyperparameters."""

    def remove(self, slot: int) -> None:
        """Frees a slot."""


class ImagePopulation:
    """The built-in models as a `Population`.

    Every slot has a `TrainingLoop`; an epoch of several is trained by `Together`. A state is that of
    `TrainingLoop.state_dict`, so that a configuration can be trained in a population and alone by turns.

    Args:
        kind: kind of model, `cnn` or `mlp`.
        data: the data set.
        max_epochs, steps_per_epoch: as for `TrainingLoop`.
    """

    def __init__(self, kind: str, data: ImageData, *, max_epochs: int = 10, steps_per_epoch: int | None = None) -> None:
        self._kind, self._data = kind, data
        self._max_epochs, self._steps_per_epoch = max_epochs, steps_per_epoch
        self.loops: dict[int, TrainingLoop] = {}
        self._together = Together()

    def add(self, slot: int, config: Mapping[str, Any], *, seed: int = 0) -> None:
        """See `Population.add`; a configuration has the hyperparameters of the kind of model."""
        if slot in self.loops:
            raise ValueError(f"slot {slot} is taken; remove its configuration first")
        self.loops[slot] = TrainingLoop(
            self._kind,
            config,
            self._data,
            seed=seed,
            max_epochs=self._max_epochs,
            steps_per_epoch=self._steps_per_epoch,
        )

    def train_epoch(self, slots: Sequence[int]) -> dict[int, dict[str, float]]:
        """See `Population.train_epoch`; the metrics are those of `TrainingLoop.train_epoch`."""
        results = self._together.train_epoch([self.loops[slot] for slot in slots])
        return dict(zip(slots, results, strict=True))

    def state(self, slot: int) -> dict[str, Any]:
        """See `Population.state`."""
        return self.loops[slot].state_dict()

    def load(self, slot: int, state: Mapping[str, Any]) -> None:
        """See `Population.load`.

        Raises:
            RuntimeError: if the state is of a model of another shape.
        """
        self.loops[slot].load_state_dict(state)

    def remove(self, slot: int) -> None:
        """See `Population.remove`."""
        del self.loops[slot]
