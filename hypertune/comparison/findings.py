"""Hypotheses held against the records: supported, refuted or undecided, with the effect and its interval.

Every hypothesis is turned into contrasts of cells (or strategies) within each seed. It has two one-sided tests, one
that can support it and one that can refute it; twice the smaller p-value, corrected over the study's hypotheses by
Holm's method, decides. Where a claim is about several levels at once, supporting takes all of them (an
intersection-union test needs no correction) and refuting takes one, corrected by Bonferroni.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any

import pandas as pd

from hypertune.comparison.effects import Estimate, estimate
from hypertune.comparison.numbers import setting
from hypertune.comparison.runs import Runs, runs
from hypertune.comparison.searched import Searched
from hypertune.comparison.statistics import FEWEST_SEEDS, LEVEL, holm
from hypertune.records.records import Records
from hypertune.study.hypotheses import (
    VALUE,
    Better,
    Bound,
    Claim,
    Equal,
    Flat,
    Hypothesis,
    NoGain,
    Peak,
    Robust,
    Trend,
    Where,
)

SUPPORTED, REFUTED, UNDECIDED = "supported", "refuted", "undecided"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the runs say of one claim.

    Attributes:
        effect: the number the claim is about, with its own 95 % interval.
        meaning: what the effect is, e.g. `adam less sgd`.
        outcome: in which unit: `value`, `seconds`, `parameters` or `rank correlation`.
        p_support, p_refute: one-sided; NaN with too few seeds.
        runs: how many trials it rests on.
        figure: name of the figure that shows it.
    """

    effect: Estimate
    meaning: str
    outcome: str
    p_support: float
    p_refute: float
    runs: int
    figure: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A hypothesis and what became of it; `p` is two-sided and corrected over the study's hypotheses."""

    text: str
    verdict: str
    p: float
    evidence: Evidence


def findings(records: Records) -> list[Finding]:
    """One finding per hypothesis of the study, in its order; none where no seed has finished."""
    study = records.study
    claims = study.claims()
    source = runs(records) if study.design else Searched(records)
    if not claims or not source.seeds:
        return []
    judge = Judge(source, study.mode)
    evidence = [judge.weigh(hypothesis.claim) for hypothesis in claims]
    return _decided(claims, evidence)


def _decided(claims: tuple[Hypothesis, ...], evidence: list[Evidence]) -> list[Finding]:
    raw = [_two_sided(one) for one in evidence]
    tested = [p for p in raw if not math.isnan(p)]
    corrected = iter(holm(tested).tolist())
    found = []
    for hypothesis, one, p in zip(claims, evidence, raw, strict=True):
        adjusted = next(corrected) if not math.isnan(p) else math.nan
        verdict = UNDECIDED
        if adjusted < 1 - LEVEL:
            verdict = SUPPORTED if one.p_support < one.p_refute else REFUTED
        found.append(Finding(hypothesis.text, verdict, adjusted, one))
    return found


def _two_sided(one: Evidence) -> float:
    if one.effect.seeds < FEWEST_SEEDS or math.isnan(one.p_support) or math.isnan(one.p_refute):
        return math.nan
    return min(1.0, 2 * min(one.p_support, one.p_refute))


class Judge:
    """Weighs claims on the runs of one study; `mode` says which way is better."""

    def __init__(self, source: Runs | Searched, mode: str) -> None:
        self.source, self.sign = source, 1.0 if mode == "max" else -1.0

    @singledispatchmethod
    def weigh(self, claim: Claim) -> Evidence:
        raise AssertionError(f"no test for {claim}")

    @weigh.register
    def _(self, claim: Better) -> Evidence:
        gain = self._gain(claim.left, claim.right)
        return self._evidence(
            gain, _less(claim.left, claim.right), (gain.p_above(claim.margin), gain.p_below(claim.margin)),
            self._rows(claim.left, claim.right), claim.left,
        )  # fmt: skip

    @weigh.register
    def _(self, claim: Equal) -> Evidence:
        gain = self._gain(claim.left, claim.right)
        return self._evidence(
            gain, _less(claim.left, claim.right), (_p_inside(gain, claim.margin), _p_outside(gain, claim.margin)),
            self._rows(claim.left, claim.right), claim.left,
        )  # fmt: skip

    @weigh.register
    def _(self, claim: Trend) -> Evidence:
        if isinstance(self.source, Searched):
            return self._correlation(claim, self.source)
        by_level = self._by_level(claim.factor, claim.outcome)
        trend = self._estimate(_fitted_change(by_level), claim.outcome)
        steps = [self._estimate(b - a, claim.outcome) for a, b in itertools.pairwise(by_level)]
        up, down = trend.p_above(0), trend.p_below(0)
        # A clear step the wrong way refutes the claim, whatever the trend as a whole.
        wrong = [step.p_below(0) if claim.rising else step.p_above(0) for step in steps]
        levels = self.source.factor(claim.factor).levels
        return self._evidence(
            trend, f"fitted change from {levels[0]} to {levels[-1]}",
            (up if claim.rising else down, min(down if claim.rising else up, len(wrong) * min(wrong))),
            len(self.source.rows(())), claim.factor, claim.outcome,
        )  # fmt: skip

    @weigh.register
    def _(self, claim: NoGain) -> Evidence:
        first, *others = self._levels(claim.factor)
        gains = [(level, self._between(claim.factor, level, first)) for level in others]
        level, largest = max(gains, key=lambda pair: pair[1].effect)
        return self._evidence(
            largest, _less(((claim.factor, level),), ((claim.factor, first),)) + ", the largest gain",
            (
                max(gain.p_below(claim.margin) for _, gain in gains),
                len(gains) * min(gain.p_above(claim.margin) for _, gain in gains),
            ),
            self._rows(()), claim.factor,
        )  # fmt: skip

    @weigh.register
    def _(self, claim: Flat) -> Evidence:
        levels = self._levels(claim.factor)
        later = levels[levels.index(claim.beyond) + 1 :]
        gains = [(level, self._between(claim.factor, level, claim.beyond)) for level in later]
        level, largest = max(gains, key=lambda pair: abs(pair[1].effect))
        return self._evidence(
            largest,
            _less(((claim.factor, level),), ((claim.factor, claim.beyond),)) + ", the largest difference",
            (
                max(_p_inside(gain, claim.margin) for _, gain in gains),
                len(gains) * min(_p_outside(gain, claim.margin) for _, gain in gains),
            ),
            self._rows(()), claim.factor,
        )  # fmt: skip

    @weigh.register
    def _(self, claim: Robust) -> Evidence:
        narrow, wide = (self._range(where, claim.factor) for where in (claim.left, claim.right))
        gain = self._estimate(wide - narrow, VALUE)
        return self._evidence(
            gain, f"range over {claim.factor} at {name_of(claim.right)} less that at {name_of(claim.left)}",
            (gain.p_above(0), gain.p_below(0)), self._rows(claim.left, claim.right),
            (*claim.left, (claim.factor, None)),
        )  # fmt: skip

    @weigh.register
    def _(self, claim: Peak) -> Evidence:
        first, *inner, last = self._levels(claim.factor)
        peak = max(inner, key=lambda level: self.sign * self.source.at(((claim.factor, level),)).mean())
        falls = [self._between(claim.factor, peak, end) for end in (first, last)]
        rises = [
            max(self._between(claim.factor, end, level).p_above(0) for level in inner) for end in (first, last)
        ]  # fmt: skip
        smaller = min(falls, key=lambda fall: fall.effect)
        end = (first, last)[falls.index(smaller)]
        return self._evidence(
            smaller, f"{claim.factor} = {peak} less the better end, {claim.factor} = {end}",
            # The peak was chosen by the same runs: corrected for the choice.
            (min(1.0, len(inner) * max(fall.p_above(0) for fall in falls)), min(1.0, 2 * min(rises))), self._rows(()),
            claim.factor,
        )  # fmt: skip

    @weigh.register
    def _(self, claim: Bound) -> Evidence:
        level = self._estimate(self.source.at(claim.where, claim.outcome), claim.outcome)
        up, down = level.p_above(claim.number), level.p_below(claim.number)
        return self._evidence(
            level, f"mean at {name_of(claim.where)}", (up, down) if claim.above else (down, up),
            self._rows(claim.where), claim.where, claim.outcome,
        )  # fmt: skip

    # Contrasts --------------------------------------------------------------------------------------------------

    def _estimate(self, per_seed: pd.Series[float], outcome: str) -> Estimate:
        return estimate(per_seed, step=self.source.step if outcome == VALUE else 0.0)

    def _gain(self, left: Where, right: Where) -> Estimate:
        """By how much left is better than right."""
        return self._estimate(self.sign * (self.source.at(left) - self.source.at(right)), VALUE)

    def _between(self, factor: str, level: Any, other: Any) -> Estimate:
        return self._gain(((factor, level),), ((factor, other),))

    def _levels(self, factor: str) -> list[Any]:
        assert isinstance(self.source, Runs)
        return list(self.source.factor(factor).levels)

    def _by_level(self, factor: str, outcome: str) -> list[pd.Series[float]]:
        return [self.source.at(((factor, level),), outcome) for level in self._levels(factor)]

    def _range(self, where: Where, factor: str) -> pd.Series[float]:
        """By seed: the best less the worst level of a factor, elsewhere as `where` says."""
        table = pd.concat([self.source.at((*where, (factor, level))) for level in self._levels(factor)], axis=1)
        return table.max(axis=1) - table.min(axis=1)

    def _rows(self, *wheres: Where) -> int:
        return len(set().union(*(self.source.rows(where)["trial_id"] for where in wheres)))

    def _correlation(self, claim: Trend, source: Searched) -> Evidence:
        by_seed, trials = source.correlations(claim.factor, claim.outcome)
        rho = estimate(by_seed)
        up, down = rho.p_above(0), rho.p_below(0)
        return Evidence(
            rho, f"Spearman's correlation over the trials of {source.control or 'random search'}", "rank correlation",
            up if claim.rising else down, down if claim.rising else up, trials, "scatter",
        )  # fmt: skip

    def _evidence(
        self, effect: Estimate, meaning: str, p: tuple[float, float], rows: int, where: Where | str,
        outcome: str = VALUE,
    ) -> Evidence:  # fmt: skip
        """`p`: of the claim's support and of its refutation; `where`: the cells or the factor that it is about."""
        support, refute = p
        names = [where] if isinstance(where, str) else [name for name, _ in where]
        return Evidence(
            effect, meaning, outcome, support, min(refute, 1.0) if not math.isnan(refute) else refute, rows,
            self.source.figure_of(names),
        )  # fmt: skip


def _p_inside(gain: Estimate, margin: float) -> float:
    """Two one-sided tests (Schuirmann 1987) that the gain lies within the margin either way."""
    return max(gain.p_below(margin), gain.p_above(-margin))


def _p_outside(gain: Estimate, margin: float) -> float:
    return min(gain.p_above(margin), gain.p_below(-margin))


def _fitted_change(by_level: list[pd.Series[float]]) -> pd.Series[float]:
    """By seed: the change from the first level to the last along a straight line fitted to evenly spaced levels."""
    middle = (len(by_level) - 1) / 2
    weights = [i - middle for i in range(len(by_level))]
    weighted = pd.concat([w * series for w, series in zip(weights, by_level, strict=True)], axis=1)
    slope: pd.Series[float] = weighted.sum(axis=1, skipna=False) / sum(w * w for w in weights)
    return slope * (len(by_level) - 1)


def name_of(where: Where) -> str:
    """Cells in words, e.g. `norm = none, lr = 0.01`."""
    return ", ".join(f"{name} = {setting(level)}" for name, level in where)


def _less(left: Where, right: Where) -> str:
    return f"{name_of(left)} less {name_of(right)}"
