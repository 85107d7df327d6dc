"""Syne Tune's experiment folders, without Syne Tune: `metadata.json` and `results.csv.zip`, each one sweep."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

from hypertune.foreign.naming import identity, strategy_among, unknown
from hypertune.foreign.source import UNREADABLE, Source, best

METADATA = "metadata.json"
RESULTS = ("results.csv.zip", "results.csv")


def is_experiment(files: list[str]) -> bool:
    """Whether a folder with these files is an experiment's."""
    return METADATA in files and any(name in files for name in RESULTS)


def read(source: Source) -> pd.DataFrame:
    """A row per experiment: the best value that it has seen, and the seconds until its last result."""
    folders = [
        Path(folder) for folder, below, files in os.walk(source.path) if not below.sort() and is_experiment(files)
    ]
    described = [_metadata(folder, source) for folder in folders]
    metric = source.metric_among(name for metadata in described for name in _objectives(metadata, source))
    modes = {_objectives(metadata, source).get(metric) for metadata in described} - {None}
    if len(modes) != 1:
        raise source.fault(f"its experiments do not agree on the mode of {metric}; judge them one folder at a time")
    mode = source.agreed(str(modes.pop()))
    rows = [_row(folder, told, (metric, mode), source) for folder, told in zip(folders, described, strict=True)]
    frame = pd.DataFrame(rows, index=[f"folder {folder.name!r}" for folder in folders])
    frame.attrs = {"metric": metric, "mode": mode}
    return frame


def _metadata(folder: Path, source: Source) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / METADATA).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise source.fault(f"{folder.name}/{METADATA} cannot be read as a JSON object") from None


def _objectives(metadata: dict[str, Any], source: Source) -> dict[str, str]:
    """Metric to mode. Old versions write lists of both, or one mode for all."""
    names, modes = metadata.get("metric_names", []), metadata.get("metric_mode", source.mode)
    names = [names] if isinstance(names, str) else list(names)
    modes = list(modes) if isinstance(modes, list) else [modes] * len(names)
    return {name: mode or source.needed_mode() for name, mode in zip(names, modes, strict=False)}


def _row(folder: Path, metadata: dict[str, Any], asked: tuple[str, str], source: Source) -> dict[str, Any]:
    metric, mode = asked
    results = _results(folder, source)
    value = best(results[metric], mode) if metric in results else None
    if value is None:
        raise source.fault(f"folder {folder.name!r}: no trial has reported {metric}; run it again or move it elsewhere")
    times = pd.to_numeric(results.get("st_tuner_time", pd.Series(dtype=float)), errors="coerce")
    return {**_known(folder, metadata, source), "value": value, "seconds": times.max() if len(times) else None}


def _results(folder: Path, source: Source) -> pd.DataFrame:
    file = next(folder / name for name in RESULTS if (folder / name).is_file())
    try:
        return pd.read_csv(file)
    except UNREADABLE as error:
        raise source.fault(f"{folder.name}/{file.name} cannot be read ({str(error).splitlines()[0]})") from None


def _known(folder: Path, metadata: dict[str, Any], source: Source) -> dict[str, Any]:
    """What the user recorded with the tuner comes first, then the scheduler's name and seed, then the folder's name."""
    facts = {key: value for key, value in metadata.items() if isinstance(value, str | int)}
    if source.strategy is None and strategy_among(facts, source) is None and "scheduler_name" in metadata:
        facts["strategy"] = metadata["scheduler_name"]
    drawn = metadata.get("scheduler_kwargs")
    if isinstance(drawn, dict) and drawn.get("random_seed") is not None and "seed" not in facts:
        facts.setdefault("random_seed", drawn["random_seed"])
    known = identity(facts, folder.name, source)
    if not {"strategy", "seed"} <= set(known):
        raise unknown(f"folder {folder.name!r}", known, source)
    return known
