"""Hypotheses tested on the records: supported, refuted or undecided, with the effect and its interval.

Every hypothesis has two one-sided tests (`hypertune.comparison.claims`), one that can support it and one that can
refute it; twice the smaller p-value, corrected over the study's hypotheses by Holm's method, decides. A study that is
looked at after each seed has its p-values corrected for that, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any

import numpy as np

from hypertune.comparison import claims
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
LOOKS = 15.0
"""Factor of the p-values of a study that is looked at repeatedly: enough for a look after each of seeds 3 to 30, by
simulation (`python -m tests.benchmarks.hypotheses --looks`)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the runs say about one claim.

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
    """A hypothesis and its verdict; `p` is two-sided and corrected over the study's hypotheses."""

    text: str
    verdict: str
    p: float
    evidence: Evidence


def findings(records: Records) -> list[Finding]:
    """One finding per hypothesis of the study, in its order; none where no seed has finished."""
    study = records.study
    hypotheses = study.claims()
    source = runs(records) if study.design else Searched(records)
    if not hypotheses or not source.seeds:
        return []
    judge = Judge(source, study.mode)
    factor = LOOKS if study.until_decided or records.extensions else 1.0
    return _decided(hypotheses, [judge.weigh(hypothesis.claim) for hypothesis in hypotheses], factor)


def _decided(hypotheses: tuple[Hypothesis, ...], evidence: list[Evidence], factor: float) -> list[Finding]:
    raw = [_two_sided(one, factor) for one in evidence]
    tested = [p for p in raw if not math.isnan(p)]
    corrected = iter(holm(tested).tolist())
    found = []
    for hypothesis, one, p in zip(hypotheses, evidence, raw, strict=True):
        adjusted = next(corrected) if not math.isnan(p) else math.nan
        verdict = UNDECIDED
        if adjusted < 1 - LEVEL:
            verdict = SUPPORTED if one.p_support < one.p_refute else REFUTED
        found.append(Finding(hypothesis.text, verdict, adjusted, one))
    return found


def _two_sided(one: Evidence, factor: float) -> float:
    if one.effect.seeds < FEWEST_SEEDS or math.isnan(one.p_support) or math.isnan(one.p_refute):
        return math.nan
    return min(1.0, 2 * factor * min(one.p_support, one.p_refute))


class Judge:
    """Tests claims on the runs of one study; `mode` says which way is better."""

    def __init__(self, source: Runs | Searched, mode: str) -> None:
        self.source, self.sign = source, 1.0 if mode == "max" else -1.0

    @singledispatchmethod
    def weigh(self, claim: Claim) -> Evidence:
        raise AssertionError(f"no test for {claim}")

    @weigh.register
    def _(self, claim: Better) -> Evidence:
        return self._two(claim, claims.better)

    @weigh.register
    def _(self, claim: Equal) -> Evidence:
        return self._two(claim, claims.equal)

    def _two(self, claim: Better | Equal, test: Callable[..., claims.Weighed]) -> Evidence:
        left, right = self._table([claim.left, claim.right])
        weighed = test(left, right, claim.margin, step=self.source.step)
        words = _less(claim.left, claim.right)
        if isinstance(self.source, Searched):
            words += f", {self.source.judged_on}"
        return self._evidence(left - right, words, weighed, self._rows(claim.left, claim.right), claim.left)

    @weigh.register
    def _(self, claim: Trend) -> Evidence:
        if isinstance(self.source, Searched):
            return self._correlation(claim, self.source)
        levels, rows = self._levels(claim.factor), len(self.source.rows(()))
        table = self._table([((claim.factor, level),) for level in levels], claim.outcome, sign=1.0)
        weighed = claims.trend(table if claim.rising else -table, claim.margin, step=self._step(claim.outcome))
        words = f"change from {setting(levels[0])} to {setting(levels[-1])}"
        return self._evidence(table[-1] - table[0], words, weighed, rows, claim.factor, claim.outcome)

    @weigh.register
    def _(self, claim: NoGain) -> Evidence:
        levels = self._levels(claim.factor)
        table = self._table([((claim.factor, level),) for level in levels])
        weighed = claims.no_gain(table, claim.margin, step=self.source.step)
        place = 1 + int(np.argmax(_means(table[1:] - table[0])))
        words = _less(((claim.factor, levels[place]),), ((claim.factor, levels[0]),)) + ", the largest gain"
        return self._evidence(table[place] - table[0], words, weighed, self._rows(()), claim.factor)

    @weigh.register
    def _(self, claim: Flat) -> Evidence:
        levels = self._levels(claim.factor)
        levels = levels[levels.index(claim.beyond) :]
        table = self._table([((claim.factor, level),) for level in levels])
        weighed = claims.flat(table, claim.margin, step=self.source.step)
        place = 1 + int(np.argmax(np.abs(_means(table[1:] - table[0]))))
        words = _less(((claim.factor, levels[place]),), ((claim.factor, levels[0]),)) + ", the largest difference"
        return self._evidence(table[place] - table[0], words, weighed, self._rows(()), claim.factor)

    @weigh.register
    def _(self, claim: Robust) -> Evidence:
        levels, sides = self._levels(claim.factor), (claim.left, claim.right)
        table = self._table([(*side, (claim.factor, level)) for side in sides for level in levels])
        narrow, wide = table[: len(levels)], table[len(levels) :]
        weighed = claims.robust(narrow, wide, step=self.source.step)
        words = f"range of the means over {claim.factor} at {name_of(claim.right)} less that at {name_of(claim.left)}"
        where = (*claim.left, (claim.factor, None))
        return self._evidence(_span(wide) - _span(narrow), words, weighed, self._rows(*sides), where)

    @weigh.register
    def _(self, claim: Peak) -> Evidence:
        levels = self._levels(claim.factor)
        table = self._table([((claim.factor, level),) for level in levels])
        weighed, means = claims.peak(table, step=self.source.step), _means(table)
        top = 1 + int(np.argmax(means[1:-1]))
        end = -1 if means[-1] > means[0] else 0
        words = f"{claim.factor} = {levels[top]} less the better end, {claim.factor} = {levels[end]}"
        return self._evidence(table[top] - table[end], words, weighed, self._rows(()), claim.factor)

    @weigh.register
    def _(self, claim: Bound) -> Evidence:
        (values,) = self._table([claim.where], claim.outcome, sign=1.0)
        up, down = claims.bound(values, claim.number, step=self._step(claim.outcome))
        return self._evidence(
            values, f"mean at {name_of(claim.where)}", (up, down) if claim.above else (down, up),
            self._rows(claim.where), claim.where, claim.outcome,
        )  # fmt: skip

    # Contrasts --------------------------------------------------------------------------------------------------

    def _table(self, wheres: list[Where], outcome: str = VALUE, *, sign: float | None = None) -> claims.Floats:
        """The outcome by cell and seed, larger is better; only seeds that have all of these cells."""
        rows = np.stack([self.source.at(where, outcome).to_numpy(dtype=float) for where in wheres])
        return np.asarray(rows[:, np.isfinite(rows).all(axis=0)] * (self.sign if sign is None else sign), dtype=float)

    def _step(self, outcome: str) -> float:
        return self.source.step if outcome == VALUE else 0.0

    def _levels(self, factor: str) -> list[Any]:
        assert isinstance(self.source, Runs)
        return list(self.source.factor(factor).levels)

    def _rows(self, *wheres: Where) -> int:
        return len(set().union(*(self.source.rows(where)["trial_id"] for where in wheres)))

    def _correlation(self, claim: Trend, source: Searched) -> Evidence:
        by_seed, trials = source.correlations(claim.factor, claim.outcome)
        thirds = source.thirds(claim.factor, claim.outcome)
        weighed = claims.trend(thirds if claim.rising else -thirds, None) if len(thirds) > 1 else (math.nan, math.nan)
        return Evidence(
            estimate(by_seed), f"Spearman's correlation over the trials of {source.control or 'random search'}",
            "rank correlation", float(weighed[0]), float(weighed[1]), trials, "scatter",
        )  # fmt: skip

    def _evidence(
        self, effect: claims.Floats, meaning: str, weighed: claims.Weighed, rows: int, where: Where | str,
        outcome: str = VALUE,
    ) -> Evidence:  # fmt: skip
        """`effect`: by seed; `where`: the cells or the factor that it is about."""
        support, refute = map(float, weighed)
        names = [where] if isinstance(where, str) else [name for name, _ in where]
        size = estimate(effect, step=self._step(outcome))
        return Evidence(size, meaning, outcome, support, refute, rows, self.source.figure_of(names))


def _means(table: claims.Floats) -> claims.Floats:
    """Over seeds; NaN where no seed has all cells."""
    return np.asarray(table.mean(axis=-1) if table.shape[-1] else np.full(table.shape[:-1], np.nan), dtype=float)


def _span(levels: claims.Floats) -> claims.Floats:
    """By seed: the level with the best mean less the one with the worst."""
    means = _means(levels)
    span: claims.Floats = levels[np.argmax(means)] - levels[np.argmin(means)]
    return span


def name_of(where: Where) -> str:
    """Cells in words, e.g. `norm = none, lr = 0.01`."""
    return ", ".join(f"{name} = {setting(level)}" for name, level in where)


def _less(left: Where, right: Where) -> str:
    return f"{name_of(left)} less {name_of(right)}"
