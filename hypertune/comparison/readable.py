"""The comparison table for people: one text per cell, intervals beside their values."""

from __future__ import annotations

from typing import Any

import pandas as pd

from hypertune.comparison.assessment import Assessment
from hypertune.comparison.numbers import best_configuration, count, duration, share, shared_decimals, with_interval
from hypertune.comparison.table import table_of


def readable(assessment: Assessment, table: pd.DataFrame | None = None) -> pd.DataFrame:
    """The table's rows as text, the columns in reading order; test columns only where anything was retrained.

    Args:
        table: as `comparison_table` gives it, if it has been made already.
    """
    table = table_of(assessment) if table is None else table
    metric = assessment.records.study.metric
    places = {
        name: shared_decimals(zip(table[f"{name}_low"], table[f"{name}_high"], strict=True))
        for name in dict.fromkeys(("test_accuracy", metric))
    }
    rows = [_row(row, metric, places) for row in table.to_dict("records")]
    frame = pd.DataFrame(rows)
    tested = metric != "test_accuracy" and table["test_accuracy"].notna().any()
    return frame if tested else frame.drop(columns="test_accuracy", errors="ignore")


def _row(row: dict[Any, Any], metric: str, places: dict[str, int | None]) -> dict[str, str]:
    scores = {
        name: with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], places=digits)
        for name, digits in places.items()
    }
    return {
        "strategy": row["strategy"],
        "verdict": row["verdict"],
        metric: scores[metric],
        **scores,
        "time to target": duration(row["time_to_target_s"]),
        "mean rank": count(row["mean_rank"]),
        "p(best)": share(row["p_best"]),
        "trials": count(row["trials"]),
        "epochs": count(row["epochs"]),
        "wall-clock": duration(row["wall_s"]),
        "busy": share(row["utilisation"]),
        "best configuration": best_configuration(row["best_config"]),
    }
