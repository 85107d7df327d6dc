"""What the sweeps of a study ended with: seeds x strategies, ready to be compared seed by seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from hypertune.records.records import Records

BASELINES = ("random", "random+fifo")
"""Names of plain random search, the strategy that others are measured against."""


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """The sweeps that can be compared: every strategy on the same seeds.

    Attributes:
        strategies: those with at least one finished sweep, in study order.
        seeds: those that all of these strategies have finished, in study order.
        values: the metric of each sweep's incumbent; index seeds, columns strategies; NaN where no trial of the sweep
            reported a finite value.
        test: `test_accuracy` of each sweep's incumbent, averaged over its completed retrainings; NaN where there is
            none.
        missing: the sweeps of the study that have not finished, as `(strategy, seed)`.
    """

    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    values: pd.DataFrame
    test: pd.DataFrame
    missing: tuple[tuple[str, int], ...]


def outcomes(records: Records) -> Outcomes:
    """Reads the outcomes off the ledger; empty tables where no seed is finished by all strategies under comparison."""
    study, done = records.study, finished(records)
    pairs = set(zip(done["strategy"], done["seed"], strict=True))
    strategies = tuple(name for name in study.strategies if any((name, seed) in pairs for seed in study.seeds))
    seeds = tuple(seed for seed in study.seeds if strategies and all((name, seed) in pairs for name in strategies))
    return Outcomes(
        strategies=strategies,
        seeds=seeds,
        values=_grid(incumbent_values(records), strategies, seeds),
        test=_grid(held_out_scores(records), strategies, seeds),
        missing=tuple((name, seed) for name in study.strategies for seed in study.seeds if (name, seed) not in pairs),
    )


def finished(records: Records) -> pd.DataFrame:
    """The ledger's rows of finished sweeps."""
    return records.sweeps[records.sweeps["finished"].astype(bool)]


def incumbent_values(records: Records) -> pd.Series[float]:
    """The metric of every finished sweep's incumbent, indexed by `(strategy, seed)`; NaN where it has none."""
    done = finished(records)
    by_trial = dict(zip(records.trials["trial_id"], records.trials[records.study.metric], strict=True))
    values = [by_trial.get(trial_id, math.nan) for trial_id in done["incumbent"]]
    return pd.Series(values, index=_sweep_index(done), dtype=float)


def held_out_scores(records: Records) -> pd.Series[float]:
    """Mean `test_accuracy` over the completed retrainings of each sweep's incumbent, by `(strategy, seed)`."""
    retrained = records.retrained
    if retrained.empty or "test_accuracy" not in retrained:
        return pd.Series(index=_sweep_index(pd.DataFrame(columns=["strategy", "seed"])), dtype=float)
    completed = retrained[retrained["status"] == "completed"]
    return completed.groupby(["strategy", "seed"])["test_accuracy"].mean().astype(float)


def counted(values: pd.DataFrame, mode: str) -> pd.DataFrame:
    """`values` with a sweep that found nothing counted as the worst value any sweep ended with.

    A failure must not flatter a strategy by leaving its bad sweeps out of the mean; the worst value seen is the mildest
    finite penalty that never does.
    """
    finite = values.to_numpy(dtype=float)
    if values.size == 0 or bool(values.isna().all(axis=None)):
        return values
    return values.fillna(float(pd.Series(finite.ravel()).agg("min" if mode == "max" else "max")))


def baseline(strategies: tuple[str, ...]) -> str | None:
    """Plain random search, if it is among `strategies`."""
    return next((name for name in BASELINES if name in strategies), None)


def _grid(series: pd.Series[float], strategies: tuple[str, ...], seeds: tuple[int, ...]) -> pd.DataFrame:
    lookup = series.to_dict()
    columns = {name: [lookup.get((name, seed), math.nan) for seed in seeds] for name in strategies}
    return pd.DataFrame(columns, index=pd.Index(seeds, name="seed"), dtype=float)


def _sweep_index(frame: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([frame["strategy"], frame["seed"]], names=["strategy", "seed"])
