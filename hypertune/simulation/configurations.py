"""Converts the columns `config/<name>` of recordings back to typed configurations of a study's space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.simulation.columns import CONFIG
from hypertune.space.cells import Outside, cells_of, missing, roughly
from hypertune.space.space import Config, flatten
from hypertune.space.values import key_text
from hypertune.study.study import Study

OUTSIDE = "outside the search space"
OTHER = "recorded with other constants than [training.config]"


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
    left_out, cells = {OTHER: 0, OUTSIDE: 0}, cells_of(study.space)
    for r, row in enumerate(firsts[[CONFIG + name for name in names]].itertuples(index=False, name=None)):
        flat = {name: value for name, value in zip(names, row, strict=True) if not missing(value)}
        if not all(roughly(value, flat.get(name)) for name, value in constants.items()):
            left_out[OTHER] += 1
            continue
        try:
            config = cells.config(flat)
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
        entries = map(key_text, study.space.entries)
        if not inside and name.split("/")[0] not in entries and firsts[CONFIG + name].nunique() > 1:
            raise ValueError(
                f"{source}: {CONFIG}{name} varies but is not in the study; search it in [space], "
                f"or choose one value in [training.config]"
            )
