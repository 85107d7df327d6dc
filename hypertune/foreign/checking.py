"""The table that every importer returns: its columns, their types, and what it must not contain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hypertune.foreign.naming import NAMES
from hypertune.foreign.source import Source, listed

COLUMNS = ("strategy", "seed", "value", "epoch", "budget", "seconds", "task")
ABSENT = {"", "nan", "na", "n/a", "none", "null", "-", "<na>"}
"""Spellings of a missing number, in lower case."""


def checked(frame: pd.DataFrame, source: Source) -> pd.DataFrame:
    """The columns of `COLUMNS` that are there, with their types.

    Args:
        frame: a row per result; its index names each row's origin for messages, e.g. `row 3`.

    Raises:
        ValueError: one line that names the source, the row, the column and the remedy.
    """
    _complete(frame, source)
    made = {name: CHECKS[name](frame[name], source) for name in COLUMNS if name in frame}
    table = pd.DataFrame(made, index=frame.index)
    _once(table, source)
    table = table.reset_index(drop=True)
    table.attrs = dict(frame.attrs)
    return table


def _complete(frame: pd.DataFrame, source: Source) -> None:
    for name in ("strategy", "seed", "value"):
        if name not in frame:
            others = f" (nor {listed(NAMES[name][1:])})" if name in NAMES else ""
            raise source.fault(f"has no column {name}{others}; add or rename one; there are {listed(frame.columns)}")
    if frame.empty:
        raise source.fault("holds no results")
    if "epoch" in frame and "budget" in frame:
        raise source.fault(
            "has both an epoch and a budget for each value; leave out the column that is not the curve's"
        )


def absent(column: pd.Series) -> pd.Series:
    """Which cells are missing or say so in one of the spellings of `ABSENT`."""
    return column.isna() | column.map(lambda cell: str(cell).strip().casefold() in ABSENT)


def _first(bad: pd.Series) -> Any:
    return bad.index[bad.to_numpy(dtype=bool)][0]


def _words(column: pd.Series, source: Source) -> pd.Series:
    words = column.map(lambda cell: "" if pd.isna(cell) else str(cell).strip())
    if (empty := words == "").any():
        raise source.fault(f"{_first(empty)}, column {column.name}: is empty; fill it in or delete the row")
    return words.astype(str)


def _seeds(column: pd.Series, source: Source) -> pd.Series:
    words = _words(column, source).str.replace(r"\.0+$", "", regex=True)
    if (missing := absent(words)).any():
        raise source.fault(f"{_first(missing)}, column seed: is missing; fill it in or delete the row")
    return words.astype("int64") if words.str.fullmatch(r"[+-]?\d{1,18}").all() else words


def numbers_of(
    column: pd.Series, source: Source, *, may_miss: bool = False, may_be_infinite: bool = False
) -> pd.Series:
    """A column as float64, NaN where it is missing.

    Raises:
        ValueError: naming the first cell that is text, or missing or infinite where it may not be.
    """
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    missing = absent(column)
    if (text := numbers.isna() & ~missing).any():
        row = _first(text)
        said = str(column[text].iloc[0])[:60]
        raise source.fault(f"{row}, column {column.name}: {said!r} is not a number; write it like 0.93")
    if missing.any() and not may_miss:
        raise source.fault(f"{_first(missing)}, column {column.name}: is missing; fill it in or delete the row")
    if not may_be_infinite and (endless := pd.Series(np.isinf(numbers), numbers.index)).any():
        raise source.fault(f"{_first(endless)}, column {column.name}: is infinite; give a finite number")
    return numbers


def _values(column: pd.Series, source: Source) -> pd.Series:
    """A missing or infinite value is that of a sweep that failed; the judgement counts it as the worst and says so."""
    some = not absent(column).all()  # otherwise it is another column that was meant
    return numbers_of(column, source, may_miss=some, may_be_infinite=True)


def _counts(column: pd.Series, source: Source) -> pd.Series:
    numbers = numbers_of(column, source)
    return numbers.astype("int64") if (numbers % 1 == 0).all() else numbers


def _seconds(column: pd.Series, source: Source) -> pd.Series:
    return numbers_of(column, source, may_miss=True)


CHECKS = {
    "strategy": _words,
    "seed": _seeds,
    "value": _values,
    "epoch": _counts,
    "budget": _counts,
    "seconds": _seconds,
    "task": _words,
}
"""Column to the function that converts it. Only values and seconds may be missing in some rows."""


def _once(table: pd.DataFrame, source: Source) -> None:
    """Every sweep has one value, or one value at each point of its curve."""
    key = [name for name in ("strategy", "seed", "task", "epoch", "budget") if name in table]
    again = table.duplicated(key)
    if not again.any():
        return
    row = _first(again)
    mine = table[again].iloc[0][key]
    first = table.index[(table[key] == mine).all(axis=1).to_numpy(dtype=bool)][0]
    what = ", ".join(f"{name} {mine[name]}" for name in key)
    curve = {"epoch", "budget"} & set(key)
    absent = [name for name in ("task", "epoch") if name not in key and not (name == "epoch" and curve)]
    more = f", or say in a column {' or '.join(absent)} what distinguishes them" if absent else ""
    raise source.fault(
        f"{row}: {what} appears a second time, first in {first}; keep one (the best, if they are trials of a sweep), "
        f"give each its own seed{more}"
    )
