"""Everything concluded from a study's sweeps, computed once for the table, the verdicts and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from hypertune.comparison.judgement import Judgement, judge_values
from hypertune.comparison.outcomes import Outcomes, finished, outcomes
from hypertune.comparison.statistics import grid_step, mean_ranks, p_best
from hypertune.comparison.target import Target, to_target
from hypertune.records.records import Records


@dataclass(frozen=True, kw_only=True, eq=False)
class Assessment:
    """A study, compared.

    Attributes:
        outcomes: the sweeps under comparison and their values.
        means: mean of the judged values by strategy.
        step: the grid on which the judged values lie, e.g. 1/360 for accuracies on 360 images; 0 if there is none.
        seconds_per_sweep: mean wall-clock time by strategy.
        judgement: the verdicts; None with fewer than two strategies or without any value.
        ranks: mean rank by strategy over the seeds that all strategies have run, 1 the best.
        p_best: posterior probability of the best mean by strategy; missing with one seed.
        seconds, epochs: when the strategies reach the target; None if nothing can be compared.
    """

    records: Records
    outcomes: Outcomes
    means: pd.Series[float]
    step: float
    seconds_per_sweep: dict[str, float]
    judgement: Judgement | None
    ranks: pd.Series[float]
    p_best: pd.Series[float]
    seconds: Target | None
    epochs: Target | None

    @property
    def leader(self) -> str | None:
        """The strategy with the best mean, failed sweeps counted as the worst; None if no trial succeeded."""
        if self.judgement is None:
            found = self.outcomes.seeds and self.means.notna().any()
            return self.outcomes.strategies[0] if found else None
        return self.judgement.leaders[0]


def seconds_per_sweep(records: Records) -> dict[str, float]:
    """Mean wall-clock time of the finished sweeps by strategy."""
    costs = finished(records).groupby("strategy")["wall_s"].mean()
    return {str(name): float(value) for name, value in costs.items()}


def judge_outcomes(records: Records, facts: Outcomes, seconds: Mapping[str, float]) -> Judgement | None:
    """The verdicts on a study; None with fewer than two strategies or without any value."""
    if len(facts.strategies) < 2 or not bool(facts.judged.notna().any(axis=None)):
        return None
    study, found = records.study, facts.values.notna()
    return judge_values(facts.judged, study.mode, margin=study.practical_margin, seconds=seconds, found=found)


@lru_cache(maxsize=1)
def assess(records: Records, *, seed: int = 0) -> Assessment:
    """Compares the strategies of a study; `seed` seeds the posterior's draws.

    The last assessment is cached, since the tables, both reports and the terminal all use it.
    """
    facts, mode = outcomes(records), records.study.mode
    common = facts.judged.dropna()
    seconds = seconds_per_sweep(records)
    judgement = judge_outcomes(records, facts, seconds)
    step = grid_step(facts.judged) if judgement else 0.0
    return Assessment(
        records=records,
        outcomes=facts,
        means=facts.judged.mean(),
        step=step,
        seconds_per_sweep=seconds,
        judgement=judgement,
        ranks=mean_ranks(common, mode),
        p_best=p_best(common, mode, step=step, seed=seed),
        seconds=to_target(records, "wall_s"),
        epochs=to_target(records, "epochs"),
    )
