"""Populations: trainables that train many configurations at once in one process."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Population(Protocol):
    """Trains many configurations at once, each in a slot of its own.

    A slot is a whole number that the caller chooses. What is reported for a slot must depend on its own configuration,
    seed and state only: neither on the other slots nor on their number.

    A class of one's own is made without arguments, once for each GPU, in a process of its own that stays for the whole
    study; all its methods are called from one thread. If `train_epoch` raises, all configurations that it was called
    for have failed; one that fails by itself has its exception returned.
    """

    def add(self, slot: int, config: Mapping[str, Any], *, seed: int = 0) -> None:
        """Begins a configuration in a slot that is free.

        Raises:
            ValueError: if the slot is taken, or a hyperparameter is not allowed.
        """

    def train_epoch(self, slots: Sequence[int]) -> Mapping[int, Mapping[str, float] | Exception]:
        """Trains one epoch in each of the slots named and leaves the others, which are paused, as they are.

        Returns:
            The metrics of each slot named. A configuration that has diverged reports a loss that is not finite. In
            place of its metrics a slot may have an exception: that configuration alone has failed, for this reason,
            and is removed.

        Raises:
            KeyError: if a slot is free.
        """

    def state(self, slot: int) -> dict[str, Any]:
        """A copy of all that the slot's training needs to go on: plain values, arrays and torch tensors, in lists and
        dicts. `load` gets tuples as lists, and arrays of other libraries as numpy's. The state of a random generator is
        of this kind if it is `numpy.random.Generator.bit_generator.state` or `torch.Generator.get_state()`."""

    def load(self, slot: int, state: Mapping[str, Any]) -> None:
        """Goes on from the state of any slot, also of another process, with this slot's own hyperparameters."""

    def remove(self, slot: int) -> None:
        """Frees a slot."""


METHODS = ("add", "train_epoch", "state", "load", "remove")


def is_population(trainable: Any) -> bool:
    """Whether a trainable is a class that trains many configurations at once; Ray Tune's own train one."""
    return inspect.isclass(trainable) and all(callable(getattr(trainable, name, None)) for name in METHODS)
