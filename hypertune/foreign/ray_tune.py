"""Ray Tune's result folders, without Ray: each experiment is one sweep, named after its strategy and seed."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from hypertune.foreign.naming import identity, is_dated, of_name, unknown
from hypertune.foreign.source import UNREADABLE, Source, best

RESULTS = ("result.json", "progress.csv")
"""The preferred one first: `progress.csv` has only the metrics of the first report of a trial."""
SETTINGS = ("config", "timers", "perf")
"""Nested entries of a report that are no metrics."""
FLAT_SETTINGS = tuple(f"{name}/" for name in SETTINGS)
OWN = {
    "timestamp", "training_iteration", "iterations_since_restore", "time_this_iter_s", "time_total_s", "done",
    "date", "pid", "time_since_restore", "hostname", "node_ip", "trial_id", "experiment_tag", "experiment_id", "epoch",
    "checkpoint_dir_name", "should_checkpoint", "episodes_total", "timesteps_total", "timesteps_since_restore",
    "warmup_time",
}  # fmt: skip
"""What Ray Tune reports of itself, and the epoch."""


@dataclass
class Reports:
    """What the trials of an experiment have reported.

    Attributes:
        numbers: metric to all its values, NaN where the report says that there is none.
        starts: when the training that each report ends began, seconds since 1970.
        ends: when each report was made.
    """

    numbers: dict[str, list[float]] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    def add(self, report: dict[str, Any]) -> None:
        """Takes in one report, with nested keys."""
        end, took = _number(report.get("timestamp")), _number(report.get("time_this_iter_s"))
        if end is not None and took is not None and math.isfinite(end - took):
            self.ends.append(end)
            self.starts.append(end - took)
        for name, value in _flat(report):
            if (number := _number(value)) is not None:
                self.numbers.setdefault(name, []).append(number)

    def metrics(self) -> list[str]:
        """Those of which some value is a number."""
        return [name for name, values in self.numbers.items() if not all(map(math.isnan, values))]

    def seconds(self) -> float | None:
        """From the start of the first trial's first report to the last report of all."""
        return max(self.ends) - min(self.starts) if self.ends else None


def _flat(report: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The names and values of a report's metrics, nested keys joined by `/` as in `progress.csv`."""
    for key, value in report.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            if name not in SETTINGS:
                yield from _flat(value, f"{name}/")
        elif name not in OWN and not name.startswith(FLAT_SETTINGS):
            yield name, value


def _number(value: Any) -> float | None:
    """A reported number; NaN for the null as which Ray Tune's encoder writes some NaNs, and None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan if value is None or value == "null" else None
    return float(value)


def read(source: Source) -> pd.DataFrame:
    """A row per experiment: the best value that any of its trials has ever reported, and the seconds it took."""
    mode = source.needed_mode()
    experiments = _experiments(source.path)
    reports = {folder: _reports(trials, source) for folder, trials in experiments.items()}
    metric = source.metric_among(name for own in reports.values() for name in own.metrics())
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


def _reports(trials: list[Path], source: Source) -> Reports:
    """Everything that the trials of an experiment have reported; a trial that failed at once has nothing."""
    made = Reports()
    for trial in trials:
        file = next((trial / name for name in RESULTS if _has_content(trial / name)), None)
        if file is None:
            continue
        try:
            for report in _lines(file) if file.suffix == ".json" else _rows(file):
                made.add(report)
        except (*UNREADABLE, csv.Error) as error:
            reason = str(error).splitlines()[0]
            raise source.fault(
                f"{file.relative_to(source.path)} cannot be read ({reason}); mend or delete it"
            ) from None
    return made


def _has_content(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """The reports of a `result.json`, less a last one that was not written to its end when Ray Tune was killed."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(keepends=True), 1):
        if not line.strip():
            continue
        try:
            report = json.loads(line)
        except ValueError:
            if not line.endswith("\n"):
                return
            raise ValueError(f"line {number} is not a JSON object") from None
        if not isinstance(report, dict):
            raise ValueError(f"line {number} is not a JSON object")
        yield report


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    """The reports of a `progress.csv`. After a resume Ray Tune may write rows there that do not fit the header."""
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, strict=True):
            if None in row:
                raise ValueError("a row has more cells than the header has names")
            yield {name: _cell(text) for name, text in row.items()}


def _cell(text: str | None) -> float | str | None:
    try:
        return float(text) if text else None
    except ValueError:
        return text


def _row(folder: Path, trials: list[Path], reports: Reports, asked: tuple[str, str], source: Source) -> dict[str, Any]:
    metric, mode = asked
    known = _known(folder, trials, source)
    value = best(reports.numbers.get(metric, []), mode)
    if value is None:
        raise source.fault(f"folder {folder.name!r}: no trial has reported {metric}; run it again or move it elsewhere")
    return {**known, "value": value, "seconds": reports.seconds()}


def _known(folder: Path, trials: list[Path], source: Source) -> dict[str, Any]:
    """Strategy and seed: from the folder's name, with its parents' names where needed, or from what the trials'
    configurations have in common."""
    config = _constants(trials, source)
    around = [folder.name, *(part.name for part in folder.parents if part.is_relative_to(source.path))]
    around = around[1:] if is_dated(folder.name) else around  # the first part is then the trainable's name
    names = ["/".join(reversed(around[: depth + 1])) for depth in range(len(around))]
    name = next((name for name in names if None not in of_name(name)), around[0] if around else "")
    known = identity({key: config[key] for key in (source.strategy, "seed", "task") if key in config}, name, source)
    if not {"strategy", "seed"} <= set(known):
        raise unknown(f"folder {folder.name!r}", known, source)
    return known


def _constants(trials: list[Path], source: Source) -> dict[str, Any]:
    """What the configurations of all trials have in common."""
    configs = [_config(trial / "params.json", source) for trial in trials if (trial / "params.json").is_file()]
    return {
        key: value
        for key, value in (configs[0] if configs else {}).items()
        if all(c.get(key) == value for c in configs)
    }


def _config(file: Path, source: Source) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        what = f"{file.relative_to(source.path)} cannot be read as a JSON object"
        raise source.fault(f"{what}; delete it if the folder's name says strategy and seed, else mend it") from None
