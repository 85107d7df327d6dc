"""Two runs of the same strategies, before and after a change: what is different, and is it real?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from hypertune.comparison.claims import Floats, better, p_beyond
from hypertune.comparison.evidence import evidence_of
from hypertune.comparison.numbers import listing, with_interval
from hypertune.comparison.outcomes import outcomes
from hypertune.comparison.statistics import FEWEST_SEEDS, LEVEL, grid_step, holm, interval
from hypertune.records.records import Records

BETTER, WORSE, SAME = "better", "worse", "none shown"
COLUMNS = ("strategy", "seeds", "before", "after", "better_by", "low", "high", "p", "change")


@dataclass(frozen=True, kw_only=True)
class Against:
    """A study compared with an earlier one.

    Attributes:
        table: a row per common strategy. `seeds` is how many each side has, at least; `better_by` how much better the
            mean has become, `low, high` its own 95 % t-interval, `p` two-sided and corrected over the strategies by
            Holm's method, `change` what is established.
        metric: what was compared.
        paired: whether one study has all seeds of the other, so that differences are taken seed by seed; else the two
            are independent samples.
        only_before, only_after: strategies of one study alone.
    """

    table: pd.DataFrame
    metric: str
    paired: bool
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]

    def sentences(self) -> list[str]:
        """What has changed, in words, the most important first."""
        said = [
            f"{word}: {listing([self._told(row) for _, row in rows.iterrows()])}."
            for change, word in ((BETTER, "Significantly better than before"), (WORSE, "Significantly worse"))
            if len(rows := self.table[self.table["change"] == change])
        ]
        if rest := [str(row["strategy"]) for _, row in self.table.iterrows() if row["change"] == SAME]:
            said.append(f"No significant change: {listing(rest)}.")
        for words, names in (("before", self.only_before), ("after", self.only_after)):
            if names:
                said.append(f"Only {words}, and not compared: {listing(names)}.")
        how = "seed by seed" if self.paired else "as independent samples, since their seeds are not the same"
        return [*said, f"Compared by {self.metric}, {how}; at most 5 % of such pages claim a change that is none."]

    def _told(self, row: pd.Series[Any]) -> str:
        return (
            f"{row['strategy']} by {with_interval(abs(row['better_by']), *sorted((abs(row['low']), abs(row['high']))))}"
        )


def against(before: Records, after: Records) -> Against:
    """Compares the strategies that two studies have in common, each with itself.

    Student's t of the differences between sweeps with the same seed, shrunk where one side is noisier (see
    `claims.p_above`). Where the studies have other seeds, the t is Welch's for independent samples, with the smaller
    number of seeds for both (see `evidence`), and shrunk in the same way. Of pairs of studies that differ by nothing,
    with four strategies and 3 to 30 seeds, normal, skewed, rounded or unequal noise, at most 5 % claim a change.

    Raises:
        ValueError: in one line, if the studies cannot be compared.
    """
    for name in ("metric", "mode"):
        mine, theirs = getattr(after.study, name), getattr(before.study, name)
        if mine != theirs:
            raise ValueError(f"--against: its study.{name} is {theirs}, not {mine}; compare studies of the same {name}")
    first, second = outcomes(before), outcomes(after)
    if first.judged_on != second.judged_on:
        raise ValueError(
            f"--against: one study has {first.judged_on}, the other {second.judged_on}; retrain the incumbents in both"
        )
    common = [name for name in second.strategies if name in first.strategies]
    if not common:
        raise ValueError("--against: the studies have no strategy in common that has finished a sweep")
    paired = len(set(first.seeds) & set(second.seeds)) >= min(len(first.seeds), len(second.seeds))
    sign = 1.0 if after.study.mode == "max" else -1.0
    rows = [
        _row(name, first.judged[name].dropna(), second.judged[name].dropna(), sign, paired=paired) for name in common
    ]
    return Against(
        table=_decided(pd.DataFrame(rows, columns=list(COLUMNS))),
        metric=second.judged_on,
        paired=paired,
        only_before=tuple(name for name in first.strategies if name not in common),
        only_after=tuple(name for name in second.strategies if name not in common),
    )


def _row(
    strategy: str, left: pd.Series[float], right: pd.Series[float], sign: float, *, paired: bool
) -> dict[str, object]:
    if paired:
        seeds = left.index.intersection(right.index)
        left, right = left[seeds], right[seeds]
    number, compared = min(len(left), len(right)), _paired if paired else _independent
    before, after = (np.asarray(sign * side, dtype=np.float64) for side in (left, right))
    p, low, high = compared(before, after) if number >= 2 else (np.nan, np.nan, np.nan)
    return {
        "strategy": strategy, "seeds": number, "before": left.mean(), "after": right.mean(),
        "better_by": sign * (right.mean() - left.mean()), "low": low, "high": high,
        "p": p if number >= FEWEST_SEEDS else np.nan, "change": SAME,
    }  # fmt: skip


def _paired(left: Floats, right: Floats) -> tuple[float, float, float]:
    """The p-value of the difference, and its interval."""
    step = grid_step(np.stack([left, right], axis=1))
    p = min(1.0, 2 * float(min(better(right, left, 0.0, step=step))))
    return p, *interval(right - left, step=step, differences=True)


def _independent(left: Floats, right: Floats) -> tuple[float, float, float]:
    """The same of samples that have nothing in common; two or more values each."""
    table = np.full((len(left) + len(right), 2), np.nan)
    table[: len(left), 0], table[len(left) :, 1] = left, right
    facts = evidence_of(table, ("before", "after"), step=grid_step(table))
    seeds = min(len(left), len(right))
    p = 2 * p_beyond(np.abs(facts.statistic()), facts.imbalance, seeds)[1, 0]
    gain, half = facts.gain[1, 0], stats.t.ppf((1 + LEVEL) / 2, seeds - 1) * facts.error[1, 0]
    return float(p), float(gain - half), float(gain + half)


def _decided(table: pd.DataFrame) -> pd.DataFrame:
    known = table["p"].notna()
    table.loc[known, "p"] = holm(table.loc[known, "p"].to_numpy())
    clear = table["p"] < 1 - LEVEL
    table.loc[clear & (table["better_by"] > 0), "change"] = BETTER
    table.loc[clear & (table["better_by"] < 0), "change"] = WORSE
    return table
