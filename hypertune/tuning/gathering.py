"""Gathers what is asked for at about the same time, so that it can be done together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")

LEAST_PATIENCE_S, MOST_PATIENCE_S = 0.05, 2.0
"""Bounds of the seconds that the first to ask waits for the others."""
PATIENCE = 0.25
"""The share of the last round's duration that it waits. Rounds take hardly longer with more members as long as a GPU is
not full: two halves that take turns would need twice the time."""


class Gathering(Generic[Key, Result]):
    """Rounds of work that members ask for one by one and that is done for all of them at once.

    A round begins when everybody who is expected has asked, or when the first has waited long enough; who asks later
    is in the next one. Expected are the members of the last round and newcomers, unless they have left.

    Args:
        work: does a round for these members.
    """

    def __init__(self, work: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Result]]]) -> None:
        self._work = work
        self._asked: dict[Key, asyncio.Future[Result]] = {}
        self._expected: set[Key] = set()
        self._changed = asyncio.Event()
        self._last_s = 0.0
        self._rounds: asyncio.Task[None] | None = None

    def expect(self, member: Key) -> None:
        """A member is about to ask."""
        self._expected.add(member)

    def leave(self, member: Key) -> None:
        """A member will not ask for some time."""
        self._expected.discard(member)
        self._changed.set()

    async def join(self, member: Key) -> Result:
        """Takes part in the next round; returns the member's own result.

        Raises:
            Exception: what `work` raises for the round.
        """
        if self._rounds is None:
            self._rounds = asyncio.create_task(self._go_round())
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._asked[member] = future
        self._changed.set()
        return await future

    async def _go_round(self) -> None:
        while True:
            while not self._asked:
                await self._change(None)
            await self._gather()
            asked, self._asked = self._asked, {}
            begun = time.monotonic()
            try:
                results = await self._work(list(asked))
            except Exception as error:  # noqa: BLE001 -- it belongs to those who asked
                for future in asked.values():
                    if not future.done():
                        future.set_exception(error)
            else:
                for member, future in asked.items():
                    if not future.done():
                        future.set_result(results[member])
            self._last_s = time.monotonic() - begun
            self._expected.update(asked)

    async def _gather(self) -> None:
        """Waits for the others who are expected, but not for too long."""
        until = time.monotonic() + min(max(PATIENCE * self._last_s, LEAST_PATIENCE_S), MOST_PATIENCE_S)
        while self._expected - self._asked.keys() and (left := until - time.monotonic()) > 0:
            await self._change(left)
        self._expected &= self._asked.keys()  # nobody waits twice for one who does not come

    async def _change(self, seconds: float | None) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return
        self._changed.clear()
