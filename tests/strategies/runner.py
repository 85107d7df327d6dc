"""A tiny driver in virtual time for schedulers: workers, epochs of different length, failures, nothing else."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from hypertune.sweep.trial import Fork

Curve = Callable[[int, int], float | None]
"""Trial number and epoch, both from 1, to the metric; None where the trial fails in that epoch."""


CONFIG = {"lr": 0.01, "width": 8, "norm": "none", "drop": 0.1}
"""The configuration of every trial but forks; the curves do not depend on it."""


class VirtualTrial:
    """What a scheduler may look at of a trial."""

    def __init__(self, number: int) -> None:
        self.trial_id = f"t{number:04d}"
        self.number = number
        self.status = Trial.PENDING
        self.epochs = 0
        self.failed = self.is_saving = False
        self.config: dict[str, Any] = CONFIG


class VirtualRunner:
    """Runs `trials` trials under a scheduler on `workers` workers; also the scheduler's view of the controller.

    Each trial's epochs take their own time, so that the order of results depends on the number of workers.
    """

    def __init__(
        self,
        scheduler: TrialScheduler,
        curve: Curve,
        *,
        workers: int,
        trials: int,
        max_epochs: int,
        metric: str = "acc",
    ) -> None:
        self.scheduler: Any = scheduler
        self.curve, self.workers, self.wanted, self.max_epochs, self.metric = curve, workers, trials, max_epochs, metric
        self.trials: list[VirtualTrial] = []
        self.decisions: list[tuple[str, int, str]] = []
        self._agenda: list[tuple[float, int, VirtualTrial]] = []
        self._now = 0.0

    def run(self) -> VirtualRunner:
        """Until every trial has ended."""
        self._fill()
        while self._agenda:
            self._now, _, trial = heapq.heappop(self._agenda)
            self._epoch(trial)
            self._fill()
        return self

    def get_trials(self) -> list[VirtualTrial]:
        return list(self.trials)

    def get_live_trials(self) -> set[VirtualTrial]:
        return {trial for trial in self.trials if trial.status in (Trial.PENDING, Trial.RUNNING, Trial.PAUSED)}

    def pause_trial(self, trial: VirtualTrial, should_checkpoint: bool = True) -> None:
        trial.status = Trial.PAUSED

    def stop_trial(self, trial: VirtualTrial) -> None:
        assert trial.status == Trial.PAUSED, f"{trial.trial_id} is {trial.status}"
        trial.status = Trial.TERMINATED
        self.scheduler.on_trial_remove(self, trial)

    def epochs(self) -> list[int]:
        """Epochs trained, by trial in the order of their start."""
        return [trial.epochs for trial in self.trials]

    def _fill(self) -> None:
        while len(self._agenda) < self.workers:
            trial = self.scheduler.choose_trial_to_run(self)
            assert trial is self.scheduler.choose_trial_to_run(self), "choose_trial_to_run is not idempotent"
            if trial is None and len(self.trials) == self.wanted:
                return
            self._start(trial if trial is not None else self._add())
            if len(self.trials) == self.wanted and hasattr(self.scheduler, "close"):
                self.scheduler.close(self)

    def _add(self) -> VirtualTrial:
        trial = VirtualTrial(len(self.trials) + 1)
        fork = self.scheduler.fork(self) if hasattr(self.scheduler, "fork") else None
        self._begin(trial, fork)
        self.trials.append(trial)
        self.scheduler.on_trial_add(self, trial)
        return trial

    def _begin(self, trial: VirtualTrial, fork: Fork | None) -> None:
        if fork is not None:
            trial.config, trial.epochs = fork.config, fork.epoch

    def _duration(self, trial: VirtualTrial) -> float:
        """Of each of a trial's epochs."""
        return 1 + trial.number * 7 % 5 / 10

    def _start(self, trial: VirtualTrial) -> None:
        assert trial.status in (Trial.PENDING, Trial.PAUSED)
        trial.status = Trial.RUNNING
        heapq.heappush(self._agenda, (self._now + self._duration(trial), trial.number, trial))

    def _epoch(self, trial: VirtualTrial) -> None:
        value = self.curve(trial.number, trial.epochs + 1)
        if value is None:
            trial.status, trial.failed = Trial.ERROR, True
            self.scheduler.on_trial_error(self, trial)
            return
        trial.epochs += 1
        assert trial.epochs <= self.max_epochs, f"{trial.trial_id} trains beyond max_epochs"
        result = {self.metric: value, "epoch": trial.epochs, "training_iteration": trial.epochs}
        upcoming = self._announced(trial)
        decision = self.scheduler.on_trial_result(self, trial, result)
        if trial.epochs < upcoming:
            assert decision == TrialScheduler.CONTINUE, f"{trial.trial_id}: next_decision said {upcoming}"
        self.decisions.append((trial.trial_id, trial.epochs, decision))
        self._carry_out(trial, decision, result)

    def _announced(self, trial: VirtualTrial) -> float:
        """The next epoch at which the scheduler may decide anything, if it is one that says so."""
        upcoming = getattr(self.scheduler, "next_decision", None)
        return float(upcoming(trial.trial_id, trial.epochs - 1)) if upcoming else trial.epochs

    def _carry_out(self, trial: VirtualTrial, decision: str, result: dict[str, Any]) -> None:
        if decision == TrialScheduler.STOP or trial.epochs == self.max_epochs:
            trial.status = Trial.TERMINATED
            self.scheduler.on_trial_complete(self, trial, result)
        elif decision == TrialScheduler.PAUSE:
            trial.status = Trial.PAUSED
        else:
            trial.status = Trial.PENDING
            self._start(trial)


def rising(number: int, epoch: int) -> float:
    """Curves that never cross: the order of the trials, shuffled by a multiplier, is the same at every epoch."""
    return number * 37 % 1009 + math.log(epoch) / 1e3


def crossing(number: int, epoch: int) -> float:
    """Curves that cross: the order changes from epoch to epoch."""
    return math.sin(number * 12.9898 + epoch * 0.7) + epoch / 100


def failing(number: int, epoch: int) -> float | None:
    """As `crossing`, but every third trial fails in its second or fourth epoch."""
    if number % 3 == 0 and epoch == (2 if number % 2 else 4):
        return None
    return crossing(number, epoch)
