"""PASHA, progressive ASHA (Bohdal et al., 2023, "PASHA: Efficient HPO and NAS with Progressive Resource Allocation",
ICLR).

ASHA whose largest rung grows only when there is a reason to: at first trials train up to the second rung at most, and a
rung is added whenever the two highest ones rank their common trials differently (Algorithm 1). The ranking is soft:
trials that differ by at most epsilon at the lower of the two may have changed places. Epsilon is the 90th percentile of
the differences of trials whose learning curves cross back and forth, which only noise explains (section 4).

As in `asha`, trials are stopped instead of promoted. One that would go on beyond the largest rung waits there for that
to grow. When no new trials will start, the best of those that still wait trains to the end, and the others are stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from hypertune.space.space import Space
from hypertune.strategies.asha import AshaScheduler, rung_epochs
from hypertune.strategies.plugin import scheduler

NOISE_PERCENTILE = 90


def stable(upper: Mapping[str, float], lower: Mapping[str, float], epsilon: float) -> bool:
    """Whether the soft ranking of the trials of the upper rung is that of the lower one.

    The trial in each place of the upper rung may differ from the one in that place of the lower rung, if their scores
    at the lower rung differ by at most epsilon. Failed trials are left out.
    """
    common = [name for name, score in upper.items() if math.isfinite(score) and math.isfinite(lower[name])]
    above = sorted(common, key=lambda name: -upper[name])
    below = sorted(common, key=lambda name: -lower[name])
    return all(abs(lower[a] - lower[b]) <= epsilon for a, b in zip(above, below, strict=True))


def criss_cross(one: Mapping[int, float], other: Mapping[int, float]) -> bool:
    """Whether two learning curves, epoch to score, cross and cross back."""
    first = [one[epoch] > other[epoch] for epoch in sorted(one.keys() & other.keys())]
    return sum(a != b for a, b in pairwise(first)) >= 2


class PashaScheduler(AshaScheduler):
    """ASHA that holds trials at the largest rung, which grows when the ranking there is not stable.

    Attributes:
        top: index of the largest rung; the number of rungs once trials train to the end.
        epsilon: what scores may differ by and still count as equal; 0 until noise has been seen.
    """

    def __init__(self, *, metric: str, mode: str, epochs: list[int], reduction_factor: int) -> None:
        super().__init__(metric=metric, mode=mode, epochs=epochs, reduction_factor=reduction_factor)
        self._levels = epochs
        self.top, self.epsilon = min(1, len(epochs)), 0.0
        self._noise: list[float] = []
        self._curves: dict[str, dict[int, float]] = {}
        # Trials without a result, those that run, those that wait at the largest rung, those that need not any longer,
        # and the one that trains to the end after all others.
        self._fresh: dict[str, Any] = {}
        self._awake: set[str] = set()
        self._held: set[str] = set()
        self._released: set[str] = set()
        self._closed = False
        self._last: str | None = None

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._fresh[trial.trial_id] = trial
        self._awake.add(trial.trial_id)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """ASHA's decision, except that a trial which may go on is paused at the largest rung."""
        trial_id, before = trial.trial_id, self._reached(trial.trial_id)
        self._fresh.pop(trial_id, None)
        self._released.discard(trial_id)
        self._awake.add(trial_id)
        self._curves.setdefault(trial_id, {})[result["epoch"]] = self._score(result)
        decision = super().on_trial_result(tune_controller, trial, result)
        now = self._reached(trial_id)
        if now > before and now >= self.top < len(self._levels):
            self._review(trial_id)
        if decision == TrialScheduler.STOP:
            self._leave(tune_controller, trial_id)
        elif before < now and now >= self.top and trial_id != self._last:
            self._awake.discard(trial_id)
            self._held.add(trial_id)
            self._finish(tune_controller, but=trial_id)
            decision = TrialScheduler.PAUSE if trial_id in self._held | self._released else TrialScheduler.STOP
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        self._leave(tune_controller, trial.trial_id)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_error(tune_controller, trial)
        self._leave(tune_controller, trial.trial_id)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        self._leave(tune_controller, trial.trial_id)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """A trial that need not wait any more, the best first, else the first that has not started."""
        ready = sorted(self._released - self._awake, key=lambda name: (-self._last_score(name), name))
        ready += [name for name, trial in self._fresh.items() if trial.status == Trial.PENDING]
        if not ready:  # the usual case; avoids scanning all trials
            return None
        trials = {trial.trial_id: trial for trial in tune_controller.get_trials()}
        found = (trials[name] for name in ready if name in trials)
        return next((trial for trial in found if trial.status in (Trial.PAUSED, Trial.PENDING)), None)

    def close(self, tune_controller: Any) -> None:
        """No new trials will start: the best of those that wait trains to the end once nothing else runs."""
        self._closed = True
        self._finish(tune_controller)

    def debug_string(self) -> str:
        largest = f"epoch {self._levels[self.top]}" if self.top < len(self._levels) else "the end"
        return f"PA{super().debug_string()}; trains up to {largest}, epsilon {self.epsilon:.3g}"

    def _reached(self, trial_id: str) -> int:
        """Index of the highest rung that has the trial's score; -1 if none has."""
        return max((i for i, epoch in enumerate(self._levels) if trial_id in self.rungs[epoch]), default=-1)

    def _last_score(self, trial_id: str) -> float:
        return self.rungs[self._levels[self._reached(trial_id)]][trial_id]

    def _review(self, trial_id: str) -> None:
        """Lets the largest rung grow, if this trial's score there has made the ranking unstable."""
        upper, lower = (self.rungs[self._levels[i]] for i in (self.top, self.top - 1))
        self._noise += self._differences(trial_id, upper)
        if self._noise:
            self.epsilon = float(np.percentile(self._noise, NOISE_PERCENTILE))
        if stable(upper, lower, self.epsilon):
            return
        self.top += 1
        self._noise = []
        self._released |= self._held
        self._held = set()
        self._curves = {name: curve for name, curve in self._curves.items() if name in self._awake | self._released}

    def _differences(self, trial_id: str, upper: Mapping[str, float]) -> Iterator[float]:
        """The differences at the largest rung from trials whose curves criss-cross this one's."""
        own = self._curves[trial_id]
        for name, score in upper.items():
            other = self._curves.get(name)
            if name != trial_id and other and math.isfinite(score - upper[trial_id]) and criss_cross(own, other):
                yield abs(score - upper[trial_id])

    def _finish(self, controller: Any, but: str | None = None) -> None:
        """At the end lets the best of the trials that wait go on and stops the others, `but` by the caller's answer."""
        if self._closed and self._held and not self._awake | self._released and self._last is None:
            self._last = min(self._held, key=lambda name: (-self._last_score(name), name))
            self._released.add(self._last)
            losers, self._held = self._held - {self._last, but}, set()
            for trial in [trial for trial in controller.get_trials() if trial.trial_id in losers]:
                controller.stop_trial(trial)

    def _leave(self, controller: Any, trial_id: str) -> None:
        """Forgets a trial that has ended, all but its curve if that counts at the largest rung."""
        self._fresh.pop(trial_id, None)
        for names in (self._awake, self._held, self._released):
            names.discard(trial_id)
        if self.top == len(self._levels) or trial_id not in self.rungs[self._levels[self.top]]:
            self._curves.pop(trial_id, None)
        self._finish(controller)


@scheduler(summary="ASHA that trains longer only while rankings change", needs_checkpoints=True)
def pasha(
    space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, grace_period: int = 1,
    reduction_factor: int = 3,
) -> TrialScheduler:  # fmt: skip
    """PASHA with its own estimate of epsilon.

    It saves epochs of a budget in trials. With one in epochs it tries more configurations, none of which may have been
    trained to the end.

    Args:
        grace_period: epochs of the first rung; no trial is stopped before.
        reduction_factor: eta; about one trial in eta continues past each rung.

    Raises:
        ValueError: for a grace period beyond `max_epochs` or a reduction factor below 2.
    """
    epochs = rung_epochs(max_epochs, grace_period, reduction_factor)
    return PashaScheduler(metric=metric, mode=mode, epochs=epochs, reduction_factor=reduction_factor)
