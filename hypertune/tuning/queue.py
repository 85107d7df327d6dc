"""The queue of a study: its sweeps one after another, then the retraining of their incumbents.

One sweep has the whole cluster to itself, so that wall-clock times compare; all run inside one Ray Tune experiment, so
that none pays for starting processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hypertune.sweep.retraining import Retraining
from hypertune.sweep.sweep import Sweep
from hypertune.sweep.trial import Checkpoint, Report
from hypertune.tuning.housekeeping import stop_soon
from hypertune.tuning.reports import reported_by
from hypertune.tuning.view import SweepView
from hypertune.tuning.worker import FAILURE, LOG, RESERVED, TRACEBACK, WARM_UP

Stage = Sweep | Retraining
"""What occupies the cluster at one time."""


class MakeTrial(Protocol):
    """Makes Ray Tune's object for one of a stage's trials, to go on from `saved` if given."""

    def __call__(self, stage: Stage, trial_id: str, config: dict[str, Any], saved: Checkpoint | None = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Begun:
    """A stage whose turn has come, and the trials it had under way when it was interrupted."""

    stage: Stage
    trials: list[Any] = field(default_factory=list)


class Hope:
    """That a trial succeeds; given up where the first `after` trials have failed, whatever the reasons."""

    def __init__(self, after: int) -> None:
        self._left = after

    def found(self) -> None:
        """A trial has reported something: from now on failures are the trials' own."""
        self._left = 0

    def lost(self) -> bool:
        """A trial has failed; whether it was the last one that might."""
        self._left -= 1
        return self._left == 0


StartStage = Callable[[MakeTrial], Begun | None]
"""Builds a stage when its turn comes and starts its clock; None if nothing is left to do."""


class Queue:
    """Runs stages in order; Ray Tune's side calls it with every event.

    Args:
        stages: what starts each stage.
        constants: `[training.config]`, handed to every trial.
        told: what every trial's worker is told under `config[RESERVED]`, besides what its stage tells it.
        give_up_after: trials that may fail before one has reported anything; 0 for any number.
    """

    def __init__(
        self,
        stages: Iterable[StartStage],
        *,
        constants: Mapping[str, Any],
        told: Mapping[str, Any],
        give_up_after: int = 0,
    ) -> None:
        self._stages = deque(stages)
        self._constants, self._told = constants, told
        self._under_way: deque[Any] = deque()
        self._trials: dict[str, Any] = {}
        self.current: Stage | None = None
        self._former: Stage | None = None
        self.view = SweepView()
        self.fatal: str | None = None
        self.gave_up = False
        """Whether the study was ended since every trial failed."""
        self._hope = Hope(give_up_after)
        self._stopping = False

    @property
    def finished(self) -> bool:
        return self.current is None and not self._stages

    @property
    def begun(self) -> bool:
        """Whether any stage has had its turn."""
        return self.current is not None or self._former is not None

    def abort(self, reason: str) -> None:
        """Ends the study because of what only the user can mend."""
        self.fatal = self.fatal or reason
        self.stop()

    def stop(self) -> None:
        """Ends Ray's run as soon as it can; what is under way can be resumed."""
        self._stopping = True
        if self.view.controller is not None:
            stop_soon(self.view.controller)

    def next_trial(self, make: Callable[..., Any]) -> Any | None:
        """The next trial to start, or None while none is to be started now."""

        def make_trial(stage: Stage, trial_id: str, config: dict[str, Any], saved: Checkpoint | None = None) -> Any:
            told = {**self._told, **stage.told(trial_id)}
            return make(trial_id, {**self._constants, **config, RESERVED: told}, saved)

        while self.current is not None or self._advance(make_trial):
            assert self.current is not None
            if self._under_way:
                return self._under_way.popleft()
            suggestion = self.current.suggest(self.view)
            if suggestion is not None:
                return make_trial(self.current, *suggestion, self.current.origin(suggestion[0]))
            if not self.current.drained(self.view):
                return None
            self._finish_current()
        return None

    def _advance(self, make_trial: MakeTrial) -> bool:
        while self._stages:
            begun = self._stages.popleft()(make_trial)
            if begun is not None:
                self.current, self.view = begun.stage, SweepView(self.view.controller)
                self._under_way.extend(begun.trials)
                for trial in begun.trials:
                    self._register(trial)
                return True
        return False

    def _finish_current(self) -> None:
        assert self.current is not None
        for trial in list(self.view.live.values()):
            self.view.stop_trial(trial)  # paused trials that the budget leaves no room for
        self.current.finish()
        self.current, self._former = None, self.current

    def _register(self, trial: Any) -> None:
        self._trials[trial.trial_id] = trial
        self.view.add(trial)

    # Events from Ray Tune ----------------------------------------------------------------------------------------

    def added(self, trial: Any, controller: Any) -> None:
        """A trial has been added; added again, it is one whose worker died, or that was under way already."""
        self.view.controller = controller
        if self._stopping:
            self.stop()
        if self.current is not None and trial.trial_id not in self._trials and not trial.trial_id.startswith(WARM_UP):
            self._register(trial)
            self.current.added(trial, self.view)

    def report(self, trial: Any, report: Report) -> str:
        assert self.current is not None
        self._hope.found()
        return self.current.report(trial, report, self.view)

    def grant(self, trial_id: str) -> int:
        """How many reports a running trial may send together next."""
        return self.current.grant(trial_id) if self.current is not None and trial_id in self._trials else 1

    def choose(self) -> Any | None:
        return self.current.choose(self.view) if self.current is not None else None

    def checkpointed(self, trial_id: str, path: str) -> None:
        """A trial's state has been saved; the last one may come when the trial, and even its sweep, has ended."""
        for stage in (self.current, self._former):
            if stage is not None:
                stage.checkpointed(trial_id, path)

    def ended(self, trial_id: str, result: dict[str, Any] | None) -> None:
        """A trial finished by itself or was stopped; its last report may come with it."""
        if result and FAILURE in result:
            self.failed(trial_id, result[FAILURE], traceback=result[TRACEBACK], log=result.get(LOG, ""))
            return
        trial = self._trials.pop(trial_id)
        assert self.current is not None
        report = reported_by(result)
        if report is not None and self.fatal is None:
            self._hope.found()
            self.current.report(trial, report, self.view)
        self.view.live.pop(trial_id, None)
        self.current.ended(trial, self.view)

    def failed(self, trial_id: str, error: str, **facts: str) -> None:
        """A trial's own code raised, or its worker died too often; `facts` go to the journal."""
        trial = self._trials.pop(trial_id)
        assert self.current is not None
        self.view.live.pop(trial_id, None)
        self.current.failed(trial, error, self.view, **facts)
        if isinstance(self.current, Sweep) and self._hope.lost():
            self.gave_up = True
            self.stop()
