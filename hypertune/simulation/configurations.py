"""Converts the columns `config/<name>` of recordings back to typed configurations of a study's space."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.simulation.columns import CONFIG
from hypertune.space.domains import Numeric
from hypertune.space.space import Categorical, Config, Space, flatten
from hypertune.study.study import Study

OUTSIDE = "outside the search space"
OTHER = "recorded with other constants than [training.config]"


class Outside(Exception):
    """A recorded configuration is not in the space."""


def read_configs(
    firsts: pd.DataFrame, study: Study, source: str
) -> tuple[list[Config], NDArray[np.int64], dict[str, int]]:
    """The distinct configurations of the space that were recorded.

    Args:
        firsts: one row per recording.

    Returns:
        The K configurations; the index of each recording's configuration, shape (R,), -1 if it is left out; and the
        number of recordings left out, by reason.

    Raises:
        ValueError: for a hyperparameter without a column, a varying column that is not a hyperparameter, or if no
            recording is left.
    """
    names = [str(name).removeprefix(CONFIG) for name in firsts if str(name).startswith(CONFIG)]
    constants = {name: value for name, value in flatten(study.training.config).items() if name in names}
    _check_names(firsts, names, constants, study, source)
    configs: dict[str, tuple[int, Config]] = {}
    config_of = np.full(len(firsts), -1, dtype=np.int64)
    left_out = {OTHER: 0, OUTSIDE: 0}
    for r, row in enumerate(firsts[[CONFIG + name for name in names]].itertuples(index=False, name=None)):
        flat = {name: value for name, value in zip(names, row, strict=True) if not _missing(value)}
        if not all(_same(value, flat.get(name)) for name, value in constants.items()):
            left_out[OTHER] += 1
            continue
        try:
            config = config_from(study.space, flat)
        except Outside:
            left_out[OUTSIDE] += 1
            continue
        config_of[r] = configs.setdefault(repr(config), (len(configs), config))[0]
    left_out = {reason: count for reason, count in left_out.items() if count}
    if not configs:
        reasons = "; ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise ValueError(f"{source}: no recording can be used ({reasons}); compare [space] with its config columns")
    return [config for _, config in configs.values()], config_of, left_out


def _check_names(
    firsts: pd.DataFrame, names: list[str], constants: Mapping[str, Any], study: Study, source: str
) -> None:
    searched = {parameter.name for parameter in study.space.parameters()}
    for parameter in study.space.parameters():
        held = any(name == parameter.name or name.startswith(f"{parameter.name}/") for name in names)
        if not held and not parameter.parents:
            raise ValueError(
                f"{source}: lacks the column {CONFIG}{parameter.name} of the hyperparameter {parameter.name}; "
                f"it has {', '.join(CONFIG + name for name in names) or 'no config columns'}"
            )
    for name in names:
        inside = name in constants or any(name == s or name.startswith(f"{s}/") for s in searched)
        if not inside and name.split("/")[0] not in study.space.entries and firsts[CONFIG + name].nunique() > 1:
            raise ValueError(
                f"{source}: {CONFIG}{name} varies but is not in the study; search it in [space], "
                f"or choose one value in [training.config]"
            )


def config_from(space: Space, flat: Mapping[str, Any], path: str = "") -> Config:
    """The configuration of `space` with the columns `flat` (path to value, without missing values).

    Raises:
        Outside: if there is no such configuration.
    """
    return {name: _entry(entry, flat, path + name) for name, entry in space.entries.items()}


def _entry(entry: Any, flat: Mapping[str, Any], path: str) -> Any:
    if isinstance(entry, Space):
        return config_from(entry, flat, f"{path}/")
    if isinstance(entry, Numeric):
        return _number(entry, flat.get(path))
    if isinstance(entry, Categorical):
        return _option(entry, flat, path)
    if path in flat and not _same(entry, flat[path]):
        raise Outside
    return entry


def _number(domain: Numeric, value: Any) -> float:
    if value is None or isinstance(value, str | bool):
        raise Outside
    number = domain.cast(float(value))
    # Tables often store 32-bit floats, which may round a value at a bound to just outside it.
    if not math.isclose(number, value, rel_tol=1e-6, abs_tol=1e-12):
        raise Outside
    return number


def _option(domain: Categorical, flat: Mapping[str, Any], path: str) -> Any:
    below = {name for name in flat if name.startswith(f"{path}/")}
    for option in domain.options:
        if not isinstance(option, Space):
            if not below and _same(option, flat.get(path)):
                return option
            continue
        try:
            config = config_from(option, flat, f"{path}/")
        except Outside:
            continue
        held = {name for name, value in flatten(config, f"{path}/").items() if value is not None}
        if below <= held and path not in flat:
            return config
    raise Outside


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float | np.floating) and math.isnan(value))


def _same(constant: Any, value: Any) -> bool:
    """Whether `value` is how a table stores `constant`."""
    if constant is None or isinstance(constant, str | bool):
        return type(value) is type(constant) and bool(value == constant)
    if isinstance(constant, int | float):
        return not isinstance(value, str | bool | None) and math.isclose(constant, value, rel_tol=1e-6)
    return bool(value == json.dumps(constant, default=repr))
