"""Synchronous HyperBand (Li et al., 2018, "A Novel Bandit-Based Approach to Hyperparameter Optimization")."""

from __future__ import annotations

from functools import partial
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from hypertune.space.space import Space
from hypertune.strategies.brackets import Bracket, plan
from hypertune.strategies.plugin import scheduler
from hypertune.strategies.score import FAILURE, score


class HyperBandScheduler(FIFOScheduler):
    """Algorithm 1 at any concurrency: trials fill brackets in the order of arrival, and brackets overlap.

    A trial that reaches its rung is paused until the rung is full; then the best 1/eta continue and the others are
    stopped. While a rung waits for its last trials, new trials fill the next bracket; after the last bracket comes the
    first again. Ray's own scheduler counts paused trials as running, halves early when the searcher is limited, and
    rejects some values of `max_epochs`.

    Args:
        brackets: each a list of rungs `(trials, epochs)`, as `plan` makes them.
        eta: by which a bracket that is closed early divides its trials from rung to rung.
    """

    def __init__(self, *, metric: str, mode: str, brackets: list[list[tuple[int, int]]], eta: int) -> None:
        super().__init__()
        self._metric, self._mode = metric, mode
        self._score = partial(score, metric=metric, mode=mode)
        self._plan = brackets
        self._eta = eta
        self._bracket_of: dict[str, Bracket] = {}
        # Trials known to run, and trials without a result; objects are always looked up in the controller.
        self._awake: set[str] = set()
        self._fresh: dict[str, Any] = {}
        self.brackets: list[Bracket] = []

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Adds the trial to the first bracket that has room, or to a new one."""
        if trial.trial_id in self._bracket_of:
            return
        if not self.brackets or self.brackets[-1].full:
            self.brackets.append(Bracket(self._plan[len(self.brackets) % len(self._plan)], self._eta))
        self._fresh[trial.trial_id] = trial
        self._bracket_of[trial.trial_id] = self.brackets[-1]
        self.brackets[-1].add(trial.trial_id)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Pauses the trial at its rung, unless its own result fills the rung and so decides at once."""
        trial_id, bracket = trial.trial_id, self._bracket_of[trial.trial_id]
        self._fresh.pop(trial_id, None)
        self._awake.add(trial_id)
        rung = bracket.rung_of(trial_id)
        while rung is not None and trial_id not in rung.scores:
            if result["epoch"] < rung.epoch:
                return TrialScheduler.CONTINUE
            self._stop(tune_controller, bracket.record(trial_id, self._score(result)), but=trial)
            if rung is bracket.rungs[-1]:
                break
            rung = bracket.rung_of(trial_id)
        self._awake.discard(trial_id)
        waits = rung is not None and rung is not bracket.rungs[-1]
        return TrialScheduler.PAUSE if waits else TrialScheduler.STOP

    def next_decision(self, trial_id: str, epoch: int) -> float:
        """The epoch of the rung that the trial trains towards."""
        rung = self._bracket_of[trial_id].rung_of(trial_id)
        return rung.epoch if rung is not None else epoch + 1

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Lets a trial that ended before its rung compete there with its final value."""
        self._end(tune_controller, trial, self._score(result))

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self._end(tune_controller, trial, FAILURE)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        self._end(tune_controller, trial, FAILURE)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """A promoted trial, from the oldest bracket and the deepest rung, else the first that has not started."""
        ready = [name for bracket in self.brackets for name in bracket.promoted() if name not in self._awake]
        ready += [name for name, trial in self._fresh.items() if trial.status == Trial.PENDING]
        if not ready:  # the usual case; avoids scanning all trials
            return None
        trials = {trial.trial_id: trial for trial in tune_controller.get_trials()}
        found = (trials[name] for name in ready if name in trials)
        return next((trial for trial in found if trial.status in (Trial.PAUSED, Trial.PENDING)), None)

    def close(self, tune_controller: Any) -> None:
        """Closes the last bracket, which continues with the trials it has: the sweep starts no new ones."""
        if self.brackets:
            self._stop(tune_controller, self.brackets[-1].close())

    def debug_string(self) -> str:
        return f"HyperBand brackets: {', '.join(map(repr, self.brackets)) or 'none'}"

    def _end(self, controller: Any, trial: Any, score: float) -> None:
        self._fresh.pop(trial.trial_id, None)
        bracket = self._bracket_of.get(trial.trial_id)
        if bracket is not None:
            self._stop(controller, bracket.end(trial.trial_id, score))

    def _stop(self, controller: Any, losers: list[str], but: Any = None) -> None:
        """Stops the paused losers except `but`, whose result is being handled: the answer to it stops that trial."""
        out = set(losers) - {but.trial_id if but else None}
        for trial in [trial for trial in controller.get_trials() if trial.trial_id in out] if out else []:
            controller.stop_trial(trial)


@scheduler(summary="synchronous HyperBand; rungs wait until they are full", needs_checkpoints=True, asynchronous=False)
def hyperband(
    space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, reduction_factor: int = 3
) -> TrialScheduler:
    """HyperBand with R = `max_epochs`.

    Args:
        reduction_factor: eta; one trial in eta continues past each rung.

    Raises:
        ValueError: for a reduction factor below 2.
    """
    brackets = plan(max_epochs, reduction_factor)
    return HyperBandScheduler(metric=metric, mode=mode, brackets=brackets, eta=reduction_factor)
