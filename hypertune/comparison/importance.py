"""Which hyperparameters matter, by Optuna's PED-ANOVA on the trials of all strategies together."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from hypertune.comparison.encoding import encoded
from hypertune.records.records import Records
from hypertune.space.domains import Numeric
from hypertune.space.space import Parameter

FEWEST_TRIALS = 20
MOST_TRIALS = 5000
"""A sample of this many completed trials is as good as all of a simulation's hundred thousand."""
MOST_VALUES = 60_000
"""Trials times hyperparameters: Optuna copies each value several times."""
TOP_TRIALS = 5
"""PED-ANOVA should see at least this many trials above its quantile, as Optuna advises."""


@lru_cache(maxsize=1)  # used by both the table and the figures
def importances(records: Records) -> pd.DataFrame:
    """How much each hyperparameter determines whether a trial is among the best tenth.

    PED-ANOVA (Watanabe, Bansal and Hutter 2023, arXiv:2304.10255) as implemented in Optuna, on completed trials only:
    values of early-stopped ones have a lower fidelity. With fewer than 50 trials the best tenth is widened to five
    trials.

    Returns:
        Columns `hyperparameter` (its key in the space) and `importance` (they sum to 1), the greatest first; empty with
        fewer than `FEWEST_TRIALS` completed trials or one hyperparameter.
    """
    parameters = records.study.space.parameters()
    trials = records.trials.set_index("trial_id")
    completed = trials[(trials["status"] == "completed") & np.isfinite(trials[records.study.metric].astype(float))]
    if len(completed) < FEWEST_TRIALS or len(parameters) < 2:
        return pd.DataFrame(columns=["hyperparameter", "importance"])
    most = min(MOST_TRIALS, max(MOST_VALUES // len(parameters), 200))
    completed = completed.sample(min(len(completed), most), random_state=0).sort_index()
    numbers = encoded(records).loc[completed.index]
    values = _evaluate(numbers, completed[records.study.metric].astype(float), parameters, records.study.mode)
    table = pd.DataFrame(list(values.items()), columns=["hyperparameter", "importance"])
    return table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def _evaluate(
    numbers: pd.DataFrame, scores: pd.Series[float], parameters: tuple[Parameter, ...], mode: str
) -> dict[str, float]:
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    distributions = {p.key: _distribution(p, numbers[p.key]) for p in parameters if numbers[p.key].notna().any()}
    study = _quiet_study(optuna, "maximize" if mode == "max" else "minimize")
    for row, score in zip(numbers.to_dict("records"), scores, strict=True):
        active = {key: row[key] for key in distributions if not np.isnan(row[key])}
        trial = optuna.trial.create_trial(
            params={key: _typed(value, distributions[key]) for key, value in active.items()},
            distributions={key: distributions[key] for key in active},
            value=float(score),
        )
        study.add_trial(trial)
    quantile = min(1.0, max(0.1, TOP_TRIALS / len(scores)))
    return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=quantile))


def _quiet_study(optuna: Any, direction: str) -> Any:
    """A study in memory, without Optuna's log message on stderr."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(direction=direction, sampler=optuna.samplers.RandomSampler(seed=0))
    finally:
        optuna.logging.set_verbosity(level)


def _distribution(parameter: Parameter, values: pd.Series[float]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    domain = parameter.domain
    if not isinstance(domain, Numeric):
        return CategoricalDistribution(tuple(range(len(domain.options))))
    # A normal distribution has no bounds: the tried range stands in for them.
    low, high = (float(values.min()), float(values.max())) if domain.normal else (domain.low, domain.high)
    if domain.integer:
        return IntDistribution(int(low), int(high), log=domain.log)
    return FloatDistribution(low, high, log=domain.log)


def _typed(value: float, distribution: Any) -> float | int:
    return float(value) if type(distribution).__name__ == "FloatDistribution" else int(value)
