"""The workers of a population: light processes, one for each slot, that look like any other trial to Ray Tune."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune import Trainable
from ray.tune.result import DONE

from hypertune.tuning.device import Forgotten

BUILT_IN = "hypertune"
"""Key in the configuration under which a trainable of ours finds what the driver tells it."""
STATE = "state.msgpack"
RESTART_S, RETRY_S = 120.0, 0.5
"""Seconds that a trial waits for a device's process to be started anew, and between two attempts."""
LOST = 3
"""Exit code of a worker whose trial is lost with its device's process."""


class Slot:
    """A trial's place in a population that another process holds.

    If that process dies, so does this one: Ray Tune then starts the trial again from its last checkpoint, as it does
    for any worker that is lost.

    Args:
        device: the handle of a `Device`.
        seats: the handle of the `Seats` that the place was taken from.
    """

    def __init__(self, device: Any, seats: Any, trial_id: str) -> None:
        self._device, self._seats, self._trial_id = device, seats, trial_id

    def add(self, config: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """See `Device.add`; waits for a process that is being started anew."""
        until = time.monotonic() + RESTART_S
        while True:
            try:
                return dict(self._told("add", config, seed))
            except RayActorError as error:
                if time.monotonic() > until:
                    self._lost(str(error))
                time.sleep(RETRY_S)
            except Exception:
                self._seats.leave.remote(self._trial_id)
                raise

    def train(self, last: bool = False) -> tuple[dict[str, float], float]:
        """The metrics of the next epoch, and its seconds; for `last` see `Device.train`."""
        result = self._ask("train", last)
        if not result:
            self._lost("its process has been started anew")
        return result["metrics"], result["seconds"]

    def save(self, facts: Mapping[str, Any]) -> bytes:
        """See `Device.save`."""
        return bytes(self._ask("save", facts))

    def load(self, saved: bytes) -> dict[str, Any]:
        """See `Device.load`."""
        return dict(self._ask("load", saved))

    def call(self, method: str, *arguments: Any) -> Any:
        """Calls a method of the population with this slot and the arguments."""
        return self._ask("call", method, *arguments)

    def remove(self) -> None:
        """Frees the place, without waiting for it: if the process is gone, the place is, too."""
        self._device.remove.remote(self._trial_id)
        self._seats.leave.remote(self._trial_id)

    def _ask(self, method: str, *arguments: Any) -> Any:
        try:
            return self._told(method, *arguments)
        except (RayActorError, Forgotten) as error:
            self._lost(str(error) or "its process has been started anew")

    def _told(self, method: str, *arguments: Any) -> Any:
        """What the device answers.

        Raises:
            RayActorError: if its process has died, or is being started.
            Exception: what the population raises.
        """
        try:
            return ray.get(getattr(self._device, method).remote(self._trial_id, *arguments))
        except RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None

    def _lost(self, why: str) -> None:
        print(f"{self._trial_id}: the population that trains it is gone: {why}", file=sys.stderr, flush=True)
        os._exit(LOST)


class Seats:
    """Spreads trials evenly over devices, as a Ray actor.

    Args:
        devices: handles of `Device` actors.
        data: a list with the reference of the data set, kept here for a device whose process is started anew: Ray warns
            of references among the arguments of such an actor.
    """

    def __init__(self, devices: Sequence[Any], data: list[Any]) -> None:
        self._devices, self._data = list(devices), data
        self._taken: dict[str, int] = {}

    def take(self, trial_id: str) -> Any:
        """The device with the fewest trials, for one more."""
        self._taken.pop(trial_id, None)
        numbers = list(self._taken.values())
        self._taken[trial_id] = min(range(len(self._devices)), key=numbers.count)
        return self._devices[self._taken[trial_id]]

    def leave(self, trial_id: str) -> None:
        """A trial has left its device."""
        self._taken.pop(trial_id, None)

    def placed(self) -> None:
        """Returns as soon as there is this process."""

    def data(self) -> list[Any]:
        """The reference of the data set, in a list."""
        return self._data

    def ready(self) -> Any:
        """Asks all devices to get ready; returns what to wait for."""
        return [device.ready.remote() for device in self._devices]


class Slots:
    """Takes slots for trials; can be sent to workers.

    Args:
        name, namespace: of the `Seats` actor.
    """

    def __init__(self, name: str, namespace: str) -> None:
        self._name, self._namespace = name, namespace

    def take(self, trial_id: str) -> Slot:
        """A slot of the device with the fewest trials."""
        seats = self._seats()
        return Slot(ray.get(seats.take.remote(trial_id)), seats, trial_id)

    def data(self) -> Any:
        """The data set, which all processes of a node share."""
        return ray.get(ray.get(self._seats().data.remote())[0])

    def ready(self) -> None:
        """Waits until every population has been made; what that raises is told to each trial."""
        with contextlib.suppress(RayError):
            ray.get(ray.get(self._seats().ready.remote()))

    def _seats(self) -> Any:
        return ray.get_actor(self._name, self._namespace)


class Member(Trainable):
    """A trial of a user's own population; a subclass knows where slots are taken.

    Each report is an epoch, as with any trainable that is a class.
    """

    needs_data: ClassVar[bool] = False
    slots: ClassVar[Slots]
    _slot: Slot
    _epoch: int
    _elapsed_s: float

    def setup(self, config: dict[str, Any]) -> None:
        self._begin(config)

    def warm_up(self) -> None:
        """Waits for the populations."""
        self.slots.ready()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._slot.remove()
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        metrics, seconds = self._slot.train()
        self._epoch, self._elapsed_s = self._epoch + 1, self._elapsed_s + seconds
        done = {DONE: True} if metrics.get(DONE) else {}
        return {**metrics, "epoch": self._epoch, "elapsed_s": self._elapsed_s, **done}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        facts = {"epoch": self._epoch, "elapsed_s": self._elapsed_s}
        Path(checkpoint_dir, STATE).write_bytes(self._slot.save(facts))

    def load_checkpoint(self, checkpoint: str) -> None:  # type: ignore[override]
        facts = self._slot.load(Path(checkpoint, STATE).read_bytes())
        self._epoch, self._elapsed_s = facts["epoch"], facts["elapsed_s"]

    def cleanup(self) -> None:
        self._slot.remove()

    def _begin(self, config: dict[str, Any]) -> None:
        told = config.get(BUILT_IN, {})
        self._epoch, self._elapsed_s = 0, 0.0
        self._slot = self.slots.take(self.trial_id)
        own = {name: value for name, value in config.items() if name != BUILT_IN}
        self._slot.add(own, int(told.get("seed", 0)))


def member_of(population: type, slots: Slots) -> type[Member]:
    """The trainable of one trial of a population."""
    return type(population.__name__, (Member,), {"slots": slots, "__doc__": population.__doc__})
