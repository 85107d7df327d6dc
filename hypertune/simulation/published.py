"""Converts published learning curves in JSON to the long-form table that a simulation reads.

Two formats are known: LCBench's (Zimmer et al., 2021; https://github.com/automl/LCBench), data set to run to `config`
and `log`; and TaskSet's (Metz et al., 2020) as prepared for learning-curve work (Kadra et al., 2023, the repository
DPL), a list of runs with `hp` and the losses of `train`, `valid` and `test`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hypertune.simulation.columns import CONFIG

RENAMED = {"test_result": "test_accuracy", "test_cross_entropy": "test_loss"}
"""LCBench's names of metrics, without `Train/`, for which the rule of `metric_name` does not hold."""


def read_json(path: Path, dataset: str | None) -> pd.DataFrame:
    """The recordings of one data set.

    Args:
        dataset: name of LCBench's data set; required if the file holds several.

    Raises:
        ValueError: one line naming the file and what is wrong with it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ValueError(f"--curves {path}: cannot be read as JSON ({reason})") from None
    try:
        if isinstance(content, list):
            return _stacked(_taskset(number, run) for number, run in enumerate(content))
        runs = content[_dataset(content, dataset, path)]
        return _stacked(_lcbench(number, run) for number, run in runs.items())
    except (KeyError, TypeError, AttributeError):
        raise ValueError(
            f"--curves {path}: neither LCBench's JSON (data set, run, config and log) nor TaskSet's (a list of runs "
            f"with hp, train, valid and test)"
        ) from None


def _dataset(content: Mapping[str, Any], asked: str | None, path: Path) -> str:
    names = list(content.keys())
    chosen = names[0] if asked is None and len(names) == 1 else asked
    if chosen is None or chosen not in names:
        fault = "holds several data sets" if asked is None else f"has no data set {asked!r}"
        raise ValueError(f"--curves {path}: {fault}; give --curves {path}#NAME with one of {', '.join(names)}")
    return chosen


def _lcbench(number: str, run: Mapping[str, Any]) -> pd.DataFrame:
    log = run["log"]
    metrics = {
        metric_name(tag.removeprefix("Train/")): values
        for tag, values in log.items()
        if tag.startswith("Train/") and tag.count("/") == 1
    }
    frame = pd.DataFrame({"epoch": log["epoch"], **metrics, "elapsed_s": log["time"]})
    # The first entry is the state before training; the last epoch may appear twice because of a final test.
    frame = frame[frame["epoch"] >= 1].drop_duplicates("epoch")
    return frame.assign(config_id=int(number), **{CONFIG + name: value for name, value in run["config"].items()})


def metric_name(name: str) -> str:
    """Our name for a metric of LCBench: the split first, and `loss` for the cross entropy."""
    name = RENAMED.get(name, name).replace("cross_entropy", "loss")
    return f"valid_{name.removeprefix('val_')}" if name.startswith("val_") else name


def _taskset(number: int, run: Mapping[str, Any]) -> pd.DataFrame:
    losses = {f"{split}_loss": run[split]["loss"] for split in ("train", "valid", "test")}
    frame = pd.DataFrame(losses).assign(config_id=number, **{CONFIG + name: v for name, v in run["hp"].items()})
    # No seconds were recorded, so every step between two evaluations counts as one second.
    return frame.assign(epoch=range(1, len(frame) + 1), elapsed_s=[float(n) for n in range(1, len(frame) + 1)])


def _stacked(frames: Any) -> pd.DataFrame:
    parts = list(frames)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
