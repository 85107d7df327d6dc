"""What the trials of a design ended with: one row per run, ready to be averaged over cells and paired by seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.comparison.encoding import encoded
from hypertune.comparison.outcomes import finished
from hypertune.comparison.statistics import grid_step
from hypertune.records.records import Records
from hypertune.space.domains import Numeric
from hypertune.study.design import EPOCHS, Factor
from hypertune.study.hypotheses import PARAMETERS, SECONDS, VALUE, Where
from hypertune.study.study import Study

OUTCOMES = (VALUE, SECONDS, PARAMETERS)


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs of a design.

    The value of a run is the metric **at** its last epoch: the best over the epochs would flatter longer and noisier
    trainings. A run that failed or diverged counts as the worst value of any
    run, so that a setting which fails sometimes is not judged by its lucky runs.

    Attributes:
        factors: what was varied.
        table: columns are the factors' names, each with the level's position, `seed, trial_id, value, seconds`
            (training), `parameters` (weights, NaN where the trainable does not report them) and `lost`.
        seeds: those that ran every cell.
        baseline: of `one_at_a_time`, factor to the level's position; empty for a grid.
        step: the distance between neighbouring values of the metric, e.g. one image in the validation split.
    """

    factors: tuple[Factor, ...]
    table: pd.DataFrame
    seeds: tuple[int, ...]
    baseline: Mapping[str, int]
    step: float

    def factor(self, name: str) -> Factor:
        return next(factor for factor in self.factors if factor.name == name)

    def at(self, where: Where, outcome: str = VALUE) -> pd.Series[float]:
        """Mean outcome by seed of the cells that `where` selects.

        In a grid the other factors are averaged over; one at a time they are at their baseline.
        """
        rows = self.rows(where)
        return rows.groupby("seed")[outcome].mean().reindex(list(self.seeds)).astype(float)

    def figure_of(self, names: list[str]) -> str:
        """Which figure shows a claim about these factors: a heatmap where there are two or more of them."""
        named = [name for name in dict.fromkeys(names) if name in {factor.name for factor in self.factors}]
        if len(named) < 2 or self.baseline:
            return level_figure(named[0]) if named else "cells"
        return "heatmap"

    def rows(self, where: Where) -> pd.DataFrame:
        """The runs of those cells."""
        wanted = {**self.baseline, **{name: self.factor(name).levels.index(level) for name, level in where}}
        chosen = np.ones(len(self.table), dtype=bool)
        for name, position in wanted.items():
            chosen &= (self.table[name] == position).to_numpy()
        return self.table[chosen]

    def cells(self, outcome: str = VALUE) -> NDArray[np.float64]:
        """The outcome of every cell of a grid: one axis per factor, the last one for the seeds."""
        shape = (*(len(factor.levels) for factor in self.factors), len(self.seeds))
        values = np.full(shape, np.nan)
        places = [self.table[factor.name].to_numpy(dtype=int) for factor in self.factors]
        seeds = self.table["seed"].map({seed: i for i, seed in enumerate(self.seeds)}).to_numpy(dtype=int)
        values[(*places, seeds)] = self.table[outcome].to_numpy(dtype=float)
        return values


def level_figure(name: str) -> str:
    """Name of one factor's figure; safe as an id and as a file name."""
    return f"level-{name.replace('/', '-')}"


def runs(records: Records) -> Runs:
    """Reads the runs from the records; empty where no seed has run every cell.

    Raises:
        ValueError: if the study has no design.
    """
    study = records.study
    if study.design is None:
        raise ValueError(f"{study.name}: has no [design]; a searcher's trials are not cells of a design")
    factors, done = study.factors(), set(finished(records)["seed"])
    seeds = tuple(seed for seed in study.seeds if seed in done)
    table = _measured(records, study.design.epochs or [study.training.max_epochs], seeds)
    positions = _positions(records, factors)
    table = table.join(positions, on="trial_id")
    if study.design.epochs is not None:
        table[EPOCHS] = table["epoch"].map({epoch: i for i, epoch in enumerate(study.design.epochs)})
    return Runs(
        factors=factors,
        table=_counted(table.drop(columns=["epoch"]), study.mode),
        seeds=seeds,
        baseline=_baseline(study, factors),
        step=grid_step(table[VALUE].dropna()),
    )


def weights(records: Records) -> pd.Series[float]:
    """The size of every trial's model in weights, by trial id; without the trials that do not report it."""
    by_trial = records.curves.reindex(columns=["trial_id", PARAMETERS]).groupby("trial_id")[PARAMETERS]
    return by_trial.last().astype(float)


def _measured(records: Records, epochs: list[int], seeds: tuple[int, ...]) -> pd.DataFrame:
    """One row per trial and level of `epochs`, with its curve's value there; NaN if it never got that far."""
    columns = {records.study.metric: VALUE, "elapsed_s": SECONDS, PARAMETERS: PARAMETERS}
    curves = records.curves.reindex(columns=["trial_id", "epoch", *columns]).rename(columns=columns)
    trials = records.trials.loc[records.trials["seed"].isin(seeds), ["trial_id", "seed", "status", "epochs"]]
    table = trials.merge(pd.DataFrame({"epoch": epochs}), how="cross").merge(
        curves, how="left", on=["trial_id", "epoch"]
    )
    # The epoch in which training diverged is not a result, whatever accuracy its broken weights have.
    broken = (table["status"] == "diverged") & (table["epoch"] >= table["epochs"])
    table.loc[broken, [VALUE, SECONDS]] = np.nan
    table.loc[~np.isfinite(table[VALUE].astype(float)), VALUE] = np.nan
    table["lost"] = table[VALUE].isna()
    return table[["trial_id", "seed", "epoch", *OUTCOMES, "lost"]].astype(dict.fromkeys(OUTCOMES, float))


def _counted(table: pd.DataFrame, mode: str) -> pd.DataFrame:
    """A run that was lost counts as the worst of all."""
    return table.assign(**{VALUE: table[VALUE].fillna(table[VALUE].min() if mode == "max" else table[VALUE].max())})


def _positions(records: Records, factors: tuple[Factor, ...]) -> pd.DataFrame:
    """Every trial's level of every hyperparameter that is varied, as its position among the levels."""
    numbers = encoded(records)
    domains = {parameter.key: parameter.domain for parameter in records.study.space.parameters()}
    places = {}
    for factor in factors:
        if factor.name in domains:
            domain = domains[factor.name]
            places[factor.name] = [_position(factor, domain, number) for number in numbers[factor.name]]
    return pd.DataFrame(places, index=numbers.index)


def _position(factor: Factor, domain: Any, number: float) -> int:
    """The level nearest to a number of `encoded`, since a file may have rounded it."""
    if isinstance(domain, Numeric):
        return int(np.argmin([abs(level - number) for level in factor.levels]))
    return factor.levels.index(domain.options[int(number)])


def _baseline(study: Study, factors: tuple[Factor, ...]) -> dict[str, int]:
    assert study.design is not None
    if study.design.kind == "grid":
        return {}
    numbers = study.space.encode(study.design.cells(study.space).config(0))
    domains = {parameter.key: parameter.domain for parameter in study.space.parameters()}
    return {
        factor.name: factor.levels.index(study.training.max_epochs)
        if factor.name not in domains
        else _position(factor, domains[factor.name], numbers[factor.name])
        for factor in factors
    }
