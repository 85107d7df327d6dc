"""What simulations on public tables of learning curves say about a study that has no trial yet.

`public_tables.csv` holds, for each table, number of workers and budget, how far each strategy's incumbent was from the
best value known, in margins; `tests/benchmarks/public_tables.py` makes it. How far the tables can be relied on is
measured by leaving each of them out, and then all tables of its collection.

The tables: LCBench (Zimmer et al., 2021, Apache-2.0) by the surrogate of YAHPO Gym (Pfisterer et al., 2022,
Apache-2.0), TaskSet (Metz et al., 2020, Apache-2.0) as prepared by Kadra et al. (2023), and the baselines of DeepOBS
(Schneider et al., 2019, MIT). No curve of theirs is in the file, only what our strategies found on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.space.domains import Numeric
from hypertune.space.space import Space

FILE = Path(__file__).with_name("public_tables.csv")
BUDGETS = (4, 8, 16, 32)
"""Budgets of a sweep in the tables, in full trainings."""
WORKERS = (1, 8)
KINDS = ("numbers", "integers", "choices")
"""Columns with how many hyperparameters of a kind a table's space has."""
ABOUT = ("collection", "table", *KINDS, "workers", "budget")
"""Columns that are not strategies."""
WITHIN = 1.0
"""A strategy is as good as the best one if its incumbent is at most so many margins worse."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of a study before its first trial.

    Attributes:
        kinds: how many of its hyperparameters are numbers, integers (or steps) and choices.
        budget: of a sweep, in full trainings.
    """

    kinds: tuple[int, int, int]
    workers: float
    budget: float


def kinds(space: Space) -> tuple[int, int, int]:
    """How many hyperparameters are numbers, integers (or steps) and choices."""
    domains = [parameter.domain for parameter in space.parameters()]
    numeric = [domain for domain in domains if isinstance(domain, Numeric)]
    integers = sum(domain.step is not None for domain in numeric)
    return len(numeric) - integers, integers, len(domains) - len(numeric)


@cache
def public_tables() -> pd.DataFrame:
    """The columns `ABOUT`, and one for each strategy: the mean regret over seeds, in margins of the table."""
    return pd.read_csv(FILE)


def known_strategies() -> tuple[str, ...]:
    """The strategies that have been simulated on the tables."""
    return tuple(name for name in public_tables().columns if name not in ABOUT)


@dataclass(frozen=True, slots=True)
class Tally:
    """On how many tables a way to choose a strategy chose one within the margin of the best, leaving tables out.

    Attributes:
        tables: how many there are.
        advised: choosing what was within the margin most often on the other tables, weighted by how alike they are.
        same: always choosing what was within the margin most often on the other tables, without weights.
        chance: the expectation of a random choice.
    """

    tables: int
    advised: float
    same: float
    chance: float


@dataclass(frozen=True, slots=True)
class Advised:
    """The advice of the tables.

    Attributes:
        strategy: what to take.
        shares: strategy to the weighted share of tables on which it was within the margin of the best, best first.
        alike: whether the weights count: they chose better than no weights with each table left out, and no worse with
            all tables of its collection left out.
        table_out, collection_out: how often such advice is right, leaving out one table or all of its collection.
        workers, budget: those of the tables that are nearest to the study's.
    """

    strategy: str
    shares: dict[str, float]
    alike: bool
    table_out: Tally
    collection_out: Tally
    workers: int
    budget: int


def advised(setting: Setting, strategies: Sequence[str]) -> Advised:
    """Which of the strategies to take.

    Args:
        strategies: at least one of `known_strategies`.
    """
    names, rows = list(strategies), public_tables()
    workers, budget = _nearest(WORKERS, setting.workers), _nearest(BUDGETS, setting.budget)
    here = rows[(rows["workers"] == workers) & (rows["budget"] == budget)]
    table_out, collection_out = (_tally(rows, here, setting, names, by) for by in ("table", "collection"))
    alike = table_out.advised > table_out.same and collection_out.advised >= collection_out.same
    shares = _shares(rows, _weights(rows, setting), names) if alike else _shares(here, np.ones(len(here)), names)
    return Advised(next(iter(shares)), shares, alike, table_out, collection_out, workers, budget)


def _tally(
    rows: pd.DataFrame, here: pd.DataFrame, setting: Setting, names: list[str], by: Literal["table", "collection"]
) -> Tally:
    right = np.zeros(3)
    for left_out, tested in here.groupby(by):
        others, near = rows[rows[by] != left_out], here[here[by] != left_out]
        if near.empty:
            continue
        same = next(iter(_shares(near, np.ones(len(near)), names)))
        for row, good in zip(tested.itertuples(), _within(tested, names), strict=True):
            own: Any = row
            of_row = Setting((own.numbers, own.integers, own.choices), setting.workers, setting.budget)
            chosen = next(iter(_shares(others, _weights(others, of_row), names)))
            right += good[names.index(chosen)], good[names.index(same)], good.mean()
    return Tally(len(here), *right.tolist())


def _within(rows: pd.DataFrame, names: list[str]) -> NDArray[np.bool_]:
    """Whether each strategy is within the margin of the best of them, shape (rows, strategies)."""
    regret = rows[names].to_numpy()
    good: NDArray[np.bool_] = regret <= regret.min(axis=1, keepdims=True) + WITHIN
    return good


def _shares(rows: pd.DataFrame, weights: Floats, names: list[str]) -> dict[str, float]:
    """Weighted share of the rows on which each strategy is within the margin, best first; ties by mean rank."""
    shares = weights @ _within(rows, names) / weights.sum()
    ranks = weights @ rows[names].rank(axis=1).to_numpy()
    order = np.lexsort((ranks, -shares.round(9)))
    return {names[i]: float(shares[i]) for i in order}


def _weights(rows: pd.DataFrame, setting: Setting) -> Floats:
    """How alike each row is: half as much for twice as many hyperparameters, workers, full trainings, or if half of the
    hyperparameters are of another kind."""
    own, theirs = np.array(setting.kinds, dtype=np.float64), rows[list(KINDS)].to_numpy(dtype=np.float64)
    count, counts = max(own.sum(), 1.0), theirs.sum(axis=1)
    apart = np.abs(np.log2(counts / count)) + np.abs(theirs / counts[:, None] - own / count).sum(axis=1)
    for name, value in (("workers", setting.workers), ("budget", setting.budget)):
        apart += np.abs(np.log2(rows[name].to_numpy(dtype=np.float64) / value))
    weights: Floats = 2.0**-apart
    return weights


def _nearest(levels: tuple[int, ...], value: float) -> int:
    return min(levels, key=lambda level: abs(np.log2(level / value)))
