"""The view of Ray Tune's controller for one sweep."""

from __future__ import annotations

from hypertune.sweep.trial import Trial, View


class SweepView:
    """The controller restricted to the trials of one sweep, for its scheduler."""

    def __init__(self, controller: View | None = None) -> None:
        self.controller = controller
        self.trials: list[Trial] = []
        self.live: dict[str, Trial] = {}

    def add(self, trial: Trial) -> None:
        self.trials.append(trial)
        self.live[trial.trial_id] = trial

    def get_trials(self) -> list[Trial]:
        return self.trials

    def get_live_trials(self) -> set[Trial]:
        return set(self.live.values())

    def pause_trial(self, trial: Trial, should_checkpoint: bool = True) -> None:
        assert self.controller is not None
        self.controller.pause_trial(trial, should_checkpoint)

    def stop_trial(self, trial: Trial) -> None:
        assert self.controller is not None
        self.controller.stop_trial(trial)
