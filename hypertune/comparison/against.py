"""Two runs of the same strategies, before and after a change: what is different, and is it real?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hypertune.comparison.claims import Floats, better
from hypertune.comparison.numbers import listing, with_interval
from hypertune.comparison.outcomes import Outcomes, outcomes
from hypertune.comparison.statistics import FEWEST_SEEDS, LEVEL, grid_step, holm, interval
from hypertune.records.records import Records

BETTER, WORSE, SAME = "better", "worse", "none shown"
COLUMNS = ("strategy", "seeds", "before", "after", "better_by", "low", "high", "p", "change")


@dataclass(frozen=True, kw_only=True)
class Against:
    """A study compared with an earlier one.

    Attributes:
        table: a row per common strategy. `better_by` is how much better the mean has become, `low, high` its own 95 %
            t-interval, `p` two-sided and corrected over the strategies by Holm's method, `change` what is established.
        metric: what was compared.
        paired: whether one study has all seeds of the other, so that differences are taken seed by seed.
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
        how = "seed by seed" if self.paired else "in the order of the seeds, since they are not the same"
        return [*said, f"Compared by {self.metric}, {how}; at most 5 % of such pages claim a change that is none."]

    def _told(self, row: pd.Series[Any]) -> str:
        return (
            f"{row['strategy']} by {with_interval(abs(row['better_by']), *sorted((abs(row['low']), abs(row['high']))))}"
        )


def against(before: Records, after: Records) -> Against:
    """Compares the strategies that two studies have in common, each with itself.

    Student's t of the differences between sweeps with the same seed, or where the studies have other seeds in the order
    in which they stand, shrunk where one side is noisier (see `claims.p_above`, which is calibrated by simulation).

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
    rows = [_row(name, *_sides(first, second, name, paired=paired), sign) for name in common]
    return Against(
        table=_decided(pd.DataFrame(rows, columns=list(COLUMNS))),
        metric=second.judged_on,
        paired=paired,
        only_before=tuple(name for name in first.strategies if name not in common),
        only_after=tuple(name for name in second.strategies if name not in common),
    )


def _sides(before: Outcomes, after: Outcomes, strategy: str, *, paired: bool) -> tuple[Floats, Floats]:
    """The values of a strategy before and after, those of the same place a pair."""
    first, second = before.judged[strategy].dropna(), after.judged[strategy].dropna()
    if paired:
        seeds = first.index.intersection(second.index)
        first, second = first[seeds], second[seeds]
    count = min(len(first), len(second))
    return first.to_numpy(dtype=float)[:count], second.to_numpy(dtype=float)[:count]


def _row(strategy: str, left: Floats, right: Floats, sign: float) -> dict[str, object]:
    seeds = len(left)
    step = grid_step(np.stack([left, right], axis=1)) if seeds else 0.0
    p = better(sign * right, sign * left, 0.0, step=step)
    gain = sign * (right - left)
    low, high = interval(gain, step=step, differences=True) if seeds >= 2 else (np.nan, np.nan)
    return {
        "strategy": strategy, "seeds": seeds, "before": left.mean(), "after": right.mean(),
        "better_by": gain.mean(), "low": low, "high": high,
        "p": min(1.0, 2 * float(min(p))) if seeds >= FEWEST_SEEDS else np.nan, "change": SAME,
    }  # fmt: skip


def _decided(table: pd.DataFrame) -> pd.DataFrame:
    known = table["p"].notna()
    table.loc[known, "p"] = holm(table.loc[known, "p"].to_numpy())
    clear = table["p"] < 1 - LEVEL
    table.loc[clear & (table["better_by"] > 0), "change"] = BETTER
    table.loc[clear & (table["better_by"] < 0), "change"] = WORSE
    return table
