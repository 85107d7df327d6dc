"""The verdict on each strategy, from its values by seed.

At most 5 % of studies make any false claim, however often the data are looked at: each claim rests on a boundary of
`hypertune.comparison.evidence` that covers all pairs and all looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.comparison.evidence import (
    FEWEST_FOR_EQUAL,
    Evidence,
    boundary_of_difference,
    boundary_of_equality,
    evidence_of,
    oriented,
)
from hypertune.comparison.statistics import grid_step

Verdict = Literal["best", "equal", "worse", "undecided"]
BEST: Verdict = "best"
EQUAL: Verdict = "equal"
WORSE: Verdict = "worse"
UNDECIDED: Verdict = "undecided"

CHEAPER = 0.9
"""A strategy that is practically equal to the best is recommended instead of it where it takes at most this share of
its time; a smaller saving is not worth a lower mean."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """What is established about the strategies, and what is not.

    Attributes:
        evidence: each pair of strategies compared.
        verdicts: by strategy. `best`: significantly better than each of the others. `equal`: at most the margin worse
            than the best. `worse`: significantly worse than another one, and not known to be within the margin.
            `undecided`: none of these is established. A strategy whose sweeps have all failed is neither best nor
            equal.
        leaders: the strategy with the best mean, and those with identical values; empty without any values.
        recommended: the cheapest of the strategies that are best or equal, but not one that is cheaper because some of
            its sweeps failed; None if there is none.
        margin: differences up to this do not matter, in the unit of the values; None if all do.
        seeds: how many seeds the leader has run with.
    """

    evidence: Evidence
    verdicts: dict[str, Verdict]
    leaders: tuple[str, ...]
    recommended: str | None
    margin: float | None
    seeds: int
    better: NDArray[np.bool_]

    def named(self, verdict: Verdict) -> list[str]:
        """The strategies with this verdict."""
        return [name for name, own in self.verdicts.items() if own == verdict]

    def beats(self, strategy: str, other: str) -> bool:
        """Whether `strategy` is significantly better than `other`."""
        names = self.evidence.strategies
        return bool(self.better[names.index(strategy), names.index(other)])

    def gain(self, strategy: str, other: str) -> float:
        """How much better the mean of `strategy` is than that of `other`."""
        names = self.evidence.strategies
        return float(self.evidence.gain[names.index(strategy), names.index(other)])


def judge_values(
    values: pd.DataFrame, mode: str, *, margin: float | None = None, seconds: Mapping[str, float] | None = None,
    found: pd.DataFrame | None = None,
) -> Judgement:  # fmt: skip
    """Judges the strategies.

    Args:
        values: index seeds, columns strategies, two or more; NaN where a strategy has not run with a seed. Failed
            sweeps must already have a value.
        mode: `max` or `min`.
        margin: see `Judgement`.
        seconds: mean time of a sweep by strategy, for the recommendation.
        found: the same shape as `values`: False where a value stands for a failed sweep. None for all real ones.
    """
    table, names = oriented(values, mode)
    real = None if found is None else found.to_numpy(dtype=bool)
    return judge_table(table, names, step=grid_step(table), margin=margin, seconds=seconds, found=real)


def judge_table(
    table: NDArray[np.float64], names: tuple[str, ...], *, step: float, margin: float | None,
    seconds: Mapping[str, float] | None = None, found: NDArray[np.bool_] | None = None,
) -> Judgement:  # fmt: skip
    """`judge_values` of an array, as `evidence_of` takes it."""
    facts = evidence_of(table, names, step=step)
    better = facts.better()
    beaten: NDArray[np.bool_] = np.asarray(better.any(axis=0))
    failing, empty = _failures(table, found)
    leaders = _leaders(table, facts, beaten | empty)
    verdicts = _verdicts(facts, better, beaten, leaders, margin, empty)
    return Judgement(
        evidence=facts,
        verdicts={name: verdicts[i] for i, name in enumerate(names)},
        leaders=tuple(names[i] for i in leaders),
        recommended=_recommended(names, verdicts, leaders, seconds or {}, failing),
        margin=margin,
        seeds=int(np.isfinite(table[:, leaders[0]]).sum()) if leaders else 0,
        better=better,
    )


def _failures(
    table: NDArray[np.float64], found: NDArray[np.bool_] | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which strategies have failed sweeps, and which have nothing else; none of them if nobody has anything else."""
    ran = np.isfinite(table)
    real = ran if found is None else ran & found
    failing: NDArray[np.bool_] = np.asarray((ran & ~real).any(axis=0))
    empty: NDArray[np.bool_] = np.asarray(ran.any(axis=0) & ~real.any(axis=0) & real.any())
    return failing, empty


def _leaders(table: NDArray[np.float64], facts: Evidence, out: NDArray[np.bool_]) -> list[int]:
    """Positions of the strategy with the best mean and of its ties; those that are `out`, as established as worse or
    without any value of their own, do not count."""
    candidates = np.flatnonzero(~out) if not out.all() else np.arange(len(out))
    own = table[:, candidates]
    common = own[np.isfinite(own).all(axis=1)]
    ran = np.isfinite(own).any(axis=0)
    if not ran.any():
        return []
    means = (
        common.mean(axis=0)
        if len(common)
        else np.array([column[there].mean() if (there := np.isfinite(column)).any() else np.nan for column in own.T])
    )
    first = int(candidates[int(np.nanargmax(means))])
    return [first, *(int(i) for i in candidates if i != first and facts.identical[first, i] and facts.seeds[first, i])]


def _verdicts(
    facts: Evidence, better: NDArray[np.bool_], beaten: NDArray[np.bool_], leaders: list[int], margin: float | None,
    empty: NDArray[np.bool_],
) -> list[Verdict]:  # fmt: skip
    close: NDArray[np.bool_] = (
        _within_margin(facts, beaten, leaders, margin) if margin else np.zeros(len(beaten), dtype=bool)
    )
    verdicts: list[Verdict] = []
    for i in range(len(beaten)):
        others = [j for j in range(len(beaten)) if j != i and not (i in leaders and j in leaders)]
        if others and all(better[i, j] for j in others):
            verdicts.append(BEST)
        elif close[i] and not empty[i]:
            verdicts.append(EQUAL)
        else:
            verdicts.append(WORSE if beaten[i] else UNDECIDED)
    return verdicts


def _within_margin(facts: Evidence, beaten: NDArray[np.bool_], leaders: list[int], margin: float) -> NDArray[np.bool_]:
    """Whether each strategy is at most the margin worse than every candidate for the best.

    Leaders have the lower boundary, which is calibrated for the strategy with the best mean.
    """
    count = len(facts.strategies)
    statistic = facts.statistic(margin)
    strict = facts.needed(boundary_of_difference(count), FEWEST_FOR_EQUAL)
    needed = np.array(strict)
    needed[leaders] = facts.needed(boundary_of_equality(count), FEWEST_FOR_EQUAL)[leaders]
    passed = (statistic > needed) | beaten[None, :] | np.eye(count, dtype=bool)
    within: NDArray[np.bool_] = np.asarray(passed.all(axis=1))
    return within


def _recommended(
    names: tuple[str, ...], verdicts: list[Verdict], leaders: list[int], seconds: Mapping[str, float],
    failing: NDArray[np.bool_],
) -> str | None:  # fmt: skip
    candidates = [name for name, verdict in zip(names, verdicts, strict=True) if verdict in (BEST, EQUAL)]
    if not candidates:
        return None
    leader = next((names[i] for i in leaders if names[i] in candidates), candidates[0])
    reliable = [name for name, fails in zip(names, failing, strict=True) if name in candidates and not fails]
    # A comparison with a time that is missing is False.
    cheaper = [name for name in reliable if seconds.get(name, np.nan) < CHEAPER * seconds.get(leader, np.nan)]
    return min(cheaper, key=lambda name: seconds[name], default=leader)
