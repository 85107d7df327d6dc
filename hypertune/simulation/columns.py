"""Checks and sorts the columns and rows of a table of learning curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hypertune.study.study import Study

CONFIG = "config/"
TEST = "test_"
"""Prefix of metrics that are hidden from the search and scored once per sweep, as in a real study."""
KEYS = ("strategy", "seed", "trial_id", "config_id")
NOT_METRICS = frozenset({*KEYS, "epoch", "elapsed_s", "wall_s", "recording", "called"})


def metric_names(frame: pd.DataFrame) -> tuple[str, ...]:
    """The columns with reported metrics."""
    names = (str(name) for name in frame.select_dtypes("number"))
    return tuple(name for name in names if name not in NOT_METRICS and not name.startswith(CONFIG))


def searched_names(names: tuple[str, ...], metric: str) -> tuple[str, ...]:
    """The metrics that a trial reports: all except those of the test split, unless the study optimises one of them."""
    return tuple(name for name in names if name == metric or not name.startswith(TEST))


def check_columns(frame: pd.DataFrame, study: Study, source: str, *, seconds_given: bool) -> None:
    """Checks that a table has the columns that a simulation needs.

    Raises:
        ValueError: one line naming the column and the remedy.
    """
    if frame.empty:
        raise ValueError(f"{source}: has no rows")
    if "epoch" not in frame:
        raise ValueError(f"{source}: lacks the column epoch (1, 2, ... within each recording)")
    if "elapsed_s" not in frame and not seconds_given:
        raise ValueError(
            f"{source}: lacks the column elapsed_s (training seconds so far); "
            f"give --epoch-seconds 1 to charge every epoch the same"
        )
    if "elapsed_s" in frame and not seconds_given and not pd.api.types.is_numeric_dtype(frame["elapsed_s"]):
        raise ValueError(f"{source}: elapsed_s is not numeric; it must be the training seconds so far")
    metrics = metric_names(frame)
    if study.metric not in metrics:
        raise ValueError(
            f"{source}: lacks the study's metric {study.metric}; give --metric with one of its columns "
            f"({', '.join(metrics) or 'it has no numeric ones'})"
        )


def in_order(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """The rows sorted by recording and epoch, with two more columns.

    `recording` is the recording's number in order of appearance, `called` its name in messages.

    Raises:
        ValueError: for an epoch that is missing, duplicate, or not a whole number.
    """
    keys = [key for key in KEYS if key in frame]
    if not {"trial_id", "config_id"} & set(keys):
        keys += [str(name) for name in frame if str(name).startswith(CONFIG)]
    epochs = pd.to_numeric(frame["epoch"], errors="coerce")
    if not (np.isfinite(epochs) & (epochs >= 1) & (epochs % 1 == 0)).all():
        raise ValueError(f"{source}: epoch must be a whole number of at least 1 in every row")
    groups = frame.groupby(keys, sort=False, dropna=False).ngroup() if keys else 0
    frame = frame.assign(epoch=epochs.astype(np.int64), recording=groups, called=_called(frame, keys))
    frame = frame.sort_values(["recording", "epoch"], kind="stable", ignore_index=True)
    expected = frame.groupby("recording").cumcount() + 1
    wrong = np.flatnonzero(frame["epoch"] != expected)
    if wrong.size:
        epoch, due = frame["epoch"].iloc[wrong[0]], expected.iloc[wrong[0]]
        fault = f"epoch {due} is missing" if epoch > due else f"epoch {epoch} appears twice"
        raise ValueError(f"{source}: {frame['called'].iloc[wrong[0]]}: {fault}; give each epoch from 1 on once")
    return frame


def _called(frame: pd.DataFrame, keys: list[str]) -> Any:
    key = next((key for key in ("trial_id", "config_id") if key in keys), None)
    return f"{key} " + frame[key].astype(str) if key else "one configuration"
