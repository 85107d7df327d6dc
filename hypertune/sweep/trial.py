"""Trials as seen by sweeps, schedulers and drivers."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hypertune.records.failures import one_line
from hypertune.space.space import Config
from hypertune.study.divergence import value_of
from hypertune.study.study import Study


class Trial(Protocol):
    """The part of Ray Tune's `Trial` that a sweep and a scheduler need."""

    trial_id: str
    status: str
    config: dict[str, Any]


@dataclass(slots=True, eq=False)
class StubTrial:
    """Replaces Ray's object where none is needed; schedulers, Ray's own among them, read nothing else of a trial."""

    trial_id: str
    config: dict[str, Any]
    status: str = "RUNNING"
    is_saving: bool = False


class View(Protocol):
    """The part of the controller that a scheduler sees: this sweep's trials only."""

    def get_trials(self) -> Iterable[Trial]: ...
    def get_live_trials(self) -> Iterable[Trial]: ...
    def pause_trial(self, trial: Trial, should_checkpoint: bool = True) -> None: ...
    def stop_trial(self, trial: Trial) -> None: ...


class StudyError(ValueError):
    """An error that only the user can fix and that appears while a study runs; the study ends with its message."""


class MetricMissing(StudyError):
    """The trainable does not report the study's metric."""


class CheckpointMissing(StudyError):
    """The strategy needs checkpoints, but the trainable does not save any."""


class StorageLost(StudyError):
    """The output folder has not been writable for minutes, or is another process's by now."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trial's saved state: its folder, and the trial's progress at that time."""

    path: str
    epoch: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Fork:
    """A trial that a scheduler asks for: a new configuration that starts from another trial's checkpoint.

    Attributes:
        config: configuration of the new trial.
        parent_id: the trial whose checkpoint it starts from. It must stay paused until the fork has started, since only
            the last checkpoint of a live trial is kept.
        epoch: the epoch at which the parent was paused; the new trial starts with the next one.
    """

    config: Config
    parent_id: str
    epoch: int


@dataclass(slots=True)
class TrialState:
    """A sweep's state of one of its trials; a fork starts with its parent's epochs and seconds."""

    config: Config
    epochs: int = 0
    best: float | None = None
    train_s: float = 0.0
    origin: Checkpoint | None = None
    """The checkpoint of a fork's parent; the searcher did not suggest a fork and is not told of it."""
    last: dict[str, Any] = field(default_factory=dict)
    status: str = "running"
    """`running`, `paused`, or one of the final statuses."""
    asked_epochs: float = math.inf
    """The epochs for which the searcher wants it to train."""

    @property
    def reported(self) -> bool:
        """Whether it has reported anything itself."""
        return self.epochs > (self.origin.epoch if self.origin else 0)


@dataclass(frozen=True, slots=True)
class Report:
    """A trainable's report of one epoch; `elapsed_s` is the trial's training time so far, in seconds."""

    epoch: int
    metrics: Mapping[str, float]
    elapsed_s: float
    node: str | None = None
    device: str | None = None

    def value(self, study: Study) -> float | None:
        """The study's metric; None if training has diverged.

        Raises:
            MetricMissing: if the metric is not reported.
        """
        metric = study.metric
        if metric not in self.metrics:
            known = one_line(", ".join(sorted(self.metrics))) or "nothing"
            close = difflib.get_close_matches(metric, self.metrics, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            if known == "_metric":  # Ray's name for a number that was returned
                raise MetricMissing(
                    f"study.metric: {metric!r} is not reported; the trainable returns a number: return "
                    f'{{"{metric}": number}} instead'
                )
            raise MetricMissing(f"study.metric: {metric!r} is not reported{hint}; the trainable reports {known}")
        return value_of(study, self.metrics)
