"""A judgement in sentences: what to take, how the others compare, and how many more seeds it would take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from hypertune.comparison.judgement import BEST, EQUAL, UNDECIDED, WORSE, Judgement
from hypertune.comparison.numbers import duration, listing, seeds_of, with_interval
from hypertune.comparison.sequence import MOST_SEEDS, seeds_between
from hypertune.comparison.statistics import FEWEST_SEEDS, interval

MOST_NAMES = 5
"""Most strategies that a sentence lists by name."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A judgement and the values it is based on.

    Attributes:
        values: index seeds, columns strategies; NaN where a strategy has not run.
        metric: the values' name.
        step: the grid on which they lie, 0 if none.
        seconds: mean time of a sweep by strategy; may be empty.
    """

    judgement: Judgement
    values: pd.DataFrame
    mode: str
    metric: str
    step: float = 0.0
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def highest(self) -> str:
        return "highest" if self.mode == "max" else "lowest"

    def mean(self, strategy: str) -> str:
        """The mean with its interval."""
        own = self.values[strategy]
        return with_interval(float(own.mean()), *interval(own, step=self.step))


def conclusion_of(judged: Judged) -> list[str]:
    """Everything that follows from the judgement, the most important first."""
    said = [lead_sentence(judged), standing_sentence(judged), more_seeds(judged)]
    return [sentence for sentence in said if sentence]


def lead_sentence(judged: Judged) -> str:
    """Which strategy to take; where this is undecided, it says so and names the one with the best mean."""
    own = judged.judgement
    leader, taken = own.leaders[0], own.recommended
    mean = f"mean {judged.metric}, {judged.mean(leader)} over {seeds_of(own.seeds)}"
    if taken is None:
        return _undecided(judged, mean)
    if own.verdicts[taken] == BEST:
        others = "the other strategy" if len(own.verdicts) == 2 else "every other strategy"
        if len(own.leaders) > 1:
            rest = [name for name in own.leaders if name != taken]
            return (
                f"Take {taken} or {listing(rest, 'or')}, whose values are identical for every seed: their {mean}, is "
                "significantly better than that of every other strategy."
            )
        return f"Take {taken}: its {mean}, is significantly better than that of {others}."
    if taken in own.leaders:
        if len(own.leaders) > 1:
            return (
                f"Take {listing(list(own.leaders), 'or')}, whose values are identical for every seed: they have the "
                f"{judged.highest} {mean}, and no other strategy is better by more than the margin of {own.margin:g}."
            )
        return (
            f"Take {taken}: it has the {judged.highest} {mean}, and no other strategy is better by more than the "
            f"margin of {own.margin:g}."
        )
    ratio = judged.seconds[taken] / judged.seconds[leader]
    return (
        f"Take {taken}: it is within the margin of {own.margin:g} of the best and takes {_share(ratio)} of the "
        f"time of {leader} ({duration(judged.seconds[taken])} a sweep), which has the {judged.highest} {mean}."
    )


def _share(ratio: float) -> str:
    return f"{100 * ratio:.0f} %" if ratio >= 0.01 else "less than 1 %"


def _undecided(judged: Judged, mean: str) -> str:
    own = judged.judgement
    leaders = list(own.leaders)
    others = [name for name in own.named(UNDECIDED) if name not in leaders]
    shared = len(leaders) > 1
    start = f"Undecided; to choose now, take {listing(leaders, 'or')}: {'they have' if shared else 'it has'} the"
    if not others:
        return f"{start} {judged.highest} {mean}, with identical values for every seed."
    words = f"{start} {judged.highest} {mean}, but {'are' if shared else 'is'} not significantly better than "
    words += _some(others)
    if own.margin:
        words += f", nor shown to be within the margin of {own.margin:g} of the best"
    return f"{words}."


def standing_sentence(judged: Judged) -> str:
    """The verdicts on the strategies that the first sentence does not name."""
    own = judged.judgement
    spoken_of = set(own.leaders) | ({own.recommended} if own.recommended else set())
    phrases = {
        BEST: "Best", EQUAL: "Practically equal to the best", WORSE: "Significantly worse", UNDECIDED: "Undecided",
    }  # fmt: skip
    parts = []
    for verdict in (BEST, EQUAL, WORSE, *([UNDECIDED] if own.recommended else [])):
        names = [name for name in own.named(verdict) if name not in spoken_of]
        if names and not (own.recommended and verdict == WORSE and own.verdicts[own.recommended] == BEST):
            parts.append(f"{phrases[verdict]}: {_some(names, full=verdict == WORSE)}.")
    return " ".join(parts)


def more_seeds(judged: Judged) -> str:
    """How many seeds would decide between the leader and those that are undecided."""
    own = judged.judgement
    others = [name for name in own.named(UNDECIDED) if name not in own.leaders]
    if own.recommended or not others:
        return ""
    if own.seeds < FEWEST_SEEDS:
        verb = "is" if own.seeds == 1 else "are"
        return f"{seeds_of(own.seeds)} {verb} too few for any claim; at least {FEWEST_SEEDS} are needed."
    names, leader = own.evidence.strategies, own.evidence.strategies.index(own.leaders[0])
    needed = {name: seeds_between(own, leader, names.index(name)) for name in others}
    known = {name: seeds for name, seeds in needed.items() if not math.isnan(seeds)}
    if not known:
        return ""
    hardest = max(known, key=lambda name: known[name])
    total = known[hardest]
    size = f"about {max(total, own.seeds + 1):.0f}" if np.isfinite(total) else f"more than {MOST_SEEDS}"
    return (
        f"If the means stay as they are, {size} seeds in all would decide between {own.leaders[0]} and "
        f"{hardest if len(others) == 1 else 'all of them'}; with so few seeds this is a rough figure."
    )


def _some(names: list[str], *, full: bool = False) -> str:
    return listing(names) if full or len(names) <= MOST_NAMES else f"{len(names)} others"
