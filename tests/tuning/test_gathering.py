"""Rounds: who is trained with whom."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from hypertune.tuning import gathering
from hypertune.tuning.gathering import Gathering


class Rounds:
    """Notes who was in each round; a round takes as long as it is told to."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.members: list[list[str]] = []
        self.seconds = seconds
        self.broken = False

    async def work(self, members: Sequence[str]) -> dict[str, int]:
        self.members.append(sorted(members))
        await asyncio.sleep(self.seconds)
        if self.broken:
            raise ValueError("broken")
        return {member: len(self.members) for member in members}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """So patient that a busy machine makes no difference."""
    monkeypatch.setattr(gathering, "LEAST_PATIENCE_S", 30.0)
    monkeypatch.setattr(gathering, "MOST_PATIENCE_S", 30.0)


def test_those_who_are_expected_are_waited_for() -> None:
    async def run() -> None:
        rounds = Rounds()
        gather = Gathering(rounds.work)
        for name in "abc":
            gather.expect(name)
        first = asyncio.create_task(gather.join("a"))
        second = asyncio.create_task(gather.join("b"))
        await asyncio.sleep(0.05)
        assert rounds.members == []
        assert await gather.join("c") == await first == await second == 1
        assert rounds.members == [["a", "b", "c"]]

    asyncio.run(run())


def test_the_members_of_the_last_round_are_expected_unless_they_left() -> None:
    async def run() -> None:
        rounds = Rounds()
        gather = Gathering(rounds.work)
        gather.expect("a")
        gather.expect("b")
        await asyncio.gather(gather.join("a"), gather.join("b"))
        waiting = asyncio.create_task(gather.join("a"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        gather.leave("b")
        await waiting
        assert rounds.members == [["a", "b"], ["a"]]

    asyncio.run(run())


def test_two_halves_that_take_turns_become_one() -> None:
    async def run() -> None:
        rounds = Rounds(seconds=0.05)
        gather = Gathering(rounds.work)

        async def train(name: str) -> None:
            for _ in range(3):
                await gather.join(name)
            gather.leave(name)

        early = asyncio.create_task(train("a"))
        while not rounds.members:
            await asyncio.sleep(0)
        await asyncio.gather(early, train("b"))
        assert rounds.members[0] == ["a"]
        assert rounds.members[1:] == [["a", "b"], ["a", "b"], ["b"]]

    asyncio.run(run())


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "LEAST_PATIENCE_S", 0.01)

    async def run() -> None:
        rounds = Rounds()
        gather = Gathering(rounds.work)
        gather.expect("gone")
        assert await asyncio.wait_for(gather.join("a"), 20) == 1
        assert await asyncio.wait_for(gather.join("a"), 20) == 2

    asyncio.run(run())


def test_an_error_reaches_all_of_a_round_and_the_next_one_goes_on() -> None:
    async def run() -> None:
        rounds = Rounds()
        gather = Gathering(rounds.work)
        gather.expect("a")
        gather.expect("b")
        rounds.broken = True
        results = await asyncio.gather(gather.join("a"), gather.join("b"), return_exceptions=True)
        assert [str(result) for result in results] == ["broken", "broken"]
        rounds.broken = False
        assert list(await asyncio.gather(gather.join("a"), gather.join("b"))) == [2, 2]

    asyncio.run(run())
