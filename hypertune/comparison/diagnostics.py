"""Why a comparison came out as it did: whether early epochs predict late ones, and how often trials were stopped."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats

from hypertune.records.records import Records

FEWEST_TRIALS = 10
"""With fewer finished trials a rank correlation says nothing."""
LOW, HIGH = 0.5, 0.8
"""Below `LOW` the order after an epoch says little about the final order, above `HIGH` nearly all."""


def rank_correlation(records: Records) -> pd.DataFrame:
    """How well the order of trials after epoch k predicts their order after the last epoch.

    Spearman's correlation of the metric at epoch k with the metric at the last epoch, over completed trials that were
    trained to it. Trials that a scheduler let through were chosen for their early values, which lowers the correlation
    among them; trials of strategies without early stopping are not affected.

    Returns:
        Columns `epoch, correlation, low, high, trials`, one row per epoch before the last; low and high are the 95 %
        interval by Fisher's transformation (Bonett and Wright 2000, Psychometrika 65). Empty with fewer than
        `FEWEST_TRIALS` trials.
    """
    columns = ["epoch", "correlation", "low", "high", "trials"]
    table = _by_epoch(records)
    if len(table) < FEWEST_TRIALS or table.shape[1] < 2:
        return pd.DataFrame(columns=columns)
    last = table.columns[-1]
    rows = []
    for epoch in table.columns[:-1]:
        pair = table[[epoch, last]].dropna()
        if len(pair) >= FEWEST_TRIALS and (pair.nunique() > 1).all():
            value = float(stats.spearmanr(pair[epoch], pair[last]).statistic)
            rows.append((epoch, value, *_fisher(value, len(pair)), len(pair)))
    return pd.DataFrame(rows, columns=columns)


def _by_epoch(records: Records) -> pd.DataFrame:
    """The metric of completed trials: one row per trial, one column per epoch, those trained to the last epoch only."""
    completed = records.trials.loc[records.trials["status"] == "completed", "trial_id"]
    curves = records.curves[records.curves["trial_id"].isin(completed)]
    if curves.empty:
        return pd.DataFrame()
    table: pd.DataFrame = curves.pivot_table(
        index="trial_id", columns="epoch", values=records.study.metric, aggfunc="last"
    )
    finite: pd.DataFrame = table.loc[np.isfinite(table[table.columns[-1]])]
    return finite


def _fisher(value: float, trials: int) -> tuple[float, float]:
    if abs(value) >= 1:
        return value, value
    spread = 1.96 * math.sqrt((1 + value**2 / 2) / (trials - 3))
    return math.tanh(math.atanh(value) - spread), math.tanh(math.atanh(value) + spread)


def rank_reading(correlations: pd.DataFrame) -> str:
    """What the correlations mean for strategies that stop early, in plain words."""
    if correlations.empty:
        return f"Fewer than {FEWEST_TRIALS} trials were trained to the last epoch: too few to judge early stopping."
    last = int(correlations["epoch"].max()) + 1
    # Schedulers that cut to a third at each step judge first at about a ninth and a third of the training.
    row = correlations.iloc[int((correlations["epoch"] - max(last / 3, 1)).abs().argmin())]
    value, low, high, epoch = row["correlation"], row["low"], row["high"], int(row["epoch"])
    fact = (
        f"After {epoch} of {last} epochs the order of the trials agrees with the final order at a rank correlation of "
    )
    fact += f"{value:.2f} [{low:.2f}, {high:.2f}] ({int(row['trials'])} trials)"
    if value < LOW:
        return f"{fact}. That is low: a strategy that stops trials early will often stop the best ones here."
    if value < HIGH:
        return f"{fact}. That is moderate: early stopping saves time here but sometimes loses the best trial."
    return f"{fact}. That is high: early stopping loses little here."


def early_stopped(records: Records) -> pd.Series[float]:
    """Share of each strategy's trials that were stopped before their last epoch, by the scheduler or the budget."""
    counts = records.sweeps.groupby("strategy", sort=False)[["stopped", "trials"]].sum().astype(float)
    return (counts["stopped"] / counts["trials"].where(counts["trials"] > 0)).reindex(list(records.study.strategies))
