"""The growing learning curves of a study, stored as plain numbers so that millions of epochs fit in memory."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from hypertune.space.cells import cells_of, text_cell
from hypertune.space.space import Space

TIMES = ("elapsed_s", "wall_s")


class Curves:
    """Rows of `curves.parquet`, appended one by one and stored in columns."""

    def __init__(self) -> None:
        self._trials: dict[str, int] = {}
        self._trial, self._epoch = array("q"), array("q")
        self._elapsed_s, self._wall_s = array("d"), array("d")
        self._metrics: dict[str, array[float]] = {}

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
    ) -> None:
        """One epoch of a trial."""
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
        columns = {"epoch": self._epoch, **self._metrics, "elapsed_s": self._elapsed_s, "wall_s": self._wall_s}
        measured = pd.DataFrame({name: np.array(column) for name, column in columns.items()})
        return pd.concat([lead, measured, config], axis=1)


def config_columns(configs: list[dict[str, Any]], space: Space) -> pd.DataFrame:
    """Recorded configurations as columns `config/<path>`, one row each; see `hypertune.space.cells`."""
    frame, cells = pd.DataFrame(configs), cells_of(space)
    if cells.simple and not {"object"} & set(map(str, frame.dtypes)):
        return frame.add_prefix("config/")
    return _uniform(pd.DataFrame([cells.row(config) for config in configs])).add_prefix("config/")


def _uniform(frame: pd.DataFrame) -> pd.DataFrame:
    """Parquet has one type for each column: values that the space does not know of become text where they differ."""
    mixed = [name for name in frame if frame[name].dtype == object and frame[name].dropna().map(type).nunique() > 1]
    return frame.assign(**{str(name): frame[name].map(text_cell, na_action="ignore") for name in mixed})
