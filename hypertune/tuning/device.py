"""The process that has a GPU: it holds a population, and trains all trials that run there together."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeGuard

from hypertune.tuning.gathering import Gathering
from hypertune.tuning.packing import packed, unpacked
from hypertune.tuning.population import Population

MakePopulation = Callable[[], Population]
BROKEN = ("CUDA error", "device-side assert")
"""Parts of torch's messages after which a process can use its GPU no more."""


class Forgotten(Exception):
    """A trial that this process does not know, since it has been started anew."""


class Device:
    """Trains the trials that ask for it, as an asynchronous Ray actor; one thread does all the work.

    Args:
        make: makes the population; an exception that it raises is the answer to every trial.
    """

    def __init__(self, make: MakePopulation) -> None:
        self._make = make
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="population")
        self._population: Population | None = None
        self._slots: dict[str, int] = {}
        self._gathering: Gathering[str, dict[str, Any]] = Gathering(self._train)

    async def placed(self) -> None:
        """Returns as soon as there is this process."""

    async def ready(self) -> None:
        """Returns when the population has been made.

        Raises:
            Exception: what making it raises.
        """
        await self._alone(self._get)

    async def add(self, trial_id: str, config: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Begins a trial in a free slot; one of the same id, whose worker has died, is forgotten.

        Returns:
            What the population tells of it beside its metrics: the results of its method `facts`, if it has one.
        """
        facts: dict[str, Any] = await self._alone(self._add, trial_id, config, seed)
        self._gathering.expect(trial_id)
        return facts

    async def train(self, trial_id: str, last: bool = False) -> dict[str, Any]:
        """Trains one epoch of a trial, together with those that ask at the same time.

        Args:
            last: whether it is the trial's last epoch, after which nobody has to wait for it.

        Returns:
            `metrics`, and `seconds`: the duration of the epoch, which is that of all that were trained together; empty
            for a trial that this process does not know.

        Raises:
            Exception: what the population raises for all of them, or returns for this trial.
        """
        result = await self._gathering.join(trial_id)
        failure = result.get("failure")
        if last or failure is not None:
            self._gathering.leave(trial_id)
        if failure is not None:
            raise failure
        return result

    async def save(self, trial_id: str, facts: Mapping[str, Any]) -> bytes:
        """A trial's state with the `facts` of its worker."""
        self._gathering.leave(trial_id)  # it may be paused; if not, it asks again soon enough
        saved: bytes = await self._alone(self._save, trial_id, facts)
        return saved

    async def load(self, trial_id: str, saved: bytes) -> dict[str, Any]:
        """Goes on from what `save` returned; returns the `facts`."""
        facts: dict[str, Any] = await self._alone(self._load, trial_id, saved)
        self._gathering.expect(trial_id)
        return facts

    async def call(self, trial_id: str, method: str, *arguments: Any) -> Any:
        """Calls a method of the population with a trial's slot and the arguments."""
        return await self._alone(lambda: getattr(self._get(), method)(self._slot(trial_id), *arguments))

    async def remove(self, trial_id: str) -> None:
        """Ends a trial and frees its slot."""
        self._gathering.leave(trial_id)
        await self._alone(self._remove, trial_id)

    async def _alone(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function in the population's thread, after what runs there now."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: call(*arguments))
        except Exception as error:
            if _is_broken(error):
                os._exit(1)  # Ray starts the process anew, and trials go on from their checkpoints
            raise

    async def _train(self, trials: Sequence[str]) -> dict[str, dict[str, Any]]:
        return await self._alone(self._train_epoch, trials)  # type: ignore[no-any-return]

    # In the population's thread ----------------------------------------------------------------------------------

    def _get(self) -> Population:
        if self._population is None:
            self._population = self._make()
        return self._population

    def _slot(self, trial_id: str) -> int:
        if trial_id not in self._slots:
            raise Forgotten(trial_id)
        return self._slots[trial_id]

    def _add(self, trial_id: str, config: Mapping[str, Any], seed: int) -> dict[str, Any]:
        population = self._get()
        self._remove(trial_id)
        taken = set(self._slots.values())
        slot = next(number for number in range(len(taken) + 1) if number not in taken)
        population.add(slot, config, seed=seed)
        self._slots[trial_id] = slot
        facts: Any = getattr(population, "facts", lambda slot: {})
        return dict(facts(slot))

    def _remove(self, trial_id: str) -> None:
        slot = self._slots.pop(trial_id, None)
        if slot is not None:
            self._get().remove(slot)

    def _train_epoch(self, trials: Sequence[str]) -> dict[str, dict[str, Any]]:
        known = {trial: self._slots[trial] for trial in trials if trial in self._slots}
        begun = time.perf_counter()
        metrics = self._get().train_epoch(sorted(known.values())) if known else {}
        seconds = time.perf_counter() - begun
        missing = sorted(set(known.values()) - set(metrics))
        if missing:
            raise ValueError(f"{type(self._population).__name__}.train_epoch: reports nothing for slot {missing[0]}")
        for outcome in metrics.values():
            if _is_broken(outcome):
                raise outcome
        results = {trial: _told(metrics[slot], seconds) for trial, slot in known.items()}
        return {trial: results.get(trial, {}) for trial in trials}

    def _save(self, trial_id: str, facts: Mapping[str, Any]) -> bytes:
        population, slot = self._get(), self._slot(trial_id)
        write: Any = getattr(population, "to_bytes", None)
        return bytes(write(slot, facts)) if write else packed([population.state(slot), dict(facts)])

    def _load(self, trial_id: str, saved: bytes) -> dict[str, Any]:
        population, slot = self._get(), self._slot(trial_id)
        read: Any = getattr(population, "from_bytes", None)
        if read:
            return dict(read(slot, saved))
        state, facts = unpacked(saved)
        population.load(slot, state)
        return dict(facts)


def _is_broken(outcome: Any) -> TypeGuard[Exception]:
    """Whether it is an exception after which the process can use its GPU no more."""
    return isinstance(outcome, Exception) and any(part in str(outcome) for part in BROKEN)


def _told(outcome: Mapping[str, float] | Exception, seconds: float) -> dict[str, Any]:
    if isinstance(outcome, Exception):
        return {"failure": outcome}
    return {"metrics": dict(outcome), "seconds": seconds}
