"""Readable names in Ray's dashboard for what each worker is doing."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from hypertune.space.space import flatten
from hypertune.study.study import Study
from hypertune.tuning.ray_internals import actor_of
from hypertune.tuning.worker import RESERVED

LONGEST = 120
"""Maximal length of a task's name."""


def trial_label(study: Study, trial_id: str, config: dict[str, Any]) -> str:
    """The label of a trial, e.g. `digits_cnn hyperopt+asha_s0_0003 lr=0.01 filters=8`, shortened if too long."""
    searched = {name: value for name, value in flatten(config).items() if not name.startswith(f"{RESERVED}/")}
    known = study.training.config
    told = " ".join(f"{name}={_short(value)}" for name, value in searched.items() if name not in known)
    label = f"{study.name} {trial_id} {told}".strip()
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 3]}..."


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class NameTasks(Callback):
    """Names the tasks of a worker after their trial, in the dashboard's list of tasks and timeline.

    A worker runs one trial after another, so its own name cannot show the trial.
    """

    def __init__(self, study: Study) -> None:
        super().__init__()
        self._study = study

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Called when the trial has been given a worker."""
        actor: Any = actor_of(trial)
        label = trial_label(self._study, trial.trial_id, trial.config)
        for method in ("train", "save", "restore"):
            vars(actor).pop(method, None)
            # Ray's handle creates a method at each access; an attribute set on it takes precedence.
            setattr(actor, method, getattr(actor, method).options(name=f"{label}: {method}"))
