"""Which worker trained which trial when, inferred from the epochs' times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from hypertune.records.records import Records

COLUMNS = ["strategy", "seed", "trial_id", "status", "worker", "start_s", "end_s"]
GAP = 0.5
"""Two epochs with less than this share of an epoch between them were trained in one go."""


def busy_spans(records: Records) -> pd.DataFrame:
    """When workers were busy, in seconds since each sweep began.

    A trial that is paused and resumed has several spans. The records name no worker, so spans are laid out on the
    sweep's workers in order of their start, each on the worker that has been free the longest.

    Returns:
        Columns `strategy, seed, trial_id, status, worker, start_s, end_s`; workers count from 0.
    """
    ledger = records.sweeps.to_dict("records")
    workers: dict[Any, int] = {(row["strategy"], row["seed"]): int(row["workers"]) for row in ledger}
    status = dict(zip(records.trials["trial_id"], records.trials["status"], strict=True))
    columns = ["strategy", "seed", "trial_id", "start_s", "end_s"]
    trained = _trained(records.curves) if len(records.curves) else pd.DataFrame(columns=columns)
    failed = pd.DataFrame(_failed(records, trained), columns=columns)
    parts = [part for part in (trained, failed) if len(part)]
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    frame = pd.concat(parts, ignore_index=True)
    frame = frame.sort_values("start_s", kind="stable")
    frame["status"] = frame["trial_id"].map(status)
    parts = [
        sweep.assign(worker=_lay_out(sweep, workers.get(key, 1)))
        for key, sweep in frame.groupby(["strategy", "seed"], sort=False)
    ]
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def _trained(curves: pd.DataFrame) -> pd.DataFrame:
    curves = curves.sort_values(["trial_id", "epoch"], kind="stable")
    by_trial = curves.groupby("trial_id", sort=False)
    took = by_trial["elapsed_s"].diff().fillna(curves["elapsed_s"]).astype(float).clip(lower=0)
    began = (curves["wall_s"] - took).clip(lower=0)
    waited = began - by_trial["wall_s"].shift()
    # Comparing with a first epoch's missing predecessor gives False, and such an epoch opens a span anyway.
    opens = waited.isna() | (waited > GAP * took.clip(lower=0.1))
    spans = curves.assign(start_s=began, end_s=curves["wall_s"], span=opens.cumsum()).groupby("span")
    return spans.agg({"strategy": "first", "seed": "first", "trial_id": "first", "start_s": "first", "end_s": "last"})


def _failed(records: Records, trained: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Trials that failed before their first epoch have no curve: their time is between start and end."""
    trials = records.trials
    lost = trials["status"].eq("failed") & trials["epochs"].eq(0)
    if not lost.any():
        return
    begun, ended = _clock(trials["started_at"]), _clock(trials["ended_at"])
    # The time of day at which a sweep began is not recorded: it follows from its trained trials, else from its first
    # trial.
    first_span = trials["trial_id"].map(trained.groupby("trial_id")["start_s"].min()).astype(float)
    sweep = [trials["strategy"], trials["seed"]]
    origin = (begun - first_span).groupby(sweep).transform("median")
    origin = origin.fillna(begun.groupby(sweep).transform("min"))
    for i in trials.index[lost & begun.notna() & ended.notna()]:
        start, end = max(begun[i] - origin[i], 0.0), max(ended[i] - origin[i], 0.0)
        yield trials["strategy"][i], trials["seed"][i], trials["trial_id"][i], start, end


def _clock(stamps: pd.Series[str]) -> pd.Series[float]:
    """Time stamps in seconds; NaN where there is none."""
    times = pd.to_datetime(stamps, errors="coerce", utc=True, format="ISO8601")
    return (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds()


def _lay_out(spans: pd.DataFrame, workers: int) -> list[int]:
    free = [0.0] * max(workers, 1)
    places = []
    for end in spans["end_s"]:
        worker = free.index(min(free))
        free[worker] = max(free[worker], float(end))
        places.append(worker)
    return places
