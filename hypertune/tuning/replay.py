"""Resume: rebuilds an interrupted sweep by replaying its journal into a fresh searcher and scheduler.

Ray Tune restores a searcher from a pickle and a scheduler not at all. Both are deterministic functions of their seed
and the sequence of results, so that replaying the sequence restores their exact state.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hypertune.records.records import FINAL_STATUSES, Event
from hypertune.space.space import Config, Space
from hypertune.space.values import text_of
from hypertune.sweep.sweep import Sweep
from hypertune.sweep.trial import Fork, Report, StubTrial, StudyError, Trial
from hypertune.tuning.recording import as_recorded


class ReplayView:
    """Replaces the controller during a replay, when nothing runs."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self.trials: dict[str, Any] = {}

    def get_trials(self) -> list[Trial]:
        return list(self.trials.values())

    def get_live_trials(self) -> set[Trial]:
        return {trial for name, trial in self.trials.items() if name in self._sweep.running | self._sweep.paused}

    def pause_trial(self, trial: Trial, should_checkpoint: bool = True) -> None:
        trial.status = "PAUSED"

    def stop_trial(self, trial: Trial) -> None:
        self._sweep.ended(trial, self)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A trial that was running or paused when the study was interrupted.

    Attributes:
        unsaved: whether it is paused without a checkpoint although others may be forked from it. It must then train up
            to its pause again, which is not charged to the budget.
    """

    trial: Any
    paused: bool
    unsaved: bool = False


def replay(
    sweep: Sweep, events: Iterable[Event], make_trial: Callable[[str, dict[str, Any]], Any]
) -> tuple[list[Unfinished], float]:
    """Brings a fresh sweep to the state at the end of its journal.

    Args:
        sweep: newly built; its `emit` and `clock` are disabled during the replay and restored afterwards.
        events: the sweep's own events, in order.
        make_trial: creates a trial object for a trial that may still be live.

    Returns:
        The unfinished trials, in the order of their start, and the wall-clock seconds that the sweep has used. Ends of
        trials that a kill kept out of the journal are emitted.
    """
    events = list(events)
    ended = {event["trial_id"] for event in events if event["event"] == "end"}
    view, emit, clock = ReplayView(sweep), sweep.emit, sweep.clock
    moment = 0.0
    sweep.emit, sweep.clock = (lambda event: None), (lambda: moment)
    sweep.begin()
    for event in events:
        moment = max(moment, event.get("wall_s", moment))
        _apply(sweep, view, event, StubTrial if event.get("trial_id") in ended else make_trial)
    sweep.emit, sweep.clock = emit, clock
    for trial_id, state in sweep.trials.items():
        if state.status in FINAL_STATUSES and trial_id not in ended:
            emit(
                {
                    "event": "end",
                    "trial_id": trial_id,
                    "status": state.status,
                    "at": sweep.stamp(),
                    "wall_s": moment,
                }
            )
    _verify(sweep, events, ended)
    live = [name for name in sweep.trials if name in sweep.running | sweep.paused]
    return [_unfinished(sweep, view.trials[name]) for name in live], moment


def _verify(sweep: Sweep, events: list[Event], ended: set[str]) -> None:
    """Checks that the sweep has exactly the trials of its journal, with the same ones ended.

    Raises:
        StudyError: if not, since the sweep would repeat or omit trials.
    """
    told = [event["trial_id"] for event in events if event["event"] == "trial"]
    over = {name for name, state in sweep.trials.items() if state.status in FINAL_STATUSES}
    if told != list(sweep.trials) or not ended <= over:
        raise StudyError(
            f"{sweep.strategy}, seed {sweep.seed}: the journal has {len(told)} trials, {len(ended)} of them ended, but "
            f"replaying it gave {len(sweep.trials)}, {len(over)} of them ended"
        )


def _unfinished(sweep: Sweep, trial: Any) -> Unfinished:
    name = trial.trial_id
    paused = name in sweep.paused
    needed = paused and hasattr(sweep.scheduler, "fork")
    return Unfinished(trial, paused, needed and not sweep.saves.has(name, sweep.trials[name].epochs))


def _apply(sweep: Sweep, view: ReplayView, event: Event, make: Callable[[str, dict[str, Any]], Any]) -> None:
    kind, trial_id = event["event"], event.get("trial_id", "")
    trial: Any = view.trials.get(trial_id)
    if kind == "trial":
        fork = _fork(event)
        config = _started_with(sweep, view, trial_id, fork or event["config"])
        sweep.start(trial_id, config, fork)
        view.trials[trial_id] = make(trial_id, config)
        sweep.added(view.trials[trial_id], view)
    elif kind == "epoch":
        report = Report(event["epoch"], event["metrics"], event["elapsed_s"], event["node"], event["device"])
        sweep.report(trial, report, view)
    elif kind == "unpause":
        sweep.unpause(trial_id)
    elif kind == "checkpoint":
        sweep.checkpointed(trial_id, event["path"])
    elif kind == "closed":
        sweep.close(view)
    elif kind == "end" and event["status"] == "failed":
        sweep.failed(trial, event.get("error", ""), view, spent=event.get("spent", 1))
    elif kind == "end":
        spent = event.get("spent", 0)
        sweep.ended(trial, view, status=event["status"] if spent else "", spent=spent)


def _fork(event: Event) -> Fork | None:
    """The fork that the scheduler asked for, if the event is of a fork."""
    parent = event.get("parent")
    return Fork(event["config"], parent["trial_id"], parent["epoch"]) if parent else None


def _started_with(sweep: Sweep, view: ReplayView, trial_id: str, started: Fork | Config) -> Config:
    """The configuration that the trial was started with, which should be suggested again.

    The one suggested again has values as they are, such as a tuple; in the journal they are as JSON can hold them.
    """
    space = sweep.study.space
    if isinstance(started, Fork):
        again, told, who = sweep.fork(view), started.config, "scheduler does not repeat its forks"
        same = again is not None and (again.parent_id, again.epoch) == (started.parent_id, started.epoch)
        config: Any = again.config if again is not None and same else None
    else:
        config, told, who = sweep.searcher.suggest(trial_id), started, "searcher does not repeat its suggestions"
    if isinstance(config, dict) and _is_recorded_as(space, config, told):
        return config
    warnings.warn(
        f"{sweep.strategy}, seed {sweep.seed}: the {who}; "
        f"the sweep continues, but not exactly as it would have without the interruption",
        RuntimeWarning,
        stacklevel=2,
    )
    return space.original(told)


def _is_recorded_as(space: Space, config: Config, told: Config) -> bool:
    """Whether a configuration stands in a journal as `told`; version 0.1 wrote some values in another way."""
    return text_of(as_recorded(space.recorded(config))) == text_of(told) or as_recorded(config) == told
