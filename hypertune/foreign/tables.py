"""Tables that people write themselves: CSV, Parquet and JSON, a row per sweep or per point of its curve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from hypertune.foreign.checking import absent
from hypertune.foreign.naming import NAMES, bare, found, strategy_among, task_of
from hypertune.foreign.source import UNREADABLE, Source, listed

PARQUET = (".parquet", ".pq")
LINES = (".jsonl", ".ndjson", ".json")
PACKED = (".gz", ".zip", ".bz2", ".xz")


def read(source: Source) -> pd.DataFrame:
    """The table, with its columns renamed to ours; a table with an epoch or a budget keeps all rows of every curve."""
    return renamed(load(source), source)


def load(source: Source) -> pd.DataFrame:
    """What the file holds, under its own names; the index says `row 1` for the first. The cells of a CSV are text.

    Raises:
        ValueError: if it cannot be read.
    """
    path = source.path
    reader = {**dict.fromkeys(PARQUET, _parquet), **dict.fromkeys(LINES, _json)}.get(suffix(path), _csv)
    try:
        frame = reader(path)
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise source.fault(f"cannot be read as a table ({reason.splitlines()[0]})") from None
    frame.columns = [str(name).strip() for name in frame.columns]
    frame = frame[[name for name in frame.columns if not name.startswith("Unnamed: ")]]  # pandas' index, as written
    frame.index = pd.Index([f"row {number}" for number in range(1, len(frame) + 1)])
    return frame


def suffix(path: Path) -> str:
    """The ending that says what a file holds, e.g. `.csv` for `results.csv.gz`."""
    ends = [end.lower() for end in path.suffixes]
    return next((end for end in reversed(ends) if end not in PACKED), "")


def renamed(frame: pd.DataFrame, source: Source) -> pd.DataFrame:
    """The columns that count, under our names.

    Raises:
        ValueError: if it cannot be said which column is the result, or the strategy.
    """
    names = list(frame.columns)
    strategy = strategy_among(names, source)
    if source.strategy is not None and strategy is None:
        raise source.fault(
            f"has no column {source.strategy!r}, which was given as the strategy; there are {listed(names)}"
        )
    columns = {"strategy": strategy, "seed": found("seed", names, source), "value": _value(frame, source)}
    columns |= {role: found(role, names, source) for role in ("epoch", "budget", "seconds")}
    made = pd.DataFrame({role: frame[name] for role, name in columns.items() if name is not None}, index=frame.index)
    if tasks := [name for name in names if bare(name) in NAMES["task"]]:
        made["task"] = [task_of(row) for row in records(frame[tasks])]
    made.attrs = {"metric": columns["value"], "mode": source.mode}
    return made


def _value(frame: pd.DataFrame, source: Source) -> str:
    """The column of the results: the metric asked for, else `value`."""
    if source.metric is not None:
        if source.metric not in frame:
            raise source.fault(f"has no column {source.metric!r}; give metric: one of {listed(_numeric(frame))}")
        return source.metric
    if own := [name for name in frame.columns if bare(name) == "value"]:
        return own[0]
    others = _numeric(frame)
    remedy = f"give metric: one of {listed(others)}" if others else "no other column holds numbers"
    raise source.fault(f"has no column value; {remedy}")


def _numeric(frame: pd.DataFrame) -> list[str]:
    """Columns of numbers that have no other meaning here."""
    meant = {name for names in NAMES.values() for name in names}
    return [name for name in frame.columns if bare(name) not in meant and is_numeric(frame[name])]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows, each with the names of its columns."""
    return [{str(name): cell for name, cell in row.items()} for row in frame.to_dict("records")]


def is_numeric(column: pd.Series) -> bool:
    """Whether a column holds a number, and nothing else besides missing ones."""
    cells = column[~absent(column)]
    if cells.empty or cells.map(lambda cell: isinstance(cell, dict | list)).any():
        return False
    return bool(pd.to_numeric(cells, errors="coerce").notna().all())


def _csv(path: Path) -> pd.DataFrame:
    # As text, so that a strategy called `none` is not read as missing and an error can show the original cell.
    options: dict[str, Any] = {
        "dtype": str,
        "keep_default_na": False,
        "encoding": "utf-8-sig",
        "skipinitialspace": True,
    }
    frame: pd.DataFrame = pd.read_csv(path, **options)
    header = str(frame.columns[0])
    if len(frame.columns) == 1 and (separator := next((s for s in ";\t" if s in header), None)):
        frame = pd.read_csv(path, sep=separator, **options)
    return frame if isinstance(frame.index, pd.RangeIndex) else _straightened(frame)


def _straightened(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose rows have more cells than the header has names, the first of which pandas took for an index.

    Either they end in separators, or they begin with their numbers, as R's `write.table` puts them.
    """
    names = list(frame.columns)
    cells = frame.reset_index().fillna("")
    if not (cells.iloc[:, len(names) :] != "").any(axis=None):
        return cells.iloc[:, : len(names)].set_axis(names, axis=1)
    if list(frame.index) == [str(number) for number in range(1, len(frame) + 1)]:
        return frame
    extra = cells.shape[1] - len(names)
    raise ValueError(f"its rows have {extra} cell{'s'[: extra - 1]} more than the header has names; name every column")


def _parquet(path: Path) -> pd.DataFrame:
    frame: pd.DataFrame = pd.read_parquet(path)
    return frame


def _json(path: Path) -> pd.DataFrame:
    """JSON lines, or one list of objects."""
    text = path.read_text(encoding="utf-8-sig")
    if text.lstrip().startswith("["):
        rows = json.loads(text)
    else:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("not one object per row")
    return pd.DataFrame(rows)
