"""The method-comparison table: one row per strategy."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd

from hypertune.comparison.assessment import Assessment, assess
from hypertune.comparison.outcomes import finished
from hypertune.comparison.statistics import grid_step, interval
from hypertune.comparison.verdict import verdict
from hypertune.records.records import Records

COSTS = ("trials", "epochs", "wall_s", "busy_s")


def comparison_table(records: Records, *, seed: int = 0) -> pd.DataFrame:
    """One row per strategy of the study, in its order; the columns of `comparison.csv`.

    `<metric>` is the mean over the compared seeds of the value each sweep's incumbent reached, `test_accuracy` that of
    its retrained incumbent (mean over the retrainings first, then over seeds), both with 95 % t-intervals, missing
    with one seed. `trials, epochs, wall_s, busy_s` are means per sweep; `utilisation` is busy worker-seconds
    over all worker-seconds; `time_to_target_s` as in `comparison.target`, missing where the target was not reached;
    `best_config` is the JSON text of the best incumbent's configuration. Unknown values are NaN or None, never 0.

    Args:
        seed: seeds the draws behind `p_best`; the same records and seed give the same table.
    """
    return table_of(assess(records, seed=seed))


def table_of(assessment: Assessment) -> pd.DataFrame:
    """`comparison_table` of an existing assessment."""
    rows = [_row(assessment, strategy) for strategy in assessment.records.study.strategies]
    return pd.DataFrame(rows).astype({"best_config": "str"})


def _row(assessment: Assessment, strategy: str) -> dict[str, Any]:
    metric = assessment.records.study.metric
    compared = strategy in assessment.outcomes.strategies
    target = assessment.seconds
    scores = {
        # A metric that is itself called test_accuracy keeps its place and its meaning: the searched value.
        **_mean_columns("test_accuracy", assessment.outcomes.test, strategy),
        **_mean_columns(metric, assessment.outcomes.values, strategy),
    }
    lead = {name: scores[name] for name in (metric, f"{metric}_low", f"{metric}_high")}
    return {
        "strategy": strategy,
        "best_config": _best_config(assessment, strategy),
        **lead,
        **scores,
        **_costs(assessment, strategy),
        "time_to_target_s": float(target.table["at"][strategy]) if target and compared else math.nan,
        "mean_rank": float(assessment.ranks.get(strategy, math.nan)),
        "p_best": float(assessment.p_best.get(strategy, math.nan)),
        "verdict": verdict(assessment, strategy),
    }


def _mean_columns(name: str, values: pd.DataFrame, strategy: str) -> dict[str, float]:
    series = values[strategy] if strategy in values else pd.Series(dtype=float)
    low, high = interval(series, step=grid_step(values))
    return {name: float(series.mean()), f"{name}_low": low, f"{name}_high": high}


def _costs(assessment: Assessment, strategy: str) -> dict[str, float]:
    ledger = finished(assessment.records)
    rows = ledger[(ledger["strategy"] == strategy) & ledger["seed"].isin(assessment.outcomes.seeds)]
    costs = {name: float(rows[name].astype(float).mean()) for name in COSTS}
    capacity = float((rows["workers"] * rows["wall_s"]).sum())
    busy = float(rows["busy_s"].sum())
    return {**costs, "utilisation": busy / capacity if capacity > 0 else math.nan}


def _best_config(assessment: Assessment, strategy: str) -> str | None:
    """JSON text of the configuration of the strategy's best incumbent over the compared seeds."""
    outcomes, records = assessment.outcomes, assessment.records
    series = outcomes.values[strategy].dropna() if strategy in outcomes.values else pd.Series(dtype=float)
    if series.empty:
        return None
    seed = series.idxmax() if records.study.mode == "max" else series.idxmin()
    ledger = records.sweeps
    trial_id = ledger[(ledger["strategy"] == strategy) & (ledger["seed"] == seed)]["incumbent"].iloc[0]
    config = records.configs.get(trial_id)
    return json.dumps(config, default=repr) if config is not None else None
