"""The median stopping rule (Golovin et al., 2017, "Google Vizier", section 3.2.2)."""

from __future__ import annotations

import statistics
from functools import partial
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from hypertune.space.space import Space
from hypertune.strategies.plugin import scheduler
from hypertune.strategies.score import FAILURE, score


class MedianScheduler(FIFOScheduler):
    """Stops a trial whose best value so far is worse than the median of the others' running averages up to the same
    epoch.

    The others are all trials that reported at that epoch, finished or not. Vizier counts finished trials only, of
    which parallel sweeps have none for a long time. A failed trial counts as the worst from its failure on. Ray's own
    rule keys its state by trial object and counts the final result twice.
    """

    def __init__(self, *, metric: str, mode: str, grace_period: int, min_trials: int) -> None:
        super().__init__()
        self._metric, self._mode = metric, mode
        self._score = partial(score, metric=metric, mode=mode)
        self._grace_period = grace_period
        self._min_trials = min_trials
        self._curves: dict[str, list[float]] = {}
        self._averages: dict[int, dict[str, float]] = {}
        self._failed: set[str] = set()

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Applies the rule at the reported epoch."""
        trial_id, epoch = trial.trial_id, result["epoch"]
        curve = self._curves.setdefault(trial_id, [])
        curve.append(self._score(result))
        there = self._averages.setdefault(epoch, {})
        averages = [average for other, average in there.items() if other != trial_id]
        averages += [FAILURE for other in self._failed if other not in there]
        there[trial_id] = statistics.fmean(curve)
        ready = epoch >= self._grace_period and len(averages) >= self._min_trials
        bad = ready and max(curve) < statistics.median(averages)
        return TrialScheduler.STOP if bad else TrialScheduler.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self._failed.add(trial.trial_id)

    def debug_string(self) -> str:
        return f"median stopping rule: {len(self._curves)} trials seen"


@scheduler(summary="stops trials below the median of the others' averages")
def median(
    space: Space,
    *,
    metric: str,
    mode: str,
    seed: int,
    max_epochs: int,
    grace_period: int = 1,
    min_trials: int = 3,
) -> TrialScheduler:
    """The median stopping rule.

    Args:
        grace_period: no trial is stopped before this many epochs.
        min_trials: other trials that must have reached the epoch before the rule applies.

    Raises:
        ValueError: for options below 1.
    """
    if grace_period < 1 or min_trials < 1:
        raise ValueError("grace_period and min_trials must be at least 1")
    return MedianScheduler(metric=metric, mode=mode, grace_period=grace_period, min_trials=min_trials)
