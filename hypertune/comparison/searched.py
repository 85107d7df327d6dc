"""The sweeps of a study that compares strategies, as hypotheses need them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from hypertune.comparison.encoding import encoded
from hypertune.comparison.outcomes import baseline, outcomes
from hypertune.comparison.runs import weights
from hypertune.comparison.statistics import grid_step
from hypertune.records.records import Records
from hypertune.study.hypotheses import PARAMETERS, SECONDS, VALUE, Where

FEWEST_TRIALS = 5
"""Fewest completed trials of a sweep for a rank correlation."""


class Searched:
    """Strategies as the levels of one factor; a sweep's value is what verdicts are based on, see `Outcomes`."""

    def __init__(self, records: Records) -> None:
        facts = outcomes(records)
        self.records = records
        self.values, self.judged_on = facts.judged, facts.judged_on
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
        """By seed: how the trials' outcome correlates with one hyperparameter, and the number of trials.

        Over the completed trials of random search only: it draws every hyperparameter independently of the others and
        of all results, whereas the trials of other searchers cluster around what looked good.
        """
        table = self._trials(factor, outcome)
        by_seed = {seed: _rho(rows) for seed, rows in table.dropna().groupby("seed")}
        return pd.Series(by_seed, dtype=float).reindex(list(self.seeds)), len(table)

    def thirds(self, factor: str, outcome: str) -> NDArray[np.float64]:
        """The trials' mean rank in the lowest, middle and highest third of a hyperparameter, by seed.

        Ranks are those of the outcome, 0 to 1, among a seed's trials, using the trials that `correlations` uses.

        Returns:
            Shape (thirds, seeds), with the seeds that have trials in each third; fewer thirds where many trials have
            the same setting.
        """
        table = self._trials(factor, outcome).dropna()
        if table.empty:
            return np.zeros((0, 0))
        third = pd.qcut(table["x"], 3, labels=False, duplicates="drop")
        rank = table.groupby("seed")["y"].rank(pct=True)
        by_seed = rank.groupby([third, table["seed"]]).mean().unstack()
        return np.asarray(by_seed.dropna(axis=1).to_numpy(dtype=float))

    def _trials(self, factor: str, outcome: str) -> pd.DataFrame:
        """Columns `seed, x, y` of the completed trials of random search; empty where the study has none."""
        if self.control is None:
            return pd.DataFrame({"seed": [], "x": [], "y": []}, dtype=float)
        trials = self.rows((("strategy", self.control),))
        trials = trials[trials["status"] == "completed"].set_index("trial_id")
        columns = {VALUE: self.records.study.metric, SECONDS: "train_s"}
        numbers = encoded(self.records).loc[trials.index, factor]
        return pd.DataFrame({"seed": trials["seed"], "x": numbers, "y": self._outcome(trials, columns, outcome)})

    def _outcome(self, trials: pd.DataFrame, columns: dict[str, str], outcome: str) -> pd.Series[float]:
        if outcome != PARAMETERS:
            return trials[columns[outcome]].astype(float)
        return weights(self.records).reindex(trials.index).astype(float)


def _rho(rows: pd.DataFrame) -> float:
    if len(rows) < FEWEST_TRIALS or rows["x"].nunique() < 2 or rows["y"].nunique() < 2:
        return math.nan
    return float(stats.spearmanr(rows["x"], rows["y"]).statistic)
