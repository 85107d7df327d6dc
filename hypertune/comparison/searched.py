"""The sweeps of a study that compares strategies, as hypotheses ask for them."""

from __future__ import annotations

import math

import pandas as pd
from scipy import stats

from hypertune.comparison.encoding import encoded
from hypertune.comparison.outcomes import baseline, counted, outcomes
from hypertune.comparison.runs import weights
from hypertune.comparison.statistics import grid_step
from hypertune.records.records import Records
from hypertune.study.hypotheses import PARAMETERS, SECONDS, VALUE, Where

FEWEST_TRIALS = 5
"""Completed trials of a sweep from which on a rank correlation is worked out."""


class Searched:
    """Strategies as the levels of one factor; a sweep's value is its incumbent's."""

    def __init__(self, records: Records) -> None:
        facts = outcomes(records)
        self.records = records
        self.values = counted(facts.values, records.study.mode, facts.ran)
        self.seeds = facts.seeds
        self.step = grid_step(self.values.to_numpy(dtype=float))
        self.control = baseline(facts.strategies)

    def at(self, where: Where, outcome: str = VALUE) -> pd.Series[float]:
        """The strategy's incumbents by seed; NaN for a strategy without finished sweeps."""
        ((_, strategy),) = where
        if strategy not in self.values:
            return pd.Series(math.nan, index=pd.Index(self.seeds), dtype=float)
        return pd.Series(self.values[strategy], dtype=float)

    def rows(self, where: Where) -> pd.DataFrame:
        """The strategy's trials."""
        ((_, strategy),) = where
        trials = self.records.trials
        chosen: pd.DataFrame = trials[(trials["strategy"] == strategy) & trials["seed"].isin(self.seeds)]
        return chosen

    def figure_of(self, names: list[str]) -> str:
        return "final"

    def correlations(self, factor: str, outcome: str) -> tuple[pd.Series[float], int]:
        """By seed: how the trials' outcome goes with one hyperparameter, and the number of trials.

        Over the completed trials of random search only: it draws every hyperparameter independently of the others and
        of all results, where the trials of other searchers gather around what looked good.
        """
        if self.control is None:
            return pd.Series(math.nan, index=pd.Index(self.seeds), dtype=float), 0
        trials = self.rows((("strategy", self.control),))
        trials = trials[trials["status"] == "completed"].set_index("trial_id")
        columns = {VALUE: self.records.study.metric, SECONDS: "train_s"}
        numbers = encoded(self.records).loc[trials.index, factor]
        table = pd.DataFrame({"seed": trials["seed"], "x": numbers, "y": self._outcome(trials, columns, outcome)})
        by_seed = {seed: _rho(rows) for seed, rows in table.dropna().groupby("seed")}
        return pd.Series(by_seed, dtype=float).reindex(list(self.seeds)), len(table)

    def _outcome(self, trials: pd.DataFrame, columns: dict[str, str], outcome: str) -> pd.Series[float]:
        if outcome != PARAMETERS:
            return trials[columns[outcome]].astype(float)
        return weights(self.records).reindex(trials.index).astype(float)


def _rho(rows: pd.DataFrame) -> float:
    if len(rows) < FEWEST_TRIALS or rows["x"].nunique() < 2 or rows["y"].nunique() < 2:
        return math.nan
    return float(stats.spearmanr(rows["x"], rows["y"]).statistic)
