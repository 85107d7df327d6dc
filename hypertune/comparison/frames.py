"""Any results as a table of strategies, seeds and values, checked and reshaped for the judgement."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray

REQUIRED = ("strategy", "seed", "value")
LARGEST = 1e100
"""Largest value, whose square is still a number."""
ABSENT = ("", "nan", "na", "n/a", "none", "null", "-", "<na>")
"""Spellings of a missing number, in lower case; those of `hypertune.foreign.checking`."""
ALONG = ("epoch", "budget")
"""Columns that make a sweep a curve; its last point is its value."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """A checked table.

    Attributes:
        tasks: task to its values, index seeds and columns strategies, both in the order of the table; NaN where a
            strategy has not run with a seed. One task named "" where the table has no column `task`. Independent seeds
            are in an order drawn at random, one of each strategy in turn.
        found: the same with True where a sweep has a finite value; one without has failed, is False, and counts as the
            worst of its task.
        seconds: mean time of a sweep by strategy; empty without a column `seconds`.
        curves: columns `task, strategy, seed, at, value`, the points of the sweeps; None without `epoch` or `budget`.
        along: `epoch` or `budget`; empty without either.
        independent: whether no two strategies share a seed.
    """

    tasks: dict[str, pd.DataFrame]
    found: dict[str, pd.DataFrame]
    seconds: dict[str, float]
    curves: pd.DataFrame | None
    along: str
    independent: bool

    @property
    def strategies(self) -> list[str]:
        """The strategies, in the order of the table."""
        return [str(name) for name in next(iter(self.tasks.values())).columns]


def sheet_of(frame: pd.DataFrame, mode: str, *, name: str = "table") -> Sheet:
    """Checks and reshapes a table.

    Args:
        frame: columns `strategy`, `seed`, `value`, and optionally `epoch` or `budget`, `seconds` and `task`; one row
            per sweep, or with `epoch` or `budget` one per point of its curve.
        mode: `max` or `min`: which values are better.
        name: what messages call the table.

    Raises:
        ValueError: one line that names the table, the column or row, and the remedy.
    """
    missing = [column for column in REQUIRED if column not in frame]
    if missing:
        have = ", ".join(map(str, frame.columns)) or "none"
        raise ValueError(f"{name}: lacks the column {missing[0]}; it needs {', '.join(REQUIRED)} and has {have}")
    if frame.empty:
        raise ValueError(f"{name}: has no rows")
    along = next((column for column in ALONG if column in frame), "")
    for column in ("strategy", "seed"):
        if frame[column].isna().any():
            row = int(np.flatnonzero(frame[column].isna())[0])
            raise ValueError(f"{name}: row {row + 1} has no {column}; fill it in or remove the row")
    rows = _Rows(
        strategy=_Key.of(frame["strategy"].astype(str)),
        seed=_Key.of(frame["seed"]),
        task=_Key.of(frame["task"].astype(str)) if "task" in frame else _Key(np.zeros(len(frame), dtype=int), [""]),
        value=_numbers(frame["value"], "value", name),
        at=_numbers(frame[along], along, name) if along else np.zeros(len(frame)),
    )
    if (huge := np.isfinite(rows.value) & (np.abs(rows.value) > LARGEST)).any():
        row = int(np.flatnonzero(huge)[0])
        raise ValueError(f"{name}: row {row + 1}, value is {rows.value[row]:g}; at most {LARGEST:g} can be judged")
    if len(rows.strategy.names) < 2:
        raise ValueError(f"{name}: has only the strategy {rows.strategy.names[0]}; there is nothing to compare")
    _check_once(rows, along, name)
    independent = rows.share_no_seeds()
    if independent and len(rows.task.names) == 1:
        rows = replace(rows, seed=rows.seeds_in_turn())
    if not np.isfinite(rows.value).any():
        raise ValueError(f"{name}: column value holds no finite number")
    tasks, found = _grids(rows, mode)
    return Sheet(
        tasks=tasks,
        found=found,
        seconds=_mean_seconds(rows, _numbers(frame["seconds"], "seconds", name)) if "seconds" in frame else {},
        curves=rows.curves() if along else None,
        along=along,
        independent=independent,
    )


Ints = NDArray[np.int_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Key:
    """A column as indices into its distinct values, in the order of the table."""

    codes: Ints
    names: list[Any]

    @staticmethod
    def of(column: pd.Series[Any]) -> _Key:
        codes, names = pd.factorize(column)
        return _Key(codes, list(names))


@dataclass(frozen=True, slots=True)
class _Rows:
    """The table's columns, shape (rows,) each."""

    strategy: _Key
    seed: _Key
    task: _Key
    value: Floats
    at: Floats

    def share_no_seeds(self) -> bool:
        """Whether no two strategies share a seed: independent repetitions, numbered consecutively."""
        sweeps = np.unique(np.stack([self.task.codes, self.seed.codes, self.strategy.codes]), axis=1)
        users = np.unique(sweeps[:2], axis=1).shape[1] == sweeps.shape[1]
        own = np.unique(sweeps[[0, 2]], axis=1).shape[1]
        return bool(users and sweeps.shape[1] > own)

    def seeds_in_turn(self) -> _Key:
        """Seeds that belong to one strategy each, in an order of their own: one of each strategy in turn.

        In the table they may be sorted by their values; whoever goes through them would see the best first. So those of
        a strategy are shuffled, by a generator that their values seed: the order of the rows does not matter, and no
        rank comes first in every table.
        """
        owner = np.empty(len(self.seed.names), dtype=int)
        value = np.empty(len(self.seed.names))
        owner[self.seed.codes] = self.strategy.codes
        order = np.argsort(self.at, kind="stable")  # the last point of a curve stays
        value[self.seed.codes[order]] = self.value[order]
        turns: list[tuple[int, str, int]] = []
        for strategy, name in enumerate(self.strategy.names):
            own = np.flatnonzero(owner == strategy)
            own = own[np.argsort(value[own])]
            generator = np.random.default_rng([crc32(name.encode()), crc32(value[own].tobytes())])
            turns += [(turn, name, int(seed)) for turn, seed in enumerate(generator.permutation(own))]
        seeds = np.array([seed for _, _, seed in sorted(turns)])
        return _Key(np.argsort(seeds)[self.seed.codes], [self.seed.names[seed] for seed in seeds])

    def curves(self) -> pd.DataFrame:
        """The points of the sweeps."""
        named = {
            name: np.asarray(key.names, dtype=object)[key.codes]
            for name, key in (("task", self.task), ("strategy", self.strategy), ("seed", self.seed))
        }
        return pd.DataFrame({**named, "at": self.at, "value": self.value})


def _numbers(column: pd.Series[Any], label: str, name: str) -> Floats:
    if column.dtype.kind in "fiub":
        return column.to_numpy(dtype=float)
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    # Text that spells a missing number counts as missing.
    spelt = column.isna() | column.astype(str).str.strip().str.lower().isin(ABSENT)
    text = np.isnan(numbers) & ~spelt.to_numpy()
    if text.any():
        row = int(np.flatnonzero(text)[0])
        raise ValueError(f"{name}: row {row + 1}, column {label} is {column.iloc[row]!r}; it has to be a number")
    return numbers


def _check_once(rows: _Rows, along: str, name: str) -> None:
    keys = np.stack([rows.task.codes, rows.strategy.codes, rows.seed.codes, rows.at])
    _, first, count = np.unique(keys, axis=1, return_index=True, return_counts=True)
    if not (count > 1).any():
        return
    row = int(first[count > 1].min())
    strategy, seed = rows.strategy.names[rows.strategy.codes[row]], rows.seed.names[rows.seed.codes[row]]
    task = rows.task.names[rows.task.codes[row]]
    at = f", {along} {rows.at[row]:g}" if along else ""
    of = f" of task {task}" if task else ""
    hint = "" if along else "; give one row per sweep, or a column epoch or budget for curves"
    raise ValueError(f"{name}: strategy {strategy}, seed {seed}{at}{of} appears twice{hint}")


def _grids(rows: _Rows, mode: str) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The values by task, failed sweeps counted as the worst, and which of them are real."""
    shape = (len(rows.task.names), len(rows.seed.names), len(rows.strategy.names))
    values, ran = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    order = np.argsort(rows.at, kind="stable")  # the last point of a curve stays
    at = rows.task.codes[order], rows.seed.codes[order], rows.strategy.codes[order]
    values[at], ran[at] = rows.value[order], True
    values[~np.isfinite(values)] = np.nan
    tasks, found = {}, {}
    for task, own, there in zip(rows.task.names, values, ran, strict=True):
        kept: NDArray[np.bool_] = np.asarray(there.any(axis=1))
        worst = np.nan if np.isnan(own).all() else np.nanmin(own) if mode == "max" else np.nanmax(own)
        filled = np.where(there & np.isnan(own), worst, own)[kept]
        index = pd.Index([seed for seed, keep in zip(rows.seed.names, kept, strict=True) if keep], name="seed")
        tasks[task] = pd.DataFrame(filled, index=index, columns=rows.strategy.names)
        found[task] = pd.DataFrame(np.isfinite(own[kept]), index=index, columns=rows.strategy.names)
    return tasks, found


def _mean_seconds(rows: _Rows, seconds: Floats) -> dict[str, float]:
    """A sweep's time is the largest of its rows."""
    longest: dict[tuple[int, int, int], float] = {}
    for key, value in zip(
        zip(rows.strategy.codes, rows.task.codes, rows.seed.codes, strict=True), seconds, strict=True
    ):
        if np.isfinite(value):
            longest[key] = max(longest.get(key, 0.0), float(value))
    by_strategy: dict[int, list[float]] = {}
    for (strategy, _, _), value in longest.items():
        by_strategy.setdefault(strategy, []).append(value)
    return {rows.strategy.names[code]: float(np.mean(values)) for code, values in by_strategy.items()}
