"""What has to stand in the tables and in `provenance.json`: checked once, when they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from msgspec import Struct

from hypertune.study.study import Study

STATUSES = ("running", "completed", "stopped", "failed", "diverged")
TEXT, NUMBER = "text", "numbers"
KEYS = {"strategy": TEXT, "seed": NUMBER, "trial_id": TEXT}
TRIALS = {
    **KEYS, "status": TEXT, "epochs": NUMBER, "best_epoch": NUMBER, "train_s": NUMBER, "started_at": TEXT,
    "ended_at": TEXT, "node": TEXT, "device": TEXT,
}  # fmt: skip
CURVES = {**KEYS, "epoch": NUMBER, "elapsed_s": NUMBER, "wall_s": NUMBER}
MAY_BE_MISSING = ("best_epoch", "ended_at", "node", "device", "train_s", "elapsed_s", "wall_s")
"""Columns that may have empty cells, besides the metrics."""
REMEDY = "restore the file from a copy"


class Ledger(Struct, kw_only=True):
    """One sweep in `provenance.json`."""

    strategy: str
    seed: int
    finished: bool
    workers: float
    epochs: float
    trials: float
    incumbent: str | None
    completed: float | None = 0
    stopped: float | None = 0
    failed: float | None = 0
    diverged: float | None = 0
    wall_s: float | None = None
    busy_s: float | None = None
    idle_s: float | None = None
    decision_s: float | None = None


class Retrained(Struct, kw_only=True):
    """One retraining."""

    strategy: str
    seed: int
    retrain_seed: int
    trial_id: str | None = None
    status: str | None = None


class Failed(Struct, kw_only=True, forbid_unknown_fields=True):
    """One kind of failure."""

    error: str
    count: int
    trial_id: str
    traceback: str = ""
    log: str = ""


class Look(Struct, kw_only=True):
    """One look at a study that runs until decided."""

    seeds: int
    ended: bool
    dropped: list[str]
    why: str = ""
    told: str = ""


class Planned(Struct, kw_only=True):
    """What a study was planned to run."""

    strategies: list[str]
    seeds: list[int]
    until_decided: bool
    margin: float | None = None


class Extension(Struct, kw_only=True):
    """One addition to a study."""

    plan: Planned
    before: Planned


class Provenance(Struct, kw_only=True):
    """What is read of `provenance.json`, each where it is there."""

    command: str | None = None
    python_version: str | None = None
    versions: dict[str, str | None] = {}
    git_commit: str | None = None
    hardware: dict[str, Any] = {}
    workers: float | list[float] | None = None
    address: str | None = None
    data_dir: str | None = None
    images: dict[str, int] = {}
    notes: list[str] = []
    prior: str | None = None
    warm_start: str | None = None
    seeds: list[int] = []
    started_at: str | None = None
    ended_at: str | None = None
    simulation: dict[str, Any] | None = None
    sweeps: list[Ledger] = []
    retrained: list[Retrained] = []
    incumbents: dict[str, dict[str, Any]] = {}
    schedules: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    failures: list[Failed] = []
    gave_up: bool = False
    looks: list[Look] = []
    extensions: list[Extension] = []


def check_provenance(path: Path, provenance: dict[str, Any]) -> None:
    """Checks the fields that are read.

    Raises:
        ValueError: one line naming the file, the field and the remedy.
    """
    try:
        msgspec.convert(provenance, Provenance)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        field = where.rstrip("`").lstrip(".") or "the file"
        raise ValueError(f"{path}: {field}: {what[0].lower()}{what[1:]}; {REMEDY}") from None


def check_tables(folder: Path, trials: pd.DataFrame, curves: pd.DataFrame, study: Study) -> None:
    """Checks names and kinds of columns, and that the curves are of trials that there are.

    Raises:
        ValueError: one line naming the file, the column and the remedy.
    """
    metric = study.metric
    _check(folder / "trials.csv", trials, {**TRIALS, metric: NUMBER})
    _check(folder / "curves.parquet", curves, {**CURVES, metric: NUMBER} if len(curves) else {"trial_id": TEXT})
    path = folder / "trials.csv"
    unknown = sorted(set(trials["status"]) - set(STATUSES))
    if unknown:
        raise ValueError(f"{path}: column status: {unknown[0]!r} is none of {', '.join(STATUSES)}; {REMEDY}")
    if trials["trial_id"].duplicated().any():
        twice = trials["trial_id"][trials["trial_id"].duplicated()].iloc[0]
        raise ValueError(f"{path}: column trial_id: {twice} is there twice; {REMEDY}")
    for file, table in (("trials.csv", trials), ("curves.parquet", curves)):
        for name, known in (("strategy", study.strategies), ("seed", study.seeds)):
            others = set(table[name]) - set(known) if name in table else set()
            if others:
                raise ValueError(f"{folder / file}: column {name}: {min(others)!r} is not in study.toml; {REMEDY}")
    if len(curves) and trials[metric].notna().any() and curves[metric].isna().all():
        raise ValueError(f"{folder / 'curves.parquet'}: column {metric}: is empty; {REMEDY}")
    valued = trials[metric].notna() & trials["best_epoch"].isna()
    if valued.any():
        raise ValueError(f"{path}: column best_epoch: is empty for {trials['trial_id'][valued].iloc[0]}; {REMEDY}")
    lost = sorted(set(curves["trial_id"]) - set(trials["trial_id"]))
    if lost:
        raise ValueError(f"{folder / 'curves.parquet'}: column trial_id: {lost[0]} is not in trials.csv; {REMEDY}")


def _check(path: Path, table: pd.DataFrame, columns: dict[str, str]) -> None:
    for name, kind in columns.items():
        if name not in table:
            raise ValueError(f"{path}: lacks the column {name}; {REMEDY}")
        column = table[name]
        if isinstance(column, pd.DataFrame):
            raise ValueError(f"{path}: has the column {name} twice; {REMEDY}")
        if len(table) and not _is(kind, column):
            raise ValueError(f"{path}: column {name}: should hold {kind}, holds {column.dtype}; {REMEDY}")
        if name == "best_epoch" and not (column.dropna() % 1 == 0).all():
            raise ValueError(f"{path}: column best_epoch: should hold whole numbers; {REMEDY}")
        if name in KEYS or name in ("status", "epochs", "epoch"):
            _check_filled(path, name, column, whole=kind == NUMBER)


def _check_filled(path: Path, name: str, column: pd.Series[Any], *, whole: bool) -> None:
    if column.isna().any() or (column.dtype.kind == "f" and not np.isfinite(column).all()):
        raise ValueError(f"{path}: column {name}: has an empty cell; {REMEDY}")
    if whole and not (column % 1 == 0).all():
        raise ValueError(f"{path}: column {name}: should hold whole numbers; {REMEDY}")


def _is(kind: str, column: pd.Series[Any]) -> bool:
    if column.isna().all():
        return True
    if kind == NUMBER:
        return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return bool(column.dropna().map(lambda cell: isinstance(cell, str)).all())
