"""A sweep: one strategy run once with one seed, as a state machine independent of Ray's driver and of clocks.

`tuning` drives it in real time, `simulation` in virtual time, and a resumed study by replaying its journal; only here
is decided what a strategy is told and charged, and when it stops. A scheduler compares trials by the metric **at** an
epoch, as the papers of ASHA and HyperBand do; a searcher is told of a trial's **best** value, which the comparison
judges. Failed and diverged trials are errors to both. Of a scheduler's own trials (`Fork`) the searcher hears nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hypertune.records.records import Event, improves
from hypertune.space.space import Config
from hypertune.study.study import Study
from hypertune.sweep.batches import Batches
from hypertune.sweep.saves import Saves
from hypertune.sweep.strategy import BuiltStrategy, Clocks
from hypertune.sweep.trial import Checkpoint, Fork, Report, Trial, TrialState, View

CONTINUE, PAUSE, STOP = "CONTINUE", "PAUSE", "STOP"
REAL_TIME = Clocks()


class Sweep:
    """Runs one strategy within one budget and passes every event to `emit`.

    Args:
        built: the strategy, as `strategies.checks.build` makes it.
        workers: trials that can run at the same time.
        emit: receives each event of the journal.
    """

    def __init__(
        self, study: Study, built: BuiltStrategy, *, workers: int, emit: Callable[[Event], None],
        clocks: Clocks = REAL_TIME,
    ) -> None:  # fmt: skip
        self.study, self.strategy, self.seed = study, built.name, built.seed
        self.searcher, self.scheduler, self.workers = built.searcher, built.scheduler, workers
        self.emit, self.clock, self.timer, self.stamp = emit, clocks.clock, clocks.timer, clocks.stamp
        self.trials: dict[str, TrialState] = {}
        self.running: set[str] = set()
        self.paused: set[str] = set()
        self.saves, self.batches = Saves(built.name), Batches(workers, study.training.max_epochs)
        self.spent_epochs, self.decision_s, self.closed = 0, 0.0, False
        self.name, self._who = f"{built.name}_s{built.seed}", built.facts()
        self._began = 0.0

    def begin(self, wall_s: float = 0.0) -> None:
        """Starts the sweep's clock, at `wall_s` seconds for a resumed sweep."""
        self._began = self.clock() - wall_s
        if wall_s == 0:
            self._tell("sweep", **self._who, workers=self.workers, at=self.stamp())

    def wall_s(self) -> float:
        return self.clock() - self._began

    def resize(self, workers: int) -> None:
        """Notes that the cluster has grown or shrunk to so many workers; of none, one trial waits for a place."""
        self.workers = self.batches.workers = max(workers, 1)
        self._tell("workers", **self._who, workers=workers, wall_s=self.wall_s(), at=self.stamp())

    # Remaining budget and new trials ----------------------------------------------------------------------------

    def room(self) -> float:
        """Epochs that may still be started, less those in flight; infinite for other budgets."""
        budget = self.study.budget
        if budget.epochs is not None:
            return budget.epochs - self.spent_epochs - self.batches.in_flight(len(self.running))
        return 0 if budget.seconds is not None and self.wall_s() >= budget.seconds else math.inf

    def full(self) -> bool:
        """Whether there is no room for another report."""
        return self.room() < self.batches.step

    def suggest(self, view: View) -> tuple[str, Config] | None:
        """The id and configuration of the next trial, or None if none should start now.

        A fork goes before a promoted trial, and both go before a suggestion. While a fork's parent is being saved,
        nothing starts.

        Raises:
            CheckpointMissing: if the parent of a fork left no checkpoint.
        """
        if self.closed or len(self.running) >= self.workers or self.full():
            return None
        fork = self.fork(view)
        if fork is None and self.promoted(view):
            return None
        if self.study.budget.trials is not None and len(self.trials) >= self.study.budget.trials:
            self.close(view)
            return None
        trial_id = f"{self.name}_{len(self.trials) + 1:04d}"
        if fork is not None:
            if not self.saves.ready(fork, view, self.paused):
                return None
            self.start(trial_id, fork.config, fork)
            return trial_id, fork.config
        config = self._timed(self.searcher.suggest, trial_id)
        # A searcher that waits for results while nothing is running would wait forever.
        if config == "FINISHED" or (config is None and not self.running):
            self.close(view)
        if isinstance(config, dict):
            self.start(trial_id, config)
            return trial_id, config
        return None

    def start(self, trial_id: str, config: Config, fork: Fork | None = None) -> None:
        """Registers a suggestion or a fork, which counts as running from now on."""
        facts: dict[str, Any] = {}
        state = self.trials[trial_id] = TrialState(config)
        if fork is not None:
            state.origin = saved = self.saves.of(fork)
            state.epochs, state.train_s = saved.epoch, saved.elapsed_s
            facts["parent"] = {"trial_id": fork.parent_id, "epoch": saved.epoch, "elapsed_s": saved.elapsed_s}
        elif hasattr(self.searcher, "epochs_of"):
            state.asked_epochs = self.searcher.epochs_of(trial_id)
        self.running.add(trial_id)
        facts |= {"wall_s": self.wall_s(), "at": self.stamp()}
        told = self.study.space.recorded(config)
        self._tell("trial", **self._who, trial_id=trial_id, config=told, **facts)

    def fork(self, view: View) -> Fork | None:
        """The next fork that the scheduler asks for, the same one until it has been added; None if there is none."""
        fork: Callable[[View], Fork | None] | None = getattr(self.scheduler, "fork", None)
        return self._timed(fork, view) if fork else None

    def origin(self, trial_id: str) -> Checkpoint | None:
        """The checkpoint from which a new trial starts; None unless it is a fork."""
        return self.trials[trial_id].origin

    def told(self, trial_id: str) -> dict[str, Any]:
        """What a worker is told: the sweep's seed for all trials, so that a configuration always gives one curve."""
        return {"seed": self.seed}

    def added(self, trial: Trial, view: View) -> None:
        """Tells the scheduler that the driver has created a suggested trial."""
        self._timed(self.scheduler.on_trial_add, view, trial)

    def promoted(self, view: View) -> Any | None:
        """A paused trial that the scheduler wants to go on, or None."""
        trial = self._timed(self.scheduler.choose_trial_to_run, view) if self.paused else None
        return trial if trial and trial.trial_id in self.paused else None

    def choose(self, view: View) -> Any | None:
        """The trial to start next: a promoted one, which counts as running from now on, or None."""
        if self.full() or len(self.running) >= self.workers or self.fork(view):
            return None
        trial = self.promoted(view)
        if trial is not None:
            self.unpause(trial.trial_id)
        return trial

    def unpause(self, trial_id: str) -> None:
        """Marks a paused trial as running again."""
        self.paused.discard(trial_id)
        self.running.add(trial_id)
        self.trials[trial_id].status = "running"
        self._tell("unpause", trial_id=trial_id, wall_s=self.wall_s())

    def grant(self, trial_id: str) -> int:
        """The number of reports that a running trial may send together next; see `batches`."""
        state, upcoming = self.trials[trial_id], getattr(self.scheduler, "next_decision", None)
        self.batches.forget(trial_id)
        decision = upcoming(trial_id, state.epochs) if upcoming and state.epochs else state.epochs + 1
        return self.batches.grant(trial_id, state, decision=min(decision, state.asked_epochs), room=self.room())

    # Results from trials -----------------------------------------------------------------------------------------

    def report(self, trial: Trial, report: Report, view: View) -> str:
        """Records one epoch and decides: CONTINUE, PAUSE or STOP.

        Raises:
            MetricMissing: if the study's metric is not reported.
        """
        state = self.trials[trial.trial_id]
        if report.epoch <= state.epochs:
            # Trained again after a restart, so already recorded, charged and judged.
            return PAUSE if state.status == "paused" and report.epoch == state.epochs else CONTINUE
        most = self.batches.most(trial.trial_id, state.epochs, self.room())
        if report.epoch > most:  # its own count jumps beyond what it may train: it is charged up to there
            self.ended(trial, view, status="stopped", spent=max(int(most) - state.epochs, 0))
            return STOP
        value = report.value(self.study)
        self._take_in(trial.trial_id, state, report, value)
        if value is None:
            return self._end(trial, "diverged", view)
        told = {"epoch": report.epoch, "training_iteration": report.epoch, "trial_id": trial.trial_id}
        state.last = result = {**report.metrics, **told}
        decision = self._timed(self.scheduler.on_trial_result, view, trial, result)
        if state.origin is None:
            self._timed(self.searcher.on_trial_result, trial.trial_id, result)
        return self._decide(trial, state, str(decision), view)

    def _take_in(self, trial_id: str, state: TrialState, report: Report, value: float | None) -> None:
        spent = report.epoch - state.epochs
        self.spent_epochs += spent
        self.batches.reported(trial_id, spent)
        state.epochs, state.train_s = report.epoch, report.elapsed_s
        if improves(value, state.best, self.study.mode):
            state.best = value
        self._tell(
            "epoch", trial_id=trial_id, epoch=report.epoch, metrics=dict(report.metrics), spent=spent,
            elapsed_s=report.elapsed_s, wall_s=self.wall_s(), node=report.node, device=report.device,
        )  # fmt: skip

    def _decide(self, trial: Trial, state: TrialState, decision: str, view: View) -> str:
        if state.status != "running":
            return STOP  # the scheduler itself stopped it through the view
        if state.epochs >= self.study.training.max_epochs:
            return self._end(trial, "completed", view)
        if decision == STOP or state.epochs >= state.asked_epochs:
            return self._end(trial, "stopped", view)
        if decision == PAUSE:
            self.running.discard(trial.trial_id)
            self.batches.forget(trial.trial_id)
            self.paused.add(trial.trial_id)
            state.status = "paused"
            self._tell("pause", trial_id=trial.trial_id, wall_s=self.wall_s())
            return decision
        # This trial's own next epoch is the one that has to fit: it still stands among the running ones.
        if self.room() < (0 if self.study.budget.epochs else 1):
            return self._end(trial, "stopped", view)
        return CONTINUE

    def checkpointed(self, trial_id: str, path: str) -> None:
        """A trial's state has been saved at `path`; ignored if the trial is none of this sweep."""
        if (state := self.trials.get(trial_id)) is None:
            return
        if state.status in ("running", "paused"):
            self.saves.add(trial_id, Checkpoint(path, state.epochs, state.train_s))
        self._tell("checkpoint", trial_id=trial_id, path=path, epoch=state.epochs, elapsed_s=state.train_s)

    def ended(self, trial: Trial, view: View, *, status: str = "", spent: int = 0) -> None:
        """A trial finished by itself, or was stopped from outside while paused or running."""
        state, within = self.trials[trial.trial_id], f" within the {spent} epochs that it may train" if spent else ""
        status = status or {"running": "completed", "paused": "stopped"}.get(state.status, "")
        if status and not state.reported:
            self.failed(trial, f"reported nothing{within}", view, spent=max(spent, 1))
        elif status:
            self.spent_epochs += spent
            self._end(trial, status, view, **({"spent": spent} if spent else {}))

    def failed(self, trial: Trial, error: str, view: View, *, spent: int = 1, **facts: Any) -> None:
        """A trial raised or its worker died for good; the epoch it was in is charged to the budget."""
        if self.trials[trial.trial_id].status in ("running", "paused"):
            self.spent_epochs += spent
            self._end(trial, "failed", view, error=error, spent=spent, **facts)

    def _end(self, trial: Trial, status: str, view: View, **facts: Any) -> str:
        trial_id, state = trial.trial_id, self.trials[trial.trial_id]
        was_running = state.status == "running"
        state.status = status
        self.running.discard(trial_id)
        self.paused.discard(trial_id)
        self.saves.forget(trial_id)
        self.batches.forget(trial_id)
        self._tell("end", trial_id=trial_id, status=status, at=self.stamp(), wall_s=self.wall_s(), **facts)
        lost = status in ("failed", "diverged") or state.best is None
        if lost or not was_running:
            self._timed(self.scheduler.on_trial_error if lost else self.scheduler.on_trial_remove, view, trial)
        else:
            self._timed(self.scheduler.on_trial_complete, view, trial, state.last)
        if state.origin is None:
            result = None if lost else {**state.last, self.study.metric: state.best}
            self._timed(self.searcher.on_trial_complete, trial_id, result, lost)
        state.last = {}  # saves memory in a sweep of a hundred thousand trials
        return STOP

    # The end -----------------------------------------------------------------------------------------------------

    def close(self, view: View) -> None:
        """Tells a synchronous scheduler not to wait for new trials, since none will start."""
        if not self.closed:
            self.closed = True
            self._tell("closed", **self._who)
            if (close := getattr(self.scheduler, "close", None)) is not None:
                self._timed(close, view)

    def drained(self, view: View) -> bool:
        """Whether nothing runs and nothing may be started any more."""
        return not self.running and (self.full() or (self.closed and self.promoted(view) is None))

    def finish(self) -> None:
        """Closes the ledger, and a searcher that holds on to something."""
        if hasattr(self.searcher, "close"):
            self.searcher.close()
        self._tell("done", **self._who, wall_s=self.wall_s(), decision_s=self.decision_s, at=self.stamp())

    def _timed(self, call: Callable[..., Any], *args: Any) -> Any:
        began = self.timer()
        try:
            return call(*args)
        finally:
            self.decision_s += self.timer() - began

    def _tell(self, kind: str, **facts: Any) -> None:
        self.emit({"event": kind, **facts})
