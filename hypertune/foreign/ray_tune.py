"""Ray Tune's result folders, without Ray: each experiment is one sweep, named after its strategy and seed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

from hypertune.foreign.naming import identity, is_dated, of_name, unknown
from hypertune.foreign.source import UNREADABLE, Source, best

RESULTS = ("progress.csv", "result.json")
OWN = {
    "timestamp", "training_iteration", "iterations_since_restore", "time_this_iter_s", "time_total_s", "done",
    "date", "pid", "time_since_restore", "hostname", "node_ip", "trial_id", "experiment_tag", "experiment_id", "epoch",
    "checkpoint_dir_name", "should_checkpoint", "episodes_total", "timesteps_total", "timesteps_since_restore",
    "warmup_time",
}  # fmt: skip
"""What Ray Tune reports of itself, and the epoch."""


def read(source: Source) -> pd.DataFrame:
    """A row per experiment: the best value that any of its trials has ever reported, and the seconds it took."""
    mode = source.needed_mode()
    experiments = _experiments(source.path)
    reports = {folder: _reports(trials, source) for folder, trials in experiments.items()}
    metric = source.metric_among(name for name in _metrics(reports.values()))
    rows = [_row(folder, experiments[folder], reports[folder], (metric, mode), source) for folder in experiments]
    frame = pd.DataFrame(rows, index=[f"folder {folder.name!r}" for folder in experiments])
    frame.attrs = {"metric": metric, "mode": mode}
    return frame


def _experiments(root: Path) -> dict[Path, list[Path]]:
    """Experiment to its trials' folders, in the order of their names."""
    found: dict[Path, list[Path]] = {}
    for folder, below, files in os.walk(root):
        below.sort()
        if any(name in files for name in RESULTS):
            found.setdefault(Path(folder).parent, []).append(Path(folder))
    return found


def _reports(trials: list[Path], source: Source) -> pd.DataFrame:
    """Everything that the trials of an experiment have reported; a trial that failed at once has nothing."""
    parts = [part for trial in trials if not (part := _trial(trial, source)).empty]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _trial(trial: Path, source: Source) -> pd.DataFrame:
    file = next(trial / name for name in RESULTS if (trial / name).is_file())
    if not file.stat().st_size:
        file = trial / RESULTS[1]
    if not file.is_file() or not file.stat().st_size:
        return pd.DataFrame()
    try:
        if file.suffix == ".csv":
            return pd.read_csv(file)
        lines = file.read_text(encoding="utf-8").splitlines()
        return pd.json_normalize([json.loads(line) for line in lines if line.strip()], sep="/")
    except UNREADABLE as error:
        raise source.fault(f"{file.relative_to(source.path)} cannot be read ({str(error).splitlines()[0]})") from None


def _metrics(reports: Any) -> list[str]:
    names = dict.fromkeys(name for frame in reports for name in frame.select_dtypes("number").columns)
    return [name for name in names if name not in OWN and not name.startswith(("config/", "timers/", "perf/"))]


def _row(
    folder: Path, trials: list[Path], reports: pd.DataFrame, asked: tuple[str, str], source: Source
) -> dict[str, Any]:
    metric, mode = asked
    known = _known(folder, trials, source)
    value = best(reports[metric], mode) if metric in reports else None
    if value is None:
        raise source.fault(f"folder {folder.name!r}: no trial has reported {metric}; run it again or move it elsewhere")
    return {**known, "value": value, "seconds": _seconds(reports)}


def _known(folder: Path, trials: list[Path], source: Source) -> dict[str, Any]:
    """Strategy and seed: from the folder's name, with its parents' names where needed, or from what the trials'
    configurations have in common."""
    config = _constants(trials)
    around = [folder.name, *(part.name for part in folder.parents if part.is_relative_to(source.path))]
    around = around[1:] if is_dated(folder.name) else around  # the first part is then the trainable's name
    names = ["/".join(reversed(around[: depth + 1])) for depth in range(len(around))]
    name = next((name for name in names if None not in of_name(name)), around[0] if around else "")
    known = identity({key: config[key] for key in (source.strategy, "seed", "task") if key in config}, name, source)
    if not {"strategy", "seed"} <= set(known):
        raise unknown(f"folder {folder.name!r}", known, source)
    return known


def _constants(trials: list[Path]) -> dict[str, Any]:
    """What the configurations of all trials have in common."""
    texts = [trial / "params.json" for trial in trials if (trial / "params.json").is_file()]
    configs = [json.loads(path.read_text(encoding="utf-8")) for path in texts]
    return {
        key: value
        for key, value in (configs[0] if configs else {}).items()
        if all(c.get(key) == value for c in configs)
    }


def _seconds(reports: pd.DataFrame) -> float | None:
    """From the start of the first trial's first report to the last report of all."""
    if not {"timestamp", "time_this_iter_s"} <= set(reports.columns):
        return None
    began = (reports["timestamp"] - reports["time_this_iter_s"]).min()
    return float(reports["timestamp"].max() - began)
