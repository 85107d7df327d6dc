"""Configurations in tables: a column for each path, `config/<path>`, and from the cells back to a configuration.

A column whose values are all numbers, all text or all true and false holds them as they are. Where a hyperparameter has
values of several kinds, or None, each cell is text: None, True, 1, 0.5, and text itself, in quotation marks where it
would be taken for one of these. An empty cell means that the hyperparameter is not active.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from hypertune.space.choices import Categorical
from hypertune.space.domains import Numeric
from hypertune.space.plan import Plan, Step
from hypertune.space.sampled import Sampled
from hypertune.space.space import Space
from hypertune.space.values import recorded

CONFIG = "config/"
"""Begins the columns of a configuration in a table that has others, too."""
NUMBERS, BOOLEANS, TEXT, MIXED = "numbers", "booleans", "text", "mixed"


class Outside(Exception):
    """A row of a table is not a configuration of the space."""


def columns(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Path to cell of the columns `config/<path>` of a row."""
    return {str(name).removeprefix(CONFIG): cell for name, cell in row.items() if str(name).startswith(CONFIG)}


class Cells:
    """The columns of a space's configurations.

    Attributes:
        spread: paths of lists and tuples that have a column for each item.
        kinds: path to the kind of its cells.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.spread = frozenset(_spread(space.plan))
        found: dict[str, set[str]] = {}
        for path, kind in _kinds(space.plan, self.spread):
            found.setdefault(path, set()).add(kind)
        self.kinds = {path: kinds.pop() if len(kinds) == 1 else MIXED for path, kinds in found.items()}

    @property
    def simple(self) -> bool:
        """Whether a recorded configuration is its own row."""
        return not self.spread and MIXED not in self.kinds.values() and not any("/" in path for path in self.kinds)

    def dtypes(self) -> dict[str, type]:
        """The columns that always hold text, for `pandas.read_csv`."""
        return {f"{CONFIG}{path}": str for path, kind in self.kinds.items() if kind in (TEXT, MIXED)}

    def row(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The cells of a recorded configuration by their paths."""
        return {path: self.cell(path, value) for path, value in self._flat(config, "")}

    def cell(self, path: str, value: Any) -> Any:
        """One value as written in the column of `path`."""
        compound = value is None or isinstance(value, list | dict)
        return text_cell(value) if compound or self.kinds.get(path) == MIXED else value

    def _flat(self, value: Any, path: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, list) and path in self.spread:
            value = dict(enumerate(value))
        if not isinstance(value, Mapping):
            yield path, value
            return
        for name, inner in value.items():
            yield from self._flat(inner, f"{path}/{name}" if path else str(name))

    def config(self, cells: Mapping[str, Any]) -> Any:
        """The configuration in a row, as it was given to trials.

        Args:
            cells: path to cell, without the empty ones.

        Raises:
            Outside: if the row is not a configuration.
        """
        return self._inside(self.space, {path: _python(cell) for path, cell in cells.items()}, "")

    def of_row(self, row: Mapping[Any, Any]) -> Any:
        """The configuration in a row of a table with other columns, too.

        Raises:
            Outside: if the row does not hold one.
        """
        return self.config({path: cell for path, cell in columns(row).items() if not missing(cell)})

    def _inside(self, space: Space, cells: Mapping[str, Any], path: str) -> Any:
        values = {name: self._entry(entry, cells, _at(space, path, name)) for name, entry in space.entries.items()}
        if space.form == "dict":
            return values
        items = list(values.values())
        return items[0] if space.form == "value" else items if space.form == "list" else tuple(items)

    def _entry(self, entry: Any, cells: Mapping[str, Any], path: str) -> Any:
        if isinstance(entry, Space):
            return self._inside(entry, cells, path)
        if isinstance(entry, Numeric):
            return _number(entry, cells.get(path))
        if isinstance(entry, Categorical):
            return self._option(entry, cells, path)
        if isinstance(entry, Sampled):
            return cells.get(path)
        if path in cells and not (self._exactly(entry, cells, path) or roughly(entry, cells[path])):
            raise Outside
        return entry

    def _option(self, domain: Categorical, cells: Mapping[str, Any], path: str) -> Any:
        mine = {name: cell for name, cell in cells.items() if name == path or name.startswith(f"{path}/")}
        constants = [option for option in domain.options if not isinstance(option, Space)]
        for option in constants:
            if self._exactly(option, mine, path):
                return option
        for option in domain.options:
            if isinstance(option, Space):
                try:
                    config = self._inside(option, mine, path)
                except Outside:
                    continue
                if mine.keys() <= dict(self._flat(recorded(config), path)).keys():
                    return config
        for option in constants:
            if mine.keys() <= {path} and roughly(option, mine.get(path)):
                return option
        raise Outside

    def _exactly(self, constant: Any, cells: Mapping[str, Any], path: str) -> bool:
        """Whether the cells are what this version writes for the constant."""
        written = {name: self.cell(name, value) for name, value in self._flat(recorded(constant), path)}
        if written.keys() != {name for name in cells if name == path or name.startswith(f"{path}/")}:
            return False
        return all(_equal(value, cells[name]) for name, value in written.items())


@lru_cache(maxsize=4)
def cells_of(space: Space) -> Cells:
    """The columns of the space's configurations, computed once."""
    return Cells(space)


def text_cell(value: Any) -> str:
    """A value in a column that holds values of several kinds."""
    if isinstance(value, list | dict):
        return json.dumps(value)
    return json.dumps(value) if isinstance(value, str) and _mistakable(value) else str(value)


def option_label(option: Any) -> str:
    """A figure's label for an option of a choice that is not a space."""
    value = recorded(option)
    return value if isinstance(value, str) else text_cell(value)


def _mistakable(text: str) -> bool:
    if text in ("", "None", "True", "False") or text[0] in '"[{':
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _spread(plan: Plan, path: str = "") -> Iterator[str]:
    if plan.form in ("list", "tuple"):
        yield path
    for step in plan.steps:
        for inner in step.inner:
            if inner is not None:
                yield from _spread(inner, step.name)


def _kinds(plan: Plan, spread: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Path and kind of everything that can appear in a table."""
    for step in plan.steps:
        if isinstance(step.entry, Numeric):
            yield step.name, NUMBERS
        for inner in step.inner:
            if inner is not None:
                yield from _kinds(inner, spread)
        for value in _constants(step):
            yield from _kinds_of(value, step.name, spread)


def _constants(step: Step) -> Iterator[Any]:
    if isinstance(step.entry, Categorical):
        options = zip(step.entry.recorded, step.inner, strict=True)
        yield from (option for option, inner in options if inner is None)
    elif step.parameter is None and not step.inner:
        yield recorded(step.entry)


def _kinds_of(value: Any, path: str, spread: frozenset[str]) -> Iterator[tuple[str, str]]:
    if isinstance(value, list) and path in spread:
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _kinds_of(inner, f"{path}/{name}", spread)
    else:
        number = isinstance(value, int | float) and value == value  # NaN would be an empty cell
        kind = BOOLEANS if isinstance(value, bool) else NUMBERS if number else MIXED
        yield path, TEXT if isinstance(value, str) and value else kind


def _at(space: Space, path: str, name: Any) -> str:
    return path if space.form == "value" else f"{path}/{name}" if path else str(name)


def _python(cell: Any) -> Any:
    return cell.item() if isinstance(cell, np.generic) else cell


def missing(cell: Any) -> bool:
    """Whether a cell is empty, however pandas represents that."""
    return (
        cell is None or type(cell).__name__ == "NAType" or (isinstance(cell, float | np.floating) and math.isnan(cell))
    )


def _number(domain: Numeric, cell: Any) -> float:
    if isinstance(cell, str):
        try:
            cell = float(cell)  # beside values of another kind
        except ValueError:
            raise Outside from None
    if cell is None or isinstance(cell, bool) or not math.isfinite(cell):
        raise Outside
    number = domain.cast(cell)
    # Tables often keep 32 bits; the bounds themselves are among the values they keep.
    if not math.isclose(number, cell, rel_tol=1e-6, abs_tol=1e-12):
        raise Outside
    return number


def _equal(value: Any, cell: Any) -> bool:
    kinds = [str if isinstance(one, str) else bool if isinstance(one, bool) else float for one in (value, cell)]
    return kinds[0] is kinds[1] and bool(value == cell)


def roughly(constant: Any, cell: Any) -> bool:
    """Whether the cell may be meant as the constant: other programs and older versions write values otherwise."""
    value = recorded(constant)
    if value is None:
        return cell in (None, "None", "null")
    if isinstance(value, bool):
        return cell is value or cell == str(value)
    if isinstance(value, int | float):
        if isinstance(cell, str):
            return cell == str(value)
        return cell is not None and not isinstance(cell, bool) and math.isclose(value, cell, rel_tol=1e-6)
    if isinstance(value, str):
        # Numbers that another program has written for text.
        return bool(cell == value) or (not isinstance(cell, str | bool | None) and str(cell) == value)
    return bool(cell == json.dumps(value) or cell == json.dumps(constant, default=repr))
