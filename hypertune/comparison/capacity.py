"""How many workers to rent: time and cost to a target against the number of workers, and where the knee is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.comparison.anytime import change_points, first_reached, on_points, reached_between, steps_by_seed
from hypertune.comparison.numbers import duration, number
from hypertune.comparison.outcomes import baseline, counted, outcomes
from hypertune.records.records import Records

Floats = NDArray[np.float64]

WORTH = 0.5
"""Least share of a perfect speed-up that more workers must yield: twice as many must be 2 ** 0.5 = 1.4 times as
fast."""
NOTHING_GAINED = 1.05
"""A speed-up below this counts as none."""

COLUMNS = (
    "strategy", "workers", "time_s", "time_s_low", "time_s_high", "cost_worker_s", "speedup", "reached", "value",
    "utilisation", "knee",
)  # fmt: skip


def default_target(records: Records) -> float:
    """The mean value that random search ends with; without it, that of the worst strategy.

    Raises:
        ValueError: if no sweep reported a finite value.
    """
    facts = outcomes(records)
    means = counted(facts.values, records.study.mode, facts.ran).mean()
    worst = means.min() if records.study.mode == "max" else means.max()
    reference = baseline(facts.strategies)
    target = float(means[reference] if reference else worst)
    if not math.isfinite(target):
        raise ValueError(f"no sweep reached a finite {records.study.metric}; there is nothing to size a cluster for")
    return target


def rows_of(records: Records, target: float, workers: int) -> list[dict[str, Any]]:
    """One row per strategy for a study simulated with that many workers, the columns of `capacity_table` without those
    that compare numbers of workers.

    `time_s` is when the mean incumbent over the seeds first reaches the target, as in the comparison table; NaN if
    never. `cost_worker_s` is the worker time rented until then: workers times seconds. `reached` is the share of sweeps
    that reach the target individually, `value` the mean final value.
    """
    facts = outcomes(records)
    steps, end = steps_by_seed(records, facts, "wall_s")
    sign = 1.0 if records.study.mode == "max" else -1.0
    ledger = records.sweeps.groupby("strategy")
    rows = []
    for name, sweeps in steps.items():
        grid = change_points(sweeps, end)
        scores = on_points(grid, sweeps)
        time_s = _finite(first_reached(scores.mean(axis=0)[None], sign * target, grid)[0])
        low, high = (_finite(end) for end in reached_between(scores, sign * target, grid))
        own = ledger.get_group(name)
        rows.append(
            {
                "strategy": name, "workers": workers, "time_s": time_s, "time_s_low": low, "time_s_high": high,
                "cost_worker_s": workers * time_s, "reached": float((scores[:, -1] >= sign * target).mean()),
                "value": float(facts.values[name].mean()),
                "utilisation": float(own["busy_s"].sum() / (own["workers"] * own["wall_s"]).sum()),
            }
        )  # fmt: skip
    return rows


def capacity_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows by strategy and ascending workers, with `speedup` over the fewest workers that reached the target, and
    `knee` where more workers are no longer worth it."""
    frame = pd.DataFrame(rows)
    order = {name: i for i, name in enumerate(dict.fromkeys(frame["strategy"]))}
    frame = frame.sort_values(["strategy", "workers"], key=lambda c: c.map(order) if c.name == "strategy" else c)
    parts = []
    for _, part in frame.groupby("strategy", sort=False):
        times = part["time_s"].to_numpy(dtype=float)
        finite = times[np.isfinite(times)]
        at = knee(part["workers"].tolist(), times.tolist())
        parts.append(part.assign(speedup=finite[0] / times if finite.size else math.nan, knee=part["workers"] == at))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def knee(workers: Sequence[int], times: Sequence[float]) -> int | None:
    """The number of workers up to which every step yielded at least half of a perfect speed-up, on a logarithmic scale.

    None if the target was never reached.
    """
    known = [(n, t) for n, t in zip(workers, times, strict=True) if math.isfinite(t)]
    if not known:
        return None
    best = known[0]
    for n, t in known[1:]:
        if math.log(max(best[1], 1e-9) / max(t, 1e-9)) < WORTH * math.log(n / best[0]):
            break
        best = (n, t)
    return best[0]


def at_knees(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """The rows at the knees, the lowest product of time and cost first.

    More workers are worth it as long as that product falls, which is how a knee is defined; so one rule picks both the
    number of workers and the strategy.
    """
    knees: list[dict[Any, Any]] = table[table["knee"]].to_dict("records")
    return sorted(knees, key=lambda row: row["time_s"] * row["cost_worker_s"])


def sentences(table: pd.DataFrame, metric: str, target: float) -> list[str]:
    """What to rent, one sentence per strategy, the best first; see `at_knees`."""
    knees = at_knees(table)
    told = [_sentence(row, table, metric, target) for row in knees]
    reached = {row["strategy"] for row in knees}
    never = [name for name in dict.fromkeys(table["strategy"]) if name not in reached]
    return told + [f"{name}: does not reach {metric} {number(target)} within its budget" for name in never]


def _sentence(row: Mapping[Any, Any], table: pd.DataFrame, metric: str, target: float) -> str:
    n, name = int(row["workers"]), row["strategy"]
    cost = duration(row["cost_worker_s"])
    lead = (
        f"{name}: rent {n} worker{'s' if n > 1 else ''}: {metric} {number(target)} after {duration(row['time_s'])}, "
        f"for {cost} of worker time"
    )
    more = table[(table["strategy"] == name) & (table["workers"] > n)]
    if more.empty:
        return f"{lead}; more than {n} were not simulated"
    after = more.iloc[0]
    if not math.isfinite(after["time_s"]):
        return f"{lead}; with {after['workers']} the budget runs out first"
    gain = row["time_s"] / more["time_s"].min()
    if not gain > NOTHING_GAINED:
        return f"{lead}; beyond that {name} gains nothing"
    faster, dearer = row["time_s"] / after["time_s"], after["cost_worker_s"] / row["cost_worker_s"]
    return f"{lead}; {after['workers']} are {faster:.2g} times as fast for {dearer:.2g} times the cost"


def _finite(time_s: float) -> float:
    """A time as in the table, where one that is never reached is missing."""
    return float(time_s) if math.isfinite(time_s) else math.nan
