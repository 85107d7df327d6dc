"""ASHA, asynchronous successive halving (Li et al., 2020, "A System for Massively Parallel Hyperparameter Tuning").

The decision rule is the stopping variant that Ray Tune and Syne Tune use, not the paper's promotion (Algorithm 2): a
trial that reaches a rung is stopped unless it is among the best 1/eta of the trials that reached it so far; otherwise
it trains on without a pause. So no trial waits and no checkpoints are needed; the price is that early trials pass a
rung before there is anything to compare them with.
"""

from __future__ import annotations

import math
from bisect import insort
from functools import partial
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from hypertune.space.space import Space
from hypertune.strategies.plugin import scheduler
from hypertune.strategies.score import FAILURE, score


def rung_epochs(max_epochs: int, grace_period: int, reduction_factor: int) -> list[int]:
    """Epochs at which trials are compared: `grace_period * reduction_factor**k`, all below `max_epochs`.

    Raises:
        ValueError: if the numbers make no rungs.
    """
    if not 1 <= grace_period <= max_epochs:
        raise ValueError(f"grace_period must be from 1 to max_epochs = {max_epochs}, got {grace_period}")
    if reduction_factor < 2:
        raise ValueError(f"reduction_factor must be at least 2, got {reduction_factor}")
    epochs = []
    epoch = grace_period
    while epoch < max_epochs:
        epochs.append(epoch)
        epoch *= reduction_factor
    return epochs


def cutoff(ordered: list[float], reduction_factor: int) -> float:
    """The score that the best 1/eta of `ordered` reach, interpolated like numpy's percentile; -inf if it is empty.

    Failures count as -inf, which numpy's own interpolation would turn into NaN.

    Args:
        ordered: scores, ascending.
    """
    if not ordered:
        return FAILURE
    position = (1 - 1 / reduction_factor) * (len(ordered) - 1)
    low, high = ordered[math.floor(position)], ordered[math.ceil(position)]
    return low if low in (high, FAILURE) else low + (high - low) * (position % 1)


class AshaScheduler(FIFOScheduler):
    """Stops a trial at a rung unless it is among the best there so far. The fidelity is the reported `epoch`.

    Ray's own scheduler draws from numpy's global random state, loses rungs to rounding (`log(243) / log(3)`), forgets
    failed trials and never stops on NaN. Here NaN is the worst score, and a failed trial takes the worst score of the
    rung it would have reached next.
    """

    def __init__(self, *, metric: str, mode: str, epochs: list[int], reduction_factor: int) -> None:
        super().__init__()
        self._metric, self._mode = metric, mode
        self._score = partial(score, metric=metric, mode=mode)
        self._reduction_factor = reduction_factor
        self.rungs: dict[int, dict[str, float]] = {epoch: {} for epoch in epochs}
        # Kept sorted: sorting a rung at every report would dominate the cost of a large sweep.
        self._ordered: dict[int, list[float]] = {epoch: [] for epoch in epochs}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Compares the trial when it reaches a rung that does not yet have its score."""
        reached = self._score(result)
        keep = all(
            self._record(epoch, trial.trial_id, reached)
            for epoch in self._open_rungs(trial.trial_id)
            if epoch <= result["epoch"]
        )
        return TrialScheduler.CONTINUE if keep else TrialScheduler.STOP

    def next_decision(self, trial_id: str, epoch: int) -> float:
        """The trial's next rung."""
        return min((rung for rung in self._open_rungs(trial_id) if rung > epoch), default=math.inf)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Enters the failure as the worst score of the next rung, once."""
        upcoming = self._open_rungs(trial.trial_id)
        if upcoming:
            self._record(upcoming[0], trial.trial_id, FAILURE)

    def debug_string(self) -> str:
        filled = ", ".join(f"epoch {epoch}: {len(scores)}" for epoch, scores in self.rungs.items())
        return f"ASHA rungs: {filled or 'none'}"

    def _open_rungs(self, trial_id: str) -> list[int]:
        return [epoch for epoch, scores in self.rungs.items() if trial_id not in scores]

    def _record(self, epoch: int, trial_id: str, reached: float) -> bool:
        """Enters the score; returns whether the trial may continue."""
        before = cutoff(self._ordered[epoch], self._reduction_factor)
        self.rungs[epoch][trial_id] = reached
        insort(self._ordered[epoch], reached)
        return reached != FAILURE and reached >= before


@scheduler(summary="asynchronous successive halving, stopping variant; nothing waits", needs_checkpoints=False)
def asha(
    space: Space,
    *,
    metric: str,
    mode: str,
    seed: int,
    max_epochs: int,
    grace_period: int = 1,
    reduction_factor: int = 3,
) -> TrialScheduler:
    """ASHA with one bracket, as its paper recommends.

    Args:
        grace_period: epochs of the first rung; no trial is stopped before.
        reduction_factor: eta; about one trial in eta continues past each rung.

    Raises:
        ValueError: for a grace period beyond `max_epochs` or a reduction factor below 2.
    """
    epochs = rung_epochs(max_epochs, grace_period, reduction_factor)
    return AshaScheduler(metric=metric, mode=mode, epochs=epochs, reduction_factor=reduction_factor)
