"""What population based schedulers share: a population and its generations, and what its clones may change."""

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
    """What one member did in one generation: with which numbers, from which score (None at first) to which."""

    population: int
    generation: int
    numbers: Numbers
    before: float | None
    after: float


class Explore(Protocol):
    """Finds new numbers for a clone."""

    def observe(self, intervals: Sequence[Interval]) -> None:
        """A generation is over; called before its clones are asked for."""

    def __call__(self, numbers: Numbers, generation: int, rng: np.random.Generator) -> Numbers:
        """Numbers for a clone that trains in `generation`, from those of its parent."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a generation's end decides.

    Attributes:
        losers: out, those among them that had failed already included.
        parents: the best, of which forks take the losers' places.
        to_stop: the losers that have not failed.
    """

    losers: list[str]
    parents: list[str]
    to_stop: list[str]


@dataclass(eq=False)
class Population:
    """Trials that train side by side, an interval at a time; higher scores are better.

    A generation is complete when each of `size` members has a score or has failed, in whatever order and at whatever
    concurrency they come. A member that failed is the worst; one that ended otherwise leaves its place empty.

    Attributes:
        number: counts the populations of a sweep from 0.
        size: how many members the generation has once all have come.
        generation: how many have been completed.
        members: in the order they came.
        scores: of this generation, of those that have come so far.
        failed: members that have failed in this generation.
        expected: how many are still to come, as suggestions at first and as forks later.
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
        """Whether nobody is left and nobody will come."""
        return not self.expected and not self.members

    def add(self, trial_id: str) -> None:
        self.members.append(trial_id)
        self.expected -= 1

    def fail(self, trial_id: str) -> None:
        """The member will not train on."""
        self.scores[trial_id] = FAILURE
        self.failed.add(trial_id)

    def leave(self, trial_id: str) -> None:
        """The member ended without having failed."""
        self.members.remove(trial_id)
        self.scores.pop(trial_id, None)

    def waiting(self) -> list[str]:
        """Members that have no score in this generation yet."""
        return [name for name in self.members if name not in self.scores]

    def advance(self, quantile: float, *, replace: bool) -> Selection:
        """Ends the generation: the worst `quantile`, and whoever failed, make room if `replace`, else the failed only.

        At least one is replaced, at most half of those that have not failed.
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
    """The hyperparameters that a clone gets new values of: those named, by default all that are not whole numbers.

    Whole numbers and choices usually shape the model, and a clone of another shape could not load its parent's
    weights.

    Raises:
        ValueError: if one is unknown, no number or conditional, or if there are none.
    """
    numeric = [p for p in space.parameters() if isinstance(p.domain, Numeric) and not p.parents]
    if mutate is None:
        chosen = [p for p in numeric if isinstance(p.domain, Numeric) and not p.domain.integer]
        if not chosen:
            raise ValueError(
                "no hyperparameter can change while a model trains: the space has none that is a fraction and always"
                " active; name whole numbers that do not shape the model in the option mutate"
            )
        return chosen
    known = {parameter.name: parameter for parameter in numeric}
    unknown = [name for name in mutate if name not in known]
    if unknown or not mutate:
        raise ValueError(
            f"mutate: {', '.join(unknown) or 'names none'}; "
            f"numeric hyperparameters that are always active: {', '.join(known) or 'none'}"
        )
    return [known[name] for name in mutate]
