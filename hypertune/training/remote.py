"""A training loop in a population that another process holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Place(Protocol):
    """A trial's place in an `ImagePopulation` in another process."""

    def add(self, config: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Begins a configuration; returns the `facts` of the population."""

    def train(self, last: bool = False) -> tuple[dict[str, float], float]:
        """The metrics of the next epoch, and its seconds; `last` says that no other one will follow."""

    def save(self, facts: Mapping[str, Any]) -> bytes:
        """The state, with some facts to keep."""

    def load(self, saved: bytes) -> dict[str, Any]:
        """Goes on from what was saved; returns the facts."""

    def call(self, method: str, *arguments: Any) -> Any:
        """Calls a method of the population with the place's slot."""

    def remove(self) -> None:
        """Frees the place."""


class Places(Protocol):
    """Places in populations."""

    def take(self, trial_id: str) -> Place:
        """Takes a place for a trial."""

    def ready(self) -> None:
        """Waits until the populations have been made."""


@dataclass(frozen=True, slots=True)
class RemoteDevice:
    """The device of another process, by its type: `cuda`, `cpu`, ..."""

    type: str


class RemoteLoop:
    """Stands for a `TrainingLoop` in a population; methods do what those of `TrainingLoop` do.

    Attributes:
        epoch: epochs trained so far.
        device: where it is trained.
        parameters: number of weights and biases.
    """

    def __init__(self, place: Place, config: Mapping[str, Any], *, seed: int) -> None:
        self._place = place
        facts = place.add(config, seed)
        self.epoch = 0
        self.device = RemoteDevice(facts["device"])
        self.parameters: int = facts["parameters"]

    def train_epoch(self, *, last: bool = False) -> tuple[dict[str, float], float]:
        """The metrics of the next epoch and its seconds."""
        result = self._place.train(last)
        self.epoch += 1
        return result

    def change(self, config: Mapping[str, Any]) -> None:
        """Changes the hyperparameters."""
        self._place.call("change", dict(config))

    def evaluate(self, split: str) -> dict[str, float]:
        """Loss and accuracy on a split."""
        return dict(self._place.call("evaluate", split))

    def save_model(self, path: str) -> None:
        """Writes the model; see `save_model`."""
        self._place.call("save_model", path)

    def save(self, facts: Mapping[str, Any]) -> bytes:
        """A checkpoint file, with some facts to keep."""
        return self._place.save(facts)

    def load(self, saved: bytes) -> dict[str, Any]:
        """Goes on from a checkpoint file; returns its facts."""
        facts = self._place.load(saved)
        self.epoch = facts["epoch"]
        return facts

    def remove(self) -> None:
        """Frees the place."""
        self._place.remove()
