"""Results of any of the known tools, as one table of strategy, seed and value."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from hypertune.foreign import carps, mlflow, optuna, ray_tune, syne_tune, tables, wandb
from hypertune.foreign.checking import checked
from hypertune.foreign.source import Source, listed

KINDS: dict[str, Callable[[Source], pd.DataFrame]] = {
    "table": tables.read,
    "optuna": optuna.read,
    "mlflow": mlflow.read,
    "wandb": wandb.read,
    "ray": ray_tune.read,
    "syne-tune": syne_tune.read,
    "carps": carps.read,
}


def read(
    source: str | Path,
    *,
    kind: str | None = None,
    metric: str | None = None,
    mode: str | None = None,
    strategy: str | None = None,
) -> pd.DataFrame:
    """Results that other tools have recorded, a row per sweep, or per point of a sweep's curve.

    Args:
        source: a table (`.csv`, `.tsv`, `.parquet`, `.jsonl`, `.json`), a folder of Ray Tune, Syne Tune, CARP-S or
            MLflow, an Optuna journal, or the URL of an Optuna storage or an MLflow tracking store. `SOURCE#PATTERN`
            reads only the Optuna studies or MLflow experiments with such names.
        kind: one of `KINDS`; without it, it is found out by looking.
        metric: the column, metric or objective that is the result; needed where several could be.
        mode: `min` or `max`; needed where the best of a sweep's trials has to be found (Ray Tune, MLflow's trials).
        strategy: the column, attribute, tag, parameter or metadata entry that holds the strategy.

    Returns:
        The columns `strategy` (str), `seed` (int, or str if any is not a whole number), `value` (float) and, where
        known, `epoch` or `budget` (of a curve's points), `seconds` (float) and `task` (str), in source order. `attrs`
        holds `kind`, `metric` and `mode`; `mode` is None where neither the source nor the caller says it.

    Raises:
        ValueError: one line that names the source, what is wrong where, and the remedy.
    """
    if mode not in (None, "min", "max"):
        raise ValueError(f"mode: min or max, got {mode!r}")
    where = Source.of(source, metric=metric, mode=mode, strategy=strategy)
    kind = _known(kind) if kind is not None else recognised(where)
    if not where.scheme or where.scheme in ("file", "sqlite"):
        _check_there(where)
    frame = checked(KINDS[kind](where), where)
    frame.attrs["kind"] = kind
    return frame


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"kind: one of {', '.join(KINDS)}; got {kind!r}")
    return kind


def _check_there(source: Source) -> None:
    if not source.path.exists():
        raise source.fault("there is no such file or folder")


def recognised(source: Source) -> str:
    """The kind of a source, by looking at it.

    Raises:
        ValueError: if it is not a known one.
    """
    if source.scheme in ("http", "https"):
        return "mlflow"
    if source.scheme not in ("", "file", "sqlite"):
        raise source.fault("is it Optuna's storage or MLflow's tracking store? give kind: optuna or mlflow")
    _check_there(source)
    return _of_folder(source) if source.path.is_dir() else _of_file(source)


def _of_file(source: Source) -> str:
    try:
        with source.path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise source.fault(f"cannot be read ({error.strerror})") from None
    if head.startswith(b"SQLite format 3"):
        return _of_database(source)
    if source.scheme == "sqlite":
        raise source.fault("is not an SQLite database")
    return "optuna" if _is_journal(head) else _of_table(source)


def _of_database(source: Source) -> str:
    with contextlib.closing(sqlite3.connect(f"{source.path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        try:
            names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        except sqlite3.DatabaseError as error:
            raise source.fault(f"cannot be read as an SQLite database ({error})") from None
    kinds = [
        kind
        for kind, needs in (("optuna", {"studies", "trials"}), ("mlflow", {"experiments", "runs"}))
        if needs <= names
    ]
    if len(kinds) == 1:
        return kinds[0]
    raise source.fault(
        "holds both Optuna's and MLflow's tables; give kind: optuna or mlflow"
        if kinds
        else f"is a database of neither Optuna nor MLflow; it has the tables {listed(sorted(names)) or 'of none'}"
    )


def _is_journal(head: bytes) -> bool:
    """Whether a file begins with an operation of an Optuna journal."""
    line = head.partition(b"\n")[0]
    try:
        operation = json.loads(line)
    except ValueError:
        return False
    return isinstance(operation, dict) and "op_code" in operation


def _of_table(source: Source) -> str:
    if tables.suffix(source.path) not in (*tables.PARQUET, *tables.LINES, ".csv", ".tsv", ".txt"):
        raise source.fault(
            f"is not of a known kind ({', '.join(KINDS)}); give a .csv, .parquet or .jsonl, or say its kind"
        )
    columns = list(tables.load(source).columns)
    if {"optimizer_id", carps.COST} <= set(columns):
        return "carps"
    return "wandb" if wandb.is_export(columns) else "table"


def _of_folder(source: Source) -> str:
    for folder, below, files in os.walk(source.path):
        below.sort()
        if syne_tune.is_experiment(files):
            return "syne-tune"
        if any(name in files for name in (*carps.FILES, carps.RAW)):
            return "carps"
        if any(name in files for name in ray_tune.RESULTS):
            return "ray"
        if "mlruns" in below or ("meta.yaml" in files and Path(folder) != source.path):
            return "mlflow"
    if (source.path / "study.toml").is_file():
        raise source.fault("is a study of hypertune itself; `hypertune report` judges it")
    raise source.fault(
        "holds no results of Ray Tune, Syne Tune, CARP-S or MLflow; give one of their folders or a table"
    )
