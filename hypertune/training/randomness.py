"""The random state of one training loop, kept apart from torch's global one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class Randomness:
    """A loop's random numbers, independent of other loops and of the caller.

    The order of the images comes from a separate generator. Weights and dropout come from torch's global one, which
    holds the loop's state while the loop is active.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device
        self.order = torch.Generator().manual_seed(seed)
        before = self._read()
        torch.manual_seed(seed)
        self._own = self._read()
        self._write(before)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Within the block, torch's global random state is the loop's own."""
        before = self._read()
        self._write(self._own)
        try:
            yield
        finally:
            self._own = self._read()
            self._write(before)

    def state_dict(self) -> dict[str, Tensor]:
        """The random state, as byte tensors."""
        return {"order": self.order.get_state(), **self._own}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restores the state of `state_dict`; on another kind of device, dropout restarts from this loop's seed."""
        self.order.set_state(state["order"].cpu())
        self._own = {name: state.get(name, own).cpu() for name, own in self._own.items()}

    def _read(self) -> dict[str, Tensor]:
        states = {"cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self._device)
        elif self._device.type == "mps":
            states["mps"] = torch.mps.get_rng_state()
        return states

    def _write(self, states: dict[str, Tensor]) -> None:
        torch.set_rng_state(states["cpu"])
        if "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], self._device)
        if "mps" in states:
            torch.mps.set_rng_state(states["mps"])
