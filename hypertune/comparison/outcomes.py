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
    """The sweeps that can be compared.

    Attributes:
        strategies: those with at least one finished sweep, in study order.
        seeds: those that all of these strategies have finished, in study order; a strategy that was established as
            worse and got no further seeds need not have finished the later ones.
        values: the metric of each sweep's incumbent; index seeds, columns strategies; NaN where no trial of the sweep
            reported a finite value, and where the strategy has not run with the seed.
        ran: whether the strategy has run with the seed, the same shape.
        test: `test_accuracy` of each sweep's incumbent, averaged over its completed retrainings; NaN where there is
            none.
        judged: the values that verdicts are based on, the same shape: test scores where every incumbent was retrained
            and tested, else `values`; a sweep that found nothing counts as the worst. NaN where a strategy has not run.
        judged_on: their name, e.g. `test_accuracy`.
        missing: the sweeps of the study that have not finished, as `(strategy, seed)`.
    """

    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    values: pd.DataFrame
    ran: pd.DataFrame
    test: pd.DataFrame
    judged: pd.DataFrame
    judged_on: str
    missing: tuple[tuple[str, int], ...]

    def seeds_of(self, strategy: str) -> tuple[int, ...]:
        """The compared seeds that a strategy has run."""
        return tuple(seed for seed, ran in zip(self.seeds, self.ran[strategy], strict=True) if ran)


def outcomes(records: Records) -> Outcomes:
    """Reads the outcomes from the ledger; empty tables where no seed is finished by all strategies under comparison."""
    study, done, planned = records.study, finished(records), records.sweeps_planned
    pairs = set(zip(done["strategy"], done["seed"], strict=True))
    strategies = tuple(name for name in study.strategies if any((name, seed) in pairs for seed in study.seeds))
    lacking = {seed for name, seed in planned if name in strategies and (name, seed) not in pairs}
    seeds = tuple(
        seed for seed in study.seeds
        if seed not in lacking and any((name, seed) in pairs for name in strategies)
    )  # fmt: skip
    values = _grid(incumbent_values(records), strategies, seeds)
    values.columns.name = study.metric
    ran = pd.DataFrame({name: [(name, seed) in pairs for seed in seeds] for name in strategies}, index=values.index)
    judged_on, judged = _judged(records, values, ran)
    return Outcomes(
        strategies=strategies,
        seeds=seeds,
        values=values,
        ran=ran,
        test=_grid(held_out_scores(records), strategies, seeds),
        judged=judged,
        judged_on=judged_on,
        missing=tuple(pair for pair in planned if pair not in pairs),
    )


def _judged(records: Records, values: pd.DataFrame, ran: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    metric, mode = records.study.metric, records.study.mode
    name = metric.replace("valid_", "test_", 1)
    if metric.startswith("valid_") and name in records.retrained:
        tested = _grid(held_out_scores(records, name), tuple(values.columns), tuple(values.index))
        tested = tested.where(values.notna())
        if bool((tested.notna() | values.isna()).all(axis=None)) and bool(tested.notna().any(axis=None)):
            return name, counted(tested, mode, ran)
    return metric, counted(values, mode, ran)


def finished(records: Records) -> pd.DataFrame:
    """The ledger's rows of finished sweeps."""
    return records.sweeps[records.sweeps["finished"].astype(bool)]


def incumbent_values(records: Records) -> pd.Series[float]:
    """The metric of every finished sweep's incumbent, indexed by `(strategy, seed)`; NaN where it has none."""
    done = finished(records)
    by_trial = dict(zip(records.trials["trial_id"], records.trials[records.study.metric], strict=True))
    values = [by_trial.get(trial_id, math.nan) for trial_id in done["incumbent"]]
    return pd.Series(values, index=_sweep_index(done), dtype=float)


def held_out_scores(records: Records, name: str = "test_accuracy") -> pd.Series[float]:
    """Mean test score `name` over the completed retrainings of each sweep's incumbent, by `(strategy, seed)`."""
    retrained = records.retrained
    if retrained.empty or name not in retrained:
        return pd.Series(index=_sweep_index(pd.DataFrame(columns=["strategy", "seed"])), dtype=float)
    completed = retrained[retrained["status"] == "completed"]
    return completed.groupby(["strategy", "seed"])[name].mean().astype(float)


def counted(values: pd.DataFrame, mode: str, ran: pd.DataFrame | None = None) -> pd.DataFrame:
    """`values` with a sweep that found nothing counted as the worst value any sweep ended with.

    A failure must not flatter a strategy by leaving its bad sweeps out of the mean; the worst value seen is the mildest
    finite penalty that never does.

    Args:
        ran: which sweeps were run at all; the others stay missing. All by default.
    """
    finite = values.to_numpy(dtype=float)
    if values.size == 0 or bool(values.isna().all(axis=None)):
        return values
    worst = float(pd.Series(finite.ravel()).agg("min" if mode == "max" else "max"))
    filled = values.fillna(worst)
    return filled if ran is None else filled.where(ran)


def baseline(strategies: tuple[str, ...]) -> str | None:
    """Plain random search, if it is among `strategies`."""
    return next((name for name in BASELINES if name in strategies), None)


def _grid(series: pd.Series[float], strategies: tuple[str, ...], seeds: tuple[int, ...]) -> pd.DataFrame:
    lookup = series.to_dict()
    columns = {name: [lookup.get((name, seed), math.nan) for seed in seeds] for name in strategies}
    return pd.DataFrame(columns, index=pd.Index(seeds, name="seed"), dtype=float)


def _sweep_index(frame: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([frame["strategy"], frame["seed"]], names=["strategy", "seed"])
