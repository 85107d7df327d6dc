"""The built-in models as a population: many configurations that are trained at once in one process."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hypertune.training.datasets import ImageData
from hypertune.training.fused.together import Outcome, Together
from hypertune.training.loop import TrainingLoop
from hypertune.training.models import save_model


class ImagePopulation:
    """The built-in models as a `hypertune.Population`.

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
            many=True,
        )

    def train_epoch(self, slots: Sequence[int]) -> dict[int, Outcome]:
        """See `Population.train_epoch`; the metrics are those of `TrainingLoop.train_epoch`.

        A configuration fails if it alone is too large for the GPU.
        """
        results = self._together.outcomes([self.loops[slot] for slot in slots])
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

    # What the built-in trainables need besides -----------------------------------------------------------------------

    def facts(self, slot: int) -> dict[str, Any]:
        """The `device` and the number of `parameters` of a slot."""
        return {"device": self.loops[slot].device.type, "parameters": self.loops[slot].parameters}

    def change(self, slot: int, config: Mapping[str, Any]) -> None:
        """See `TrainingLoop.change`."""
        self.loops[slot].change(config)

    def evaluate(self, slot: int, split: str) -> dict[str, float]:
        """See `TrainingLoop.evaluate`."""
        return self.loops[slot].evaluate(split)

    def save_model(self, slot: int, path: str) -> None:
        """See `hypertune.training.models.save_model`."""
        save_model(path, self.loops[slot])

    def to_bytes(self, slot: int, facts: Mapping[str, Any]) -> bytes:
        """The content of the checkpoint file of `ImageTrainable`, with some facts, so that either can go on from it."""
        buffer = io.BytesIO()
        torch.save({"loop": self.state(slot), **facts}, buffer)
        return buffer.getvalue()

    def from_bytes(self, slot: int, saved: bytes) -> dict[str, Any]:
        """Goes on from such a file; returns its facts, and the `epoch` that it was written after."""
        content = torch.load(io.BytesIO(saved), map_location=self.loops[slot].device, weights_only=True)
        state = content.pop("loop")
        self.load(slot, state)
        return {**content, "epoch": self.loops[slot].epoch}
