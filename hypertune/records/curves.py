"""The growing learning curves of a study, stored as plain numbers so that millions of epochs fit in memory."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from hypertune.space.space import flatten

TIMES = ("elapsed_s", "wall_s")


class Curves:
    """Rows of `curves.parquet`, appended one by one and stored in columns."""

    def __init__(self) -> None:
        self._trials: dict[str, int] = {}
        self._trial, self._epoch = array("q"), array("q")
        self._elapsed_s, self._wall_s = array("d"), array("d")
        self._metrics: dict[str, array[float]] = {}
        self._configs: dict[int, Mapping[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._epoch)

    def append(
        self,
        trial_id: str,
        epoch: int,
        metrics: Mapping[str, float],
        *,
        elapsed_s: float,
        wall_s: float,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Appends one epoch of a trial; `config` gives its columns `config/<name>` if they differ from the trial's."""
        if config is not None:
            self._configs[len(self._epoch)] = config
        number = self._trials.get(trial_id)
        if number is None:
            number = self._trials[trial_id] = len(self._trials)
        if metrics.keys() != self._metrics.keys():
            self._make_room(metrics)
        for name, column in self._metrics.items():
            column.append(metrics.get(name, math.nan))
        self._trial.append(number)
        self._epoch.append(epoch)
        self._elapsed_s.append(elapsed_s)
        self._wall_s.append(wall_s)

    def _make_room(self, metrics: Mapping[str, float]) -> None:
        for name in metrics:
            if name not in self._metrics:
                self._metrics[name] = array("d", [math.nan]) * len(self._epoch)

    @property
    def trials(self) -> list[str]:
        """The trials that have rows, in the order of their first row."""
        return list(self._trials)

    def table(self, lead: pd.DataFrame, config: pd.DataFrame, metric: str) -> pd.DataFrame:
        """The rows as a table, metrics between `epoch` and `elapsed_s`.

        Args:
            lead: the columns `strategy, seed, trial_id` of `trials`, in that order of trials.
            config: the columns `config/<name>` of the same trials.
            metric: the only metric column of an empty table.
        """
        if not self._trials:
            return pd.DataFrame(columns=[*lead, "epoch", metric, *TIMES])
        trial = np.array(self._trial)
        lead, config = (part.take(trial).reset_index(drop=True) for part in (lead, config))
        if self._configs:
            config = pd.DataFrame([self._configs.get(i, row) for i, row in enumerate(config.to_dict("records"))])
        columns = {"epoch": self._epoch, **self._metrics, "elapsed_s": self._elapsed_s, "wall_s": self._wall_s}
        measured = pd.DataFrame({name: np.array(column) for name, column in columns.items()})
        return pd.concat([lead, measured, config], axis=1)


def config_columns(configs: list[dict[str, Any]]) -> pd.DataFrame:
    """Configurations as columns `config/<name>`, one row each; compound values such as lists become JSON text."""
    frame = pd.DataFrame(configs)
    if "object" in set(map(str, frame.dtypes)):
        # Only for nested or compound values; otherwise a configuration is its own row.
        return _uniform(pd.DataFrame([columns_of(config) for config in configs]))
    return frame.add_prefix("config/")


def _uniform(frame: pd.DataFrame) -> pd.DataFrame:
    """Converts columns that mix text and numbers to text, since a Parquet column has one type."""
    mixed = [name for name in frame if frame[name].dtype == object and frame[name].dropna().map(type).nunique() > 1]
    return frame.assign(**{str(name): frame[name].map(str, na_action="ignore") for name in mixed})


def columns_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """One configuration as columns `config/<name>`."""
    return {f"config/{k}": v if _plain(v) else json.dumps(v, default=repr) for k, v in flatten(config).items()}


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)
