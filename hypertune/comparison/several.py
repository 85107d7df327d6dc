"""Strategies compared over several studies: Friedman's test and the critical difference of mean ranks.

If all strategies rank alike, at most 5 % of comparisons claim anything, however few the studies or many the ties: both
thresholds come from the distribution of `hypertune.comparison.rank_sums`. This is for one look at the data. Strategies
that are equal on average, but some several times as noisy as others, do not rank alike: up to 9 % get a claim.
`python -m tests.benchmarks.judgement ranks` prints the error rates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.comparison.judgement import BEST, UNDECIDED, WORSE, Verdict
from hypertune.comparison.numbers import listing
from hypertune.comparison.outcomes import counted, outcomes
from hypertune.comparison.rank_sums import ROUNDING, Ints, rank_sums
from hypertune.comparison.statistics import LEVEL
from hypertune.records.records import Records


@dataclass(frozen=True, kw_only=True)
class Friedman:
    """Friedman's test that all strategies rank alike (Demšar 2006, 3.2.2), its p-value by permutation of the ranks."""

    chi_square: float
    p: float

    @property
    def significant(self) -> bool:
        """Whether the strategies differ, at the level 0.05."""
        return self.p <= 1 - LEVEL + ROUNDING


@dataclass(frozen=True, kw_only=True)
class Several:
    """Several studies together.

    Attributes:
        values: each study's mean value; index study names, columns the strategies that all studies compared.
        ranks: the ranks within each study, 1 the best, the same shape.
        mean_ranks: their means by strategy.
        friedman: the test over studies.
        critical_difference: the least difference of two mean ranks that is significant, at 0.05 for all pairs together;
            infinite where none is: the studies are too few, or Friedman's test finds no difference and the largest one
            does not count.
        sign: for each task or study 1 if larger values are better, else -1; shape (rows, 1).
    """

    values: pd.DataFrame
    ranks: pd.DataFrame
    mean_ranks: pd.Series[float]
    friedman: Friedman
    critical_difference: float
    sign: NDArray[np.float64]

    def verdicts(self) -> dict[str, Verdict]:
        """`best` for a strategy whose mean rank is ahead of every other by the critical difference, `worse` for those
        behind the best rank by as much."""
        top = str(self.mean_ranks.idxmin())
        behind = self.mean_ranks - self.mean_ranks[top]
        found = {str(name): WORSE if gap > self._insignificant else UNDECIDED for name, gap in behind.items()}
        found[top] = BEST if all(v == WORSE for name, v in found.items() if name != top) else UNDECIDED
        return found

    def groups(self) -> list[list[str]]:
        """Maximal runs of strategies, best first, whose mean ranks differ by less than the critical difference."""
        ordered = self.mean_ranks.sort_values(kind="stable")
        names, ranks = [str(name) for name in ordered.index], ordered.to_numpy(dtype=float)
        runs: list[tuple[int, int]] = []
        for start in range(len(names)):
            end = int(np.searchsorted(ranks, ranks[start] + self._insignificant, side="right"))
            if end - start > 1 and (not runs or end > runs[-1][1]):
                runs.append((start, end))
        return [names[start:end] for start, end in runs]

    @property
    def _insignificant(self) -> float:
        """A difference between the largest that is not significant and the least that is, apart from rounding."""
        return self.critical_difference - ROUNDING


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
    test, critical = friedman(ranks), critical_difference(ranks)
    means = ranks.mean(axis=0)
    # The largest gap alone may be significant where the test of all strategies is not: then nothing is claimed.
    refuted = not test.significant and bool(means.max() - means.min() > critical - ROUNDING)
    return Several(
        values=values,
        ranks=ranks,
        mean_ranks=means,
        friedman=test,
        critical_difference=math.inf if refuted else critical,
        sign=sign,
    )


def _means(records: Records) -> pd.Series[float]:
    facts = outcomes(records)
    values = counted(facts.values, records.study.mode, facts.ran)
    means = values.mean().dropna() if len(values) else pd.Series(dtype=float)
    means.name = records.study.name
    means.attrs["sign"] = 1.0 if records.study.mode == "max" else -1.0
    return means


def friedman(ranks: pd.DataFrame) -> Friedman:
    """Friedman's test on ranks, index studies (or tasks) and columns strategies."""
    n, k = ranks.shape
    halves = _halves(ranks)
    squares = int((halves.sum(axis=0) ** 2).sum())
    chi_square = 3 * squares / (n * k * (k + 1)) - 3 * n * (k + 1)
    return Friedman(chi_square=chi_square, p=rank_sums(halves).p_of_squares(squares))


def critical_difference(ranks: pd.DataFrame) -> float:
    """The least significant difference of mean ranks, given the ties of the ranks; infinite if none is."""
    return rank_sums(_halves(ranks)).critical_gap() / (2 * len(ranks))


def _halves(ranks: pd.DataFrame) -> Ints:
    """Twice the ranks, which are whole numbers even with ties."""
    halves: Ints = np.rint(2 * ranks.to_numpy(dtype=float)).astype(np.int64)
    return halves


def fewest_for_any_claim(strategies: int) -> int:
    """How many studies it takes at least before one strategy can be significantly better than another.

    Without ties, the largest gap of ranks occurs by chance with probability (k (k - 1)) ** (1 - studies): any of the k
    strategies is first everywhere, and any other one is last everywhere.
    """
    studies = 2
    while (strategies * (strategies - 1)) ** (1 - studies) > 1 - LEVEL + ROUNDING:
        studies += 1
    return studies


def several_conclusion(facts: Several, over: str = "studies") -> str:
    """What can be concluded from the studies (or tasks) together, in plain words."""
    ranks, test = facts.mean_ranks.sort_values(kind="stable"), facts.friedman
    best, count = str(ranks.index[0]), len(facts.values)
    rank = f"the best mean rank over {count} {over}, {ranks.iloc[0]:.2f} of {len(ranks)}"
    fact = f"Friedman chi-square {test.chi_square:.2f}, p = {test.p:.3g}"
    if math.isfinite(facts.critical_difference):
        fact += f"; critical difference {facts.critical_difference:.2f}"
    worse = [name for name, verdict in facts.verdicts().items() if verdict == WORSE]
    if not test.significant:
        words = f"{_now(best)} it has {rank}, but the strategies do not differ significantly"
    elif not worse:
        words = f"{_now(best)} it has {rank}; the strategies differ significantly, but none significantly from {best}"
    elif len(worse) == len(ranks) - 1:
        words = f"Take {best}: it has {rank}, significantly better than every other strategy"
    else:
        words = f"{_now(best)} it has {rank}, significantly better than {listing(worse)} but not than the others"
    return f"{words} ({fact}).{_too_few(len(ranks), count, over)}"


def _too_few(strategies: int, count: int, over: str) -> str:
    fewest = fewest_for_any_claim(strategies)
    if count >= fewest:
        return ""
    return (
        f" With {strategies} strategies it takes at least {fewest} {over} before one can be significantly better than "
        "another."
    )


def _now(best: str) -> str:
    return f"Undecided; to choose now, take {best}:"
