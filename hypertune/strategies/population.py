"""Shared by population based schedulers: a population, its generations, and what clones may change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from hypertune.space.domains import Numeric
from hypertune.space.space import Parameter, Space
from hypertune.strategies.score import FAILURE

Numbers = dict[str, float | int]
"""A configuration as `Space.encode` gives it."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One member's generation: its numbers, and its scores before (None at first) and after."""

    population: int
    generation: int
    numbers: Numbers
    before: float | None
    after: float


class Explore(Protocol):
    """Finds new numbers for a clone."""

    def observe(self, intervals: Sequence[Interval]) -> None:
        """Called at the end of a generation, before its clones are asked for."""

    def __call__(self, numbers: Numbers, generation: int, rng: np.random.Generator) -> Numbers:
        """Numbers for a clone that trains in `generation`, from those of its parent."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The decision at the end of a generation.

    Attributes:
        losers: eliminated trials, including those that had already failed.
        parents: the best trials, whose forks replace the losers.
        to_stop: the losers that have not failed.
    """

    losers: list[str]
    parents: list[str]
    to_stop: list[str]


@dataclass(eq=False)
class Population:
    """Trials that train side by side, an interval at a time; higher scores are better.

    A generation is complete when each of `size` members has a score or has failed, in any order and at any concurrency.
    A member that failed is the worst; one that ended otherwise leaves its place empty.

    Attributes:
        number: counts the populations of a sweep from 0.
        size: how many members a full generation has.
        generation: how many generations have been completed.
        members: in the order of arrival.
        scores: the scores of this generation so far.
        failed: members that have failed in this generation.
        expected: how many members are still to arrive, at first as suggestions, later as forks.
    """

    number: int
    size: int
    generation: int = 0
    members: list[str] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    expected: int = field(init=False)

    def __post_init__(self) -> None:
        self.expected = self.size

    @property
    def complete(self) -> bool:
        """Whether the generation is over."""
        return not self.expected and len(self.scores) == len(self.members)

    @property
    def over(self) -> bool:
        """Whether no member is left and none will arrive."""
        return not self.expected and not self.members

    def add(self, trial_id: str) -> None:
        self.members.append(trial_id)
        self.expected -= 1

    def fail(self, trial_id: str) -> None:
        """Records that the member failed and will not train on."""
        self.scores[trial_id] = FAILURE
        self.failed.add(trial_id)

    def leave(self, trial_id: str) -> None:
        """Removes a member that ended without failing."""
        self.members.remove(trial_id)
        self.scores.pop(trial_id, None)

    def waiting(self) -> list[str]:
        """Members that have no score in this generation yet."""
        return [name for name in self.members if name not in self.scores]

    def advance(self, quantile: float, *, replace: bool) -> Selection:
        """Ends the generation: eliminates the failed members and, if `replace`, the worst `quantile`.

        At least one member is replaced, at most half of those that have not failed.
        """
        ranked = sorted(self.members, key=lambda name: (-self.scores[name], name in self.failed))
        share = min(math.ceil(quantile * len(ranked)), len(ranked) // 2) if replace else 0
        out = max(share, len(self.failed))
        stay, losers = ranked[: len(ranked) - out], ranked[len(ranked) - out :]
        self.members = [name for name in self.members if name in set(stay)]
        self.expected = len(losers) if replace and stay else 0
        self.generation += 1
        selection = Selection(losers, stay[: max(share, 1)], [name for name in losers if name not in self.failed])
        self.scores, self.failed = {}, set()
        return selection


def mutable(space: Space, mutate: list[str] | None) -> list[Parameter]:
    """The hyperparameters that a clone changes: those in `mutate`, by default all that are not whole numbers.

    Whole numbers and choices usually shape the model, and a clone of another shape could not load its parent's
    weights.

    Raises:
        ValueError: if one is unknown, not numeric or conditional, or if there are none.
    """
    numeric = [p for p in space.parameters() if isinstance(p.domain, Numeric) and not p.parents]
    if mutate is None:
        chosen = [p for p in numeric if isinstance(p.domain, Numeric) and not p.domain.integer]
        if not chosen:
            raise ValueError(
                "no hyperparameter can change during training: the space has no continuous one that is always active;"
                " name integer ones that do not change the model's shape in the option mutate"
            )
        return chosen
    known = {parameter.name: parameter for parameter in numeric}
    unknown = [name for name in mutate if name not in known]
    if unknown or not mutate:
        raise ValueError(
            f"mutate: {', '.join(unknown) or 'none given'}; "
            f"numeric hyperparameters that are always active: {', '.join(known) or 'none'}"
        )
    return [known[name] for name in mutate]
