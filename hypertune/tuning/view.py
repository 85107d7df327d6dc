"""The view of Ray Tune's controller for one sweep."""

from __future__ import annotations

from typing import Any


class SweepView:
    """The controller restricted to the trials of one sweep, for its scheduler."""

    def __init__(self, controller: Any = None) -> None:
        self.controller = controller
        self.trials: list[Any] = []
        self.live: dict[str, Any] = {}

    def add(self, trial: Any) -> None:
        self.trials.append(trial)
        self.live[trial.trial_id] = trial

    def get_trials(self) -> list[Any]:
        return self.trials

    def get_live_trials(self) -> set[Any]:
        return set(self.live.values())

    def pause_trial(self, trial: Any, should_checkpoint: bool = True) -> None:
        self.controller.pause_trial(trial, should_checkpoint)

    def stop_trial(self, trial: Any) -> None:
        self.controller.stop_trial(trial)
