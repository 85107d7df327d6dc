"""The process that trains trials together: which of them an error of the population concerns."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from hypertune.tuning.device import Device


class Fragile:
    """A population whose configurations fail as they are told to: each by itself, or all of a round."""

    def __init__(self) -> None:
        self.configs: dict[int, Mapping[str, Any]] = {}

    def add(self, slot: int, config: Mapping[str, Any], *, seed: int = 0) -> None:
        self.configs[slot] = config

    def train_epoch(self, slots: Sequence[int]) -> dict[int, Mapping[str, float] | Exception]:
        configs = {slot: self.configs[slot] for slot in slots}
        for config in configs.values():
            if config.get("fails") == "all":
                raise RuntimeError("for all of them")
        return {
            slot: ValueError(f"for {config['name']} alone") if config.get("fails") else {"loss": 1.0}
            for slot, config in configs.items()
        }

    def state(self, slot: int) -> dict[str, Any]:
        return {}

    def load(self, slot: int, state: Mapping[str, Any]) -> None:
        return

    def remove(self, slot: int) -> None:
        del self.configs[slot]


async def outcomes(device: Device, **fails: Any) -> list[Any]:
    """What each of these trials gets from a round of all of them: its metrics or the error, as text."""
    for name, how in fails.items():
        await device.add(name, {"name": name, "fails": how}, 0)
    results = await asyncio.gather(*(device.train(name) for name in fails), return_exceptions=True)
    return [str(result) if isinstance(result, BaseException) else result["metrics"] for result in results]


def test_an_exception_in_place_of_metrics_is_that_trials_own() -> None:
    async def run() -> None:
        device = Device(Fragile)
        assert await outcomes(device, a=None, b="alone", c=None) == [{"loss": 1.0}, "for b alone", {"loss": 1.0}]
        await device.remove("b")
        assert (await device.train("a"))["metrics"] == {"loss": 1.0}
        assert await outcomes(device, d=None) == [{"loss": 1.0}]  # in the place that became free

    asyncio.run(run())


def test_an_exception_that_is_raised_is_everybodys() -> None:
    async def run() -> None:
        assert await outcomes(Device(Fragile), a=None, b="all") == ["for all of them"] * 2

    asyncio.run(run())


def test_a_slot_that_is_forgotten_is_named() -> None:
    class Forgetful(Fragile):
        def train_epoch(self, slots: Sequence[int]) -> dict[int, Mapping[str, float] | Exception]:
            return {}

    async def run() -> None:
        told = "Forgetful.train_epoch: reports nothing for slot 0"
        assert await outcomes(Device(Forgetful), a=None) == [told]

    asyncio.run(run())
