"""Strategies compared over several studies: Friedman's test and the critical difference of mean ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from hypertune.comparison.judgement import BEST, UNDECIDED, WORSE, Verdict
from hypertune.comparison.numbers import listing
from hypertune.comparison.outcomes import counted, outcomes
from hypertune.comparison.statistics import LEVEL
from hypertune.records.records import Records


@dataclass(frozen=True, kw_only=True)
class Friedman:
    """Friedman's test that all strategies rank alike, and Iman and Davenport's less conservative form of it."""

    chi_square: float
    chi_square_p: float
    f: float
    f_p: float


@dataclass(frozen=True, kw_only=True)
class Several:
    """Several studies together.

    Attributes:
        values: each study's mean value; index study names, columns the strategies that all studies compared.
        ranks: the ranks within each study, 1 the best, the same shape.
        mean_ranks: their means by strategy.
        friedman: the test over studies.
        critical_difference: how far two mean ranks must differ to be significant at 0.05 (Nemenyi).
        sign: for each task or study 1 if larger values are better, else -1; shape (rows, 1).
    """

    values: pd.DataFrame
    ranks: pd.DataFrame
    mean_ranks: pd.Series[float]
    friedman: Friedman
    critical_difference: float
    sign: NDArray[np.float64]

    def verdicts(self) -> dict[str, Verdict]:
        """If Friedman's test finds any difference: `best` for a strategy whose mean rank beats every other by the
        critical difference, `worse` for those behind the best rank by as much."""
        if not self.friedman.f_p < 1 - LEVEL:
            return {str(name): UNDECIDED for name in self.mean_ranks.index}
        top = str(self.mean_ranks.idxmin())
        behind = self.mean_ranks - self.mean_ranks[top]
        found = {str(name): WORSE if gap >= self.critical_difference else UNDECIDED for name, gap in behind.items()}
        found[top] = BEST if all(v == WORSE for name, v in found.items() if name != top) else UNDECIDED
        return found

    def groups(self) -> list[list[str]]:
        """Maximal runs of strategies, best first, whose mean ranks lie within the critical difference."""
        ordered = self.mean_ranks.sort_values(kind="stable")
        names, ranks = [str(name) for name in ordered.index], ordered.to_numpy(dtype=float)
        runs: list[tuple[int, int]] = []
        for start in range(len(names)):
            end = int(np.searchsorted(ranks, ranks[start] + self.critical_difference, side="left"))
            if end - start > 1 and (not runs or end > runs[-1][1]):
                runs.append((start, end))
        return [names[start:end] for start, end in runs]


def several(studies: Sequence[Records]) -> Several | None:
    """Compares the strategies that all studies have compared; None for fewer than two such studies or strategies.

    Each study counts once, with the mean over its seeds, whatever its metric: only ranks are compared (Demšar 2006,
    JMLR 7). A study in which no trial succeeded or no seed is finished is left out.
    """
    rows = [_means(records) for records in studies]
    rows = [row for row in rows if not row.empty]
    names = [name for name in rows[0].index if all(name in row.index for row in rows)] if rows else []
    if len(rows) < 2 or len(names) < 2:
        return None
    values = pd.DataFrame([row[names] for row in rows])
    return _compared(values, np.array([[row.attrs["sign"]] for row in rows]))


def compare_tasks(values: pd.DataFrame, mode: str) -> Several:
    """The same for a table of one value per task (index) and strategy (columns), two or more of each."""
    return _compared(values, np.full((len(values), 1), 1.0 if mode == "max" else -1.0))


def _compared(values: pd.DataFrame, sign: NDArray[np.float64]) -> Several:
    ranks = (values * sign).rank(axis=1, ascending=False, method="average")
    return Several(
        values=values,
        ranks=ranks,
        mean_ranks=ranks.mean(axis=0),
        friedman=friedman(ranks.mean(axis=0), len(ranks)),
        critical_difference=critical_difference(ranks.shape[1], len(ranks)),
        sign=sign,
    )


def _means(records: Records) -> pd.Series[float]:
    facts = outcomes(records)
    values = counted(facts.values, records.study.mode, facts.ran)
    means = values.mean().dropna() if len(values) else pd.Series(dtype=float)
    means.name = records.study.name
    means.attrs["sign"] = 1.0 if records.study.mode == "max" else -1.0
    return means


def friedman(mean_ranks: pd.Series[float], studies: int) -> Friedman:
    """Friedman's chi-square and Iman and Davenport's F from mean ranks over `studies` studies (Demšar 2006, 3.2.2)."""
    k, n = len(mean_ranks), studies
    squares = float((mean_ranks.to_numpy(dtype=float) ** 2).sum())
    chi_square = 12 * n / (k * (k + 1)) * (squares - k * (k + 1) ** 2 / 4)
    rest = n * (k - 1) - chi_square
    f = math.inf if rest <= 1e-9 else (n - 1) * chi_square / rest
    return Friedman(
        chi_square=chi_square,
        chi_square_p=float(stats.chi2.sf(chi_square, k - 1)),
        f=f,
        f_p=float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))),
    )


def critical_difference(strategies: int, studies: int) -> float:
    """Nemenyi's critical difference of mean ranks at the level 0.05 (Demšar 2006, equation in section 3.2.2)."""
    quantile = float(stats.studentized_range.ppf(LEVEL, strategies, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(strategies * (strategies + 1) / (6 * studies))


def several_conclusion(facts: Several, over: str = "studies") -> str:
    """What can be concluded from the studies (or tasks) together, in plain words."""
    ranks, test = facts.mean_ranks.sort_values(kind="stable"), facts.friedman
    best, count = str(ranks.index[0]), len(facts.values)
    rank = f"the best mean rank over {count} {over}, {ranks.iloc[0]:.2f} of {len(ranks)}"
    fact = f"Friedman chi-square {test.chi_square:.2f}, Iman-Davenport F {test.f:.2f}, p = {test.f_p:.3g}"
    if not test.f_p < 1 - LEVEL:
        return f"{_now(best)} it has {rank}, but the strategies do not differ significantly ({fact})."
    worse = [name for name, verdict in facts.verdicts().items() if verdict == WORSE]
    fact += f"; Nemenyi's critical difference {facts.critical_difference:.2f}"
    if not worse:
        return (
            f"{_now(best)} it has {rank}; the strategies differ significantly, but no mean rank is behind that of "
            f"{best} by the critical difference ({fact})."
        )
    if len(worse) == len(ranks) - 1:
        return f"Take {best}: it has {rank}, significantly better than every other strategy ({fact})."
    return f"{_now(best)} it has {rank}, significantly better than {listing(worse)} but not than the others ({fact})."


def _now(best: str) -> str:
    return f"Undecided; to choose now, take {best}:"
