"""CARP-S's gathered logs: `logs.parquet`, `logs.csv` or a trajectory, a row per trial."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from hypertune.foreign import tables
from hypertune.foreign.checking import numbers_of
from hypertune.foreign.source import Source, listed

FILES = ("logs.parquet", "logs.csv", "trajectory.parquet", "trajectory.csv")
RAW = "trial_logs.jsonl"
INCUMBENT, COST = "trial_value__cost_inc", "trial_value__cost"
OURS = {"optimizer_id": "strategy", "seed": "seed", "task_id": "task", "n_trials": "budget", "time": "seconds"}
RUN = ["strategy", "seed", "task"]
KEY = [*RUN, "budget"]


def read(source: Source) -> pd.DataFrame:
    """The curves: the incumbent's cost after each trial; the budget is the number of trials, `seconds` are elapsed."""
    source = replace(source, name=str(_file(source)))
    logs = tables.load(source)
    ours = (
        OURS
        if source.strategy is None
        else {source.strategy: "strategy"} | {k: v for k, v in OURS.items() if v != "strategy"}
    )
    if absent := [name for name, role in ours.items() if role in KEY and name not in logs]:
        raise source.fault(f"has no column {listed(absent)}, as CARP-S's logs have; there are {listed(logs.columns)}")
    frame = logs[[name for name in ours if name in logs]].rename(columns=ours)
    metric = source.metric or INCUMBENT
    frame["value"] = _values(logs, [frame[name] for name in RUN], metric, source)
    # Trials that ended together have one count; the last of them has seen them all.
    frame = frame[~frame.duplicated(KEY, keep="last")]
    frame.attrs = {"metric": metric, "mode": source.agreed("min") if metric.startswith(COST) else source.mode}
    return frame


def _file(source: Source) -> str:
    if source.path.is_file():
        return source.name
    if there := next((name for name in FILES if (source.path / name).is_file()), None):
        return str(source.path / there)
    raise source.fault(
        f"holds CARP-S's runs, not gathered yet; `python -m carps.analysis.gather_data {source.name}` gathers them"
    )


def _values(logs: pd.DataFrame, run: list[pd.Series], metric: str, source: Source) -> pd.Series:
    several = logs.get("task_type", pd.Series(dtype=object)).astype(str).str.contains("objective")
    if metric.startswith(COST) and several.any():
        raise source.fault(
            f"{several.index[several][0]}: the task has several objectives, whose costs CARP-S adds up; take tasks of "
            f"one objective, or give metric: another column, e.g. hypervolume"
        )
    if metric == INCUMBENT and {INCUMBENT, COST} & set(logs):
        return _incumbents(logs[INCUMBENT if INCUMBENT in logs else COST], run, source)
    if metric not in logs:
        raise source.fault(f"has no column {metric!r}; there are {listed(logs.columns)}")
    return logs[metric]


def _incumbents(costs: pd.Series, run: list[pd.Series], source: Source) -> pd.Series:
    """The lowest cost so far. A crashed trial has none, nor has CARP-S an incumbent in its row: the last one stays."""
    lowest = numbers_of(costs, source, may_miss=True, may_be_infinite=True).groupby(run).cummin()
    return lowest.groupby(run).ffill()
