"""Configurations as numbers: one row per trial, one column per hyperparameter."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import pandas as pd

from hypertune.records.records import Records
from hypertune.space.cells import Outside, cells_of, option_label
from hypertune.space.domains import Numeric
from hypertune.space.space import Parameter


@lru_cache(maxsize=1)
def encoded(records: Records) -> pd.DataFrame:
    """Every trial's hyperparameters as numbers.

    Returns:
        Index trial ids in the order of `records.trials`, columns `Parameter.key`; a numeric hyperparameter as its
        value, a choice as its option's index, NaN where it is not active or its value is not in the space.
    """
    parameters = records.study.space.parameters()
    index = pd.Index(records.trials["trial_id"], name="trial_id")
    columns = [records.trials.get(f"config/{parameter.name}") for parameter in parameters]
    if parameters and all(map(_is_its_own_number, parameters, columns)):
        table = pd.concat(columns, axis=1, keys=[parameter.key for parameter in parameters])
        return table.astype(float).set_axis(index)
    rows = [_encode(row, records, parameters) for row in records.trials.to_dict("records")]
    return pd.DataFrame(rows, index=index, columns=[parameter.key for parameter in parameters], dtype=float)


def _is_its_own_number(parameter: Parameter, column: pd.Series[Any] | None) -> bool:
    """Whether the table of trials holds it unchanged, which saves checking each of a simulation's hundred thousand."""
    numbers = column is not None and pd.api.types.is_numeric_dtype(column) and column.dtype != bool
    return isinstance(parameter.domain, Numeric) and not parameter.parents and numbers


def _encode(row: dict[Any, Any], records: Records, parameters: tuple[Parameter, ...]) -> Mapping[str, float]:
    config, space = records.configs.get(row["trial_id"]), records.study.space
    if config is not None and space.contains(config):
        return space.encode(config)
    # Without a journal, tables hold the whole configuration of incumbents only.
    try:
        return space.encode(cells_of(space).of_row(row))
    except Outside:
        return {parameter.key: _number(parameter, row.get(f"config/{parameter.name}")) for parameter in parameters}


def _number(parameter: Parameter, cell: Any) -> float:
    if isinstance(parameter.domain, Numeric):
        return float(cell) if isinstance(cell, int | float) else math.nan
    options = [_cell(option) for option in parameter.domain.options]
    wanted = _cell(None if isinstance(cell, float) and math.isnan(cell) else cell)
    return options.index(wanted) if wanted in options else math.nan


def _cell(value: Any) -> str:
    """A value as its cell in `trials.csv` reads, whatever type the reader gave it."""
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=repr)
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def option_labels(parameter: Parameter) -> list[str]:
    """What the options of a choice are called, `option 1` and so on where they are tables of their own."""
    if isinstance(parameter.domain, Numeric):
        return []
    return [
        f"option {i}" if hasattr(option, "parameters") else option_label(option)
        for i, option in enumerate(parameter.domain.options, 1)
    ]
