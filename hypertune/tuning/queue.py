"""The queue of a study: its sweeps one after another, then the retraining of their incumbents.

Each sweep has the whole cluster to itself, so that wall-clock times are comparable. All run inside one Ray Tune
experiment, so that none pays for starting processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hypertune.records.failures import one_line
from hypertune.sweep.retraining import Retraining
from hypertune.sweep.sweep import STOP, Sweep
from hypertune.sweep.trial import Checkpoint, MetricMissing, Report, StudyError, Trial, View
from hypertune.tuning.housekeeping import stop_soon
from hypertune.tuning.reports import reported_by
from hypertune.tuning.view import SweepView
from hypertune.tuning.worker import FAILURE, LOG, RESERVED, TRACEBACK, WARM_UP

Stage = Sweep | Retraining
"""A unit of work that has the cluster to itself."""


class MakeTrial(Protocol):
    """Creates Ray Tune's object for one of a stage's trials, restored from `saved` if given."""

    def __call__(
        self, stage: Stage, trial_id: str, config: dict[str, Any], saved: Checkpoint | None = None
    ) -> Trial: ...


@dataclass(frozen=True, slots=True)
class Begun:
    """The current stage, and its trials that were unfinished when it was interrupted."""

    stage: Stage
    trials: list[Trial] = field(default_factory=list)


class Hope:
    """That a trial succeeds; given up where the first `after` trials have failed, whatever the reasons.

    Attributes:
        found: whether a trial has reported the metric: from then on failures are the trials' own.
    """

    def __init__(self, after: int, *, found: bool = False) -> None:
        self._left, self.found = after, found

    def lost(self) -> bool:
        """Notes a failed trial; returns whether the study should end."""
        self._left -= 1
        return self._left == 0 and not self.found


StartStage = Callable[[MakeTrial], Begun | None]
"""Builds a stage and starts its clock when its turn comes; None if nothing is left to do."""


class Queue:
    """Runs stages in order; Ray Tune's side calls it with every event.

    Args:
        stages: what starts each stage.
        metric: the study's.
        constants: `[training.config]`, handed to every trial.
        told: what every trial's worker is told under `config[RESERVED]`, besides what its stage tells it.
        hope: that one of the trials succeeds.
    """

    def __init__(
        self,
        stages: Iterable[StartStage],
        *,
        metric: str,
        constants: Mapping[str, Any],
        told: Mapping[str, Any],
        hope: Hope,
    ) -> None:
        self._stages, self.metric = deque(stages), metric
        self._constants, self._told = constants, told
        self._under_way: deque[Trial] = deque()
        self._trials: dict[str, Trial] = {}
        self.current: Stage | None = None
        self._former: Stage | None = None
        self.view = SweepView()
        self.fatal: str | None = None
        self.gave_up = False
        """Whether the study was ended since every trial failed."""
        self._hope = hope
        self._stopping = False

    @property
    def finished(self) -> bool:
        return self.current is None and not self._stages

    @property
    def begun(self) -> bool:
        """Whether any stage has started."""
        return self.current is not None or self._former is not None

    def abort(self, reason: str) -> None:
        """Ends the study because of an error that only the user can fix."""
        self.fatal = self.fatal or reason
        self.stop()

    def stop(self) -> None:
        """Ends Ray's run as soon as possible; the study can be resumed."""
        self._stopping = True
        if self.view.controller is not None:
            stop_soon(self.view.controller)

    def resize(self, workers: int) -> None:
        """Tells the current stage that the cluster has grown or shrunk to so many workers."""
        if self.current is not None:
            self.current.resize(workers)

    def next_trial(self, make: Callable[..., Trial]) -> Trial | None:
        """The next trial to start, or None if none should start now."""

        def make_trial(stage: Stage, trial_id: str, config: dict[str, Any], saved: Checkpoint | None = None) -> Trial:
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
            self.view.stop_trial(trial)  # a paused trial for which no budget is left
        self.current.finish()
        self.current, self._former = None, self.current

    def _register(self, trial: Trial) -> None:
        self._trials[trial.trial_id] = trial
        self.view.add(trial)

    # Events from Ray Tune ----------------------------------------------------------------------------------------

    def added(self, trial: Trial, controller: View) -> None:
        """Handles an added trial; one added again had lost its worker or was unfinished at an interruption."""
        self.view.controller = controller
        if self._stopping:
            self.stop()
        if self.current is not None and trial.trial_id not in self._trials and not trial.trial_id.startswith(WARM_UP):
            self._register(trial)
            self.current.added(trial, self.view)

    def report(self, trial: Any, report: Report) -> str:
        """Takes in a report and says how the trial goes on; a report that lacks the metric ends its trial alone, unless
        no trial has ever reported it."""
        assert self.current is not None
        try:
            decision = self.current.report(trial, report, self.view)
        except MetricMissing as error:
            if self._hope.found:
                held = one_line(", ".join(sorted(report.metrics))) or "nothing"
                self.failed(trial.trial_id, f"a report lacks {self.metric}; it holds {held}")
            else:
                self.abort(str(error))
            return STOP
        except StudyError as error:
            self.abort(str(error))
            return STOP
        self._hope.found = True
        return decision

    def grant(self, trial_id: str) -> int:
        """The number of reports that a running trial may send together next."""
        return self.current.grant(trial_id) if self.current is not None and trial_id in self._trials else 1

    def choose(self) -> Trial | None:
        return self.current.choose(self.view) if self.current is not None else None

    def checkpointed(self, trial_id: str, path: str) -> None:
        """Notes that a trial's state was saved, possibly after the end of the trial and even of its sweep."""
        for stage in (self.current, self._former):
            if stage is not None:
                stage.checkpointed(trial_id, path)

    def ended(self, trial_id: str, result: dict[str, Any] | None) -> None:
        """Handles a trial that finished or was stopped; `result` may contain its last report."""
        if result and FAILURE in result:
            self.failed(trial_id, result[FAILURE], traceback=result[TRACEBACK], log=result.get(LOG, ""))
            return
        trial = self._trials.get(trial_id)
        if trial is None:
            return  # it failed with a report
        report = reported_by(result, self.metric)
        if report is not None and self.fatal is None:
            self.report(trial, report)
        if self._trials.pop(trial_id, None) is not None:
            assert self.current is not None
            self.view.live.pop(trial_id, None)
            self.current.ended(trial, self.view)

    def failed(self, trial_id: str, error: str, **facts: Any) -> None:
        """A trial's own code raised, or its worker died too often; `facts` go to the journal."""
        trial = self._trials.pop(trial_id, None)
        if trial is None:
            return
        assert self.current is not None
        self.view.live.pop(trial_id, None)
        self.current.failed(trial, error, self.view, **facts)
        if isinstance(self.current, Sweep) and self._hope.lost():
            self.gave_up = True
            self.stop()
