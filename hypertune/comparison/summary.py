"""The experiments of a study, one row per configuration: what they gave, what they cost, and the trade-off."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.comparison.effects import estimate
from hypertune.comparison.runs import Runs, runs, weights
from hypertune.records.records import Records
from hypertune.space.cells import CONFIG, columns
from hypertune.study.hypotheses import PARAMETERS, SECONDS, VALUE

COSTS = (SECONDS, PARAMETERS)


@lru_cache(maxsize=1)  # the tables, both reports and a figure show parts of it
def experiment_summary(records: Records) -> pd.DataFrame:
    """One row per configuration, the best first; the columns of `experiment_summary.csv`.

    With a design a configuration is a cell, run with several seeds: `<metric>` is the mean of the values at the last
    epoch, `low` and `high` its 95 % t-interval, `sd` the spread over seeds. Without a design every trial is its own
    configuration, `<metric>` is its best value, and there is no interval or spread.

    Only full trainings can be on the front or recommended: those of a searcher's trials that ran all epochs. Without a
    design `recommended` marks the best of them, of equal ones the fastest: which strategy and which of its
    configurations to take is another question, which `Result.best` answers.

    Returns:
        Columns `first_started_at`, the hyperparameters (`epochs` among them), `runs, lost, <metric>, low, high, sd,
        seconds` (training, mean), `parameters` (weights), `on_front, recommended`. Unknown numbers are NaN.
    """
    table = _cells(records) if records.study.design is not None else _trials(records)
    front, recommended = _front(table, records)
    table = table.assign(on_front=front, recommended=recommended)
    order = table.sort_values(records.study.metric, ascending=records.study.mode == "min", kind="stable")
    return order.reset_index(drop=True)


def hyperparameters(records: Records) -> list[str]:
    """The columns of `experiment_summary` that say what a configuration is."""
    if records.study.design is not None:
        return [factor.name for factor in records.study.factors()]
    return ["strategy", "epochs", *(_called(path, records) for path in _searched(records))]


def _searched(records: Records) -> list[str]:
    """Paths of the columns of trials that hold what is searched, also of what is active in some trials only."""
    space = records.study.space
    names = {parameter.name for parameter in space.parameters()} | set(space.sampled())
    return [path for path in columns(dict.fromkeys(records.trials)) if not names.isdisjoint(_upwards(path))]


def _upwards(path: str) -> Iterator[str]:
    """The path and all above it: an option that is a table has columns of its own, `opt/kind` of `opt`."""
    yield path
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _called(name: str, records: Records) -> str:
    """A hyperparameter's column: its name, unless the summary has another column of that name."""
    own = ("strategy", "epochs", "runs", "low", "high", "sd", "lost", *COSTS, records.study.metric)
    return f"{CONFIG}{name}" if name in own else name


def _cells(records: Records) -> pd.DataFrame:
    facts = runs(records)
    names = [factor.name for factor in facts.factors]
    began = dict(zip(records.trials["trial_id"], records.trials["started_at"], strict=True))
    rows = [_cell(facts, names, rows, began, records.study.metric) for _, rows in _by_cell(facts, names)]
    named = ["first_started_at", *names, "runs", "lost", records.study.metric, "low", "high", "sd", *COSTS]
    return pd.DataFrame(rows, columns=named)


def _by_cell(facts: Runs, names: list[str]) -> Any:
    return facts.table.groupby(names, sort=True) if names else [((), facts.table)]


def _cell(facts: Runs, names: list[str], rows: pd.DataFrame, began: dict[str, Any], metric: str) -> dict[str, Any]:
    levels = {name: facts.factor(name).levels[int(rows[name].iloc[0])] for name in names}
    own = estimate(rows[VALUE], step=facts.step)
    return {
        "first_started_at": min(began[trial_id] for trial_id in rows["trial_id"]), **levels, "runs": len(rows),
        "lost": int(rows["lost"].sum()), metric: own.effect, "low": own.low, "high": own.high,
        "sd": float(rows[VALUE].std(ddof=1)), SECONDS: float(rows[SECONDS].mean()),
        PARAMETERS: float(rows[PARAMETERS].mean()),
    }  # fmt: skip


def _trials(records: Records) -> pd.DataFrame:
    trials, metric = records.trials, records.study.metric
    lost = trials["status"].isin(["failed", "diverged"]).astype(int)
    return pd.DataFrame(
        {
            "first_started_at": trials["started_at"], "strategy": trials["strategy"], "epochs": trials["epochs"],
            **{_called(path, records): trials[f"{CONFIG}{path}"] for path in columns(dict.fromkeys(trials))},
            "runs": 1, "lost": lost, metric: trials[metric].astype(float), "low": math.nan, "high": math.nan,
            "sd": math.nan, SECONDS: trials["train_s"].astype(float),
            PARAMETERS: trials["trial_id"].map(weights(records)).astype(float),
        }
    )  # fmt: skip


def _front(table: pd.DataFrame, records: Records) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which configurations are Pareto-optimal in value, training time and size, and which one is recommended.

    The recommended one trains fastest among those on the front within one standard error of the best value
    (the one-standard-error rule of Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3); if
    nothing was repeated and the error is unknown, it is the best itself.
    """
    sign = 1.0 if records.study.mode == "max" else -1.0
    value = sign * table[records.study.metric].to_numpy(dtype=float)
    usable = np.isfinite(value) & (table["lost"] == 0).to_numpy() & full_trainings(table, records)
    costs = table[list(COSTS)].to_numpy(dtype=float)
    front = pareto(np.column_stack([-value, costs]), usable)
    recommended = np.zeros(len(table), dtype=bool)
    if front.any():
        best = int(np.argmax(np.where(front, value, -np.inf)))
        error = table["sd"].to_numpy(dtype=float)[best] / math.sqrt(table["runs"].iloc[best])
        close = front & (value >= value[best] - (error if math.isfinite(error) else 0.0))
        recommended[int(np.argmin(np.where(close, np.nan_to_num(costs[:, 0]), np.inf)))] = True
    return front, recommended


def full_trainings(table: pd.DataFrame, records: Records) -> NDArray[np.bool_]:
    """Which rows of the summary are full trainings, or if no trial ran all epochs, the longest ones.

    One that was stopped early is cheap because it is unfinished, not because of its configuration.
    """
    if records.study.design is not None or table.empty:
        return np.ones(len(table), dtype=bool)
    wanted = min(records.study.training.max_epochs, int(table["epochs"].max()))
    return (table["epochs"] >= wanted).to_numpy(dtype=bool)


def pareto(points: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows no other row dominates; smaller is better in every column, and a column with NaN does not count.

    Args:
        points: shape (rows, columns).
        usable: rows that take part.
    """
    front = np.zeros(len(points), dtype=bool)
    known = points[:, ~np.isnan(points[usable]).any(axis=0)] if usable.any() else points[:, :0]
    left = np.flatnonzero(usable)
    if known.shape[1]:
        # In lexicographic order the first remaining row is on the front: no later row can dominate it.
        left = left[np.lexsort(known[left].T[::-1])]
    while left.size:
        rows, best = known[left], known[left[0]]
        front[left[(rows == best).all(axis=1)]] = True
        left = left[(rows < best).any(axis=1)]
    return front
