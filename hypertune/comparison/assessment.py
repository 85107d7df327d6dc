"""Everything concluded from a study's sweeps, worked out once for the table, the verdicts and the report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from hypertune.comparison.outcomes import Outcomes, counted, outcomes
from hypertune.comparison.pairs import compare_pairs
from hypertune.comparison.statistics import mean_ranks, p_best
from hypertune.comparison.target import Target, to_target
from hypertune.records.records import Records


@dataclass(frozen=True, kw_only=True, eq=False)
class Assessment:
    """A study, compared.

    Attributes:
        outcomes: the sweeps under comparison and their values.
        means: mean of the found values by strategy.
        leader: the strategy with the best mean, failed sweeps counted as the worst; None if no trial succeeded.
        ranks: mean rank by strategy, 1 the best.
        p_best: probability of the best mean by strategy; missing with one seed.
        pairs: as `compare_pairs` gives it; empty with one seed or one strategy.
        seconds, epochs: when the strategies reach the target; None if nothing can be compared.
    """

    records: Records
    outcomes: Outcomes
    means: pd.Series[float]
    leader: str | None
    ranks: pd.Series[float]
    p_best: pd.Series[float]
    pairs: pd.DataFrame
    seconds: Target | None
    epochs: Target | None


@lru_cache(maxsize=1)
def assess(records: Records, *, seed: int = 0) -> Assessment:
    """Compares the strategies of a study; `seed` is that of the bootstrap and the permutation test.

    The last assessment is remembered, since the tables, both reports and the terminal are all made from it.
    """
    facts, mode = outcomes(records), records.study.mode
    values = counted(facts.values, mode)
    found = bool(facts.seeds) and bool(values.notna().all(axis=None))
    means = values.mean()
    leader = str(means.idxmax() if mode == "max" else means.idxmin()) if found else None
    return Assessment(
        records=records,
        outcomes=facts,
        means=facts.values.mean(),
        leader=leader,
        ranks=mean_ranks(facts.values, mode),
        p_best=p_best(values, mode, seed=seed),
        pairs=compare_pairs(values if found else values.iloc[:0], mode, seed=seed),
        seconds=to_target(records, "wall_s", seed=seed),
        epochs=to_target(records, "epochs", seed=seed),
    )
