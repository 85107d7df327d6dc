"""A trial as sweeps, schedulers and drivers speak of it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hypertune.records.failures import one_line
from hypertune.space.space import Config


class Trial(Protocol):
    """What a sweep and a scheduler need of Ray Tune's `Trial`."""

    trial_id: str
    status: str
    config: dict[str, Any]


@dataclass(slots=True, eq=False)
class StubTrial:
    """Stands for Ray's object where none is needed; schedulers read no more of a trial than this."""

    trial_id: str
    config: dict[str, Any]
    status: str = "RUNNING"


class View(Protocol):
    """What a scheduler sees of the controller: this sweep's trials only."""

    def get_trials(self) -> Iterable[Any]: ...
    def get_live_trials(self) -> Iterable[Any]: ...
    def pause_trial(self, trial: Any, should_checkpoint: bool = True) -> None: ...
    def stop_trial(self, trial: Any) -> None: ...


class StudyError(ValueError):
    """What only the user can mend and what shows while a study runs: it ends with this one line."""


class MetricMissing(StudyError):
    """The trainable does not report the study's metric."""


class CheckpointMissing(StudyError):
    """The trainable does not save itself, and a strategy cannot do without."""


class StorageLost(StudyError):
    """The output folder cannot be written, and has not been for minutes."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trial's saved state: the folder, and how far the trial had come."""

    path: str
    epoch: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Fork:
    """A trial that a scheduler wants: another configuration that goes on from a trial's checkpoint.

    Attributes:
        config: of the new trial.
        parent_id: the trial whose checkpoint it starts from; it has to be paused until the fork has started, since
            only the last checkpoint of a live trial is kept.
        epoch: where that trial was paused; the new one's first epoch is the next.
    """

    config: Config
    parent_id: str
    epoch: int


@dataclass(slots=True)
class TrialState:
    """What a sweep knows of one of its trials; a fork starts with its parent's epochs and seconds."""

    config: Config
    epochs: int = 0
    best: float | None = None
    train_s: float = 0.0
    origin: Checkpoint | None = None
    """Where a fork started; the searcher has not suggested it and is told nothing of it."""
    last: dict[str, Any] = field(default_factory=dict)
    status: str = "running"
    """running, paused, or one of the final statuses."""

    @property
    def reported(self) -> bool:
        """Whether it has reported anything itself."""
        return self.epochs > (self.origin.epoch if self.origin else 0)


@dataclass(frozen=True, slots=True)
class Report:
    """One epoch as a trainable reports it; `elapsed_s` are the trial's training seconds so far."""

    epoch: int
    metrics: Mapping[str, float]
    elapsed_s: float
    node: str | None = None
    device: str | None = None

    def value(self, metric: str) -> float:
        """The metric's value.

        Raises:
            MetricMissing: if it is not among the reported ones.
        """
        if metric not in self.metrics:
            known = one_line(", ".join(sorted(self.metrics))) or "nothing"
            close = difflib.get_close_matches(metric, self.metrics, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise MetricMissing(f"study.metric: {metric!r} is not reported{hint}; the trainable reports {known}")
        return float(self.metrics[metric])

    def diverged(self, metric: str, *, built_in: bool = False) -> bool:
        """Whether the metric is not a finite number, or, of a built-in trainable, the loss it trains on."""
        losses = ("train_loss",) if built_in and "train_loss" in self.metrics else ()
        return not all(math.isfinite(self.metrics[name]) for name in (metric, *losses))
