"""Trials of an earlier study of the same space, which searchers that can learn from them know before their first one.

They are part of the study, and so of its file: a study that is resumed, or sent to a cluster, needs nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from hypertune.space.plan import Parameter
from hypertune.space.space import Space


class EarlierTrial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A trial that has ended.

    Attributes:
        numbers: key of each active hyperparameter to its value, of a choice the option's index.
        epochs: for how many it was trained.
        value: the best value of the metric over these epochs; None if it failed or diverged.
    """

    numbers: dict[str, float | int]
    epochs: int
    value: float | None = None


class WarmStart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All trials of an earlier study.

    Attributes:
        study: its name.
        place: where its outputs were.
        trials: in the order in which they were recorded.
    """

    study: str
    place: str
    trials: list[EarlierTrial]

    @property
    def epochs(self) -> int:
        """What the trials have cost, in epochs."""
        return sum(trial.epochs for trial in self.trials)


def check_warm_start(warm_start: WarmStart, space: Space) -> None:
    """Checks that every trial is one of the space.

    Raises:
        ValueError: naming the trial and what is wrong with it.
    """
    for number, trial in enumerate(warm_start.trials):
        try:
            good = space.encode(space.resolve(_picked(trial))) == trial.numbers
        except (KeyError, IndexError, TypeError, ValueError):
            good = False
        if not good:
            raise ValueError(f"warm_start.trials[{number}]: {trial.numbers} is no configuration of [space]")


def _picked(trial: EarlierTrial) -> Callable[[Parameter], float | int]:
    return lambda parameter: trial.numbers[parameter.key]


def differing(ours: Space, theirs: Space) -> str | None:
    """The first hyperparameter in which two spaces differ, in words; None if they are the same."""
    here, there = (
        {p.key: Space({"is": p.domain}).to_toml()["is"] for p in space.parameters()} for space in (ours, theirs)
    )
    for name in {**here, **there}:
        if here.get(name) != there.get(name):
            return f"{name} is {there.get(name, 'not searched')} there and {here.get(name, 'not searched')} here"
    return None
