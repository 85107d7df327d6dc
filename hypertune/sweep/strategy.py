"""Protocols of what a sweep needs from a strategy, and the clocks that it reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hypertune.space.space import Config


class Searcher(Protocol):
    """The part of Ray Tune's `Searcher` that a sweep calls.

    It may also have `epochs_of(trial_id)`: the epochs for which it wants a trial to train, infinite for all of them,
    and `close()`, called when the sweep is over.
    """

    def suggest(self, trial_id: str) -> Config | str | None: ...
    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None: ...
    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None: ...


class Scheduler(Protocol):
    """The part of Ray Tune's `TrialScheduler` that a sweep calls; its controller is a `View`.

    It may also have `next_decision(trial_id, epoch)`, `fork(view)` and `close(view)`.
    """

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None: ...
    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str: ...
    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None: ...
    def on_trial_error(self, tune_controller: Any, trial: Any) -> None: ...
    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None: ...
    def choose_trial_to_run(self, tune_controller: Any) -> Any | None: ...


@dataclass(frozen=True, slots=True)
class BuiltStrategy:
    """A strategy's searcher and scheduler, made for one sweep with one seed."""

    name: str
    seed: int
    searcher: Searcher
    scheduler: Scheduler

    def facts(self) -> Mapping[str, Any]:
        """The fields that identify the sweep in the journal's events."""
        return {"strategy": self.name, "seed": self.seed}


@dataclass(frozen=True, slots=True)
class Clocks:
    """Time as a sweep reads it.

    Attributes:
        clock: seconds since some fixed moment; real or virtual.
        timer: seconds; times the strategy's own decisions.
        stamp: the time stamp of events, as text.
    """

    clock: Callable[[], float] = time.monotonic
    timer: Callable[[], float] = time.perf_counter
    stamp: Callable[[], str] = lambda: ""
