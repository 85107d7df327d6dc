"""One sweep in virtual time: the real strategy and the real sweep, with a heap of events instead of a cluster.

As in Ray Tune, the driver is one thread: it handles one report (or several that a trial sends together) or one
suggestion at a time, and others wait. Nothing here reads a real clock unless decisions are measured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from typing import Any

import numpy as np

from hypertune.records.records import Event
from hypertune.simulation.costs import Costs
from hypertune.simulation.lookup import Source
from hypertune.simulation.runs import NOWHERE, ORIGINS, Run
from hypertune.strategies.checks import build
from hypertune.study.study import Study
from hypertune.sweep.batches import batch_s
from hypertune.sweep.strategy import BuiltStrategy, Clocks
from hypertune.sweep.sweep import CONTINUE, PAUSE, Sweep
from hypertune.sweep.trial import StubTrial


@dataclass(frozen=True, slots=True)
class VirtualCluster:
    """What the trials of a simulation train on.

    Attributes:
        source: the learning curves of configurations.
        workers: how many trials can train at the same time.
        costs: overheads besides training.
    """

    source: Source
    workers: int
    costs: Costs


class Simulation:
    """Runs one sweep on virtual workers; to the scheduler it is the controller.

    Args:
        cluster: what the trials train on.
        emit: receives every event of the journal, with virtual times.

    Raises:
        ValueError: for a strategy that cannot be simulated from recorded curves.
    """

    def __init__(
        self,
        study: Study,
        strategy: str,
        seed: int,
        *,
        cluster: VirtualCluster,
        emit: Callable[[Event], None],
    ) -> None:
        built, costs = build_simulable(study, strategy, seed), cluster.costs
        measured = costs.decision_s is None
        self.now = 0.0
        self.sweep = Sweep(
            study,
            built if measured else replace(built, searcher=Charged(built.searcher, self, costs)),
            workers=cluster.workers,
            emit=emit,
            clocks=Clocks(
                clock=lambda: self.now,
                timer=time.perf_counter if measured else lambda: self.now,
                stamp=lambda: stamp(self.now),
            ),
        )
        self.source, self.costs, self._measured = cluster.source, costs, measured
        self.tally = dict.fromkeys(ORIGINS, 0)
        """Number of trials by the origin of their curves."""
        self.trials: list[StubTrial] = []
        self.live: dict[str, StubTrial] = {}
        self._runs: dict[str, Run] = {}
        self._idle = list(range(cluster.workers))
        self._heap: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._order = count()

    def run(self) -> Sweep:
        """Runs the sweep to its end."""
        self.sweep.begin()
        while True:
            # Ray's own loop starts all trials that it can before it handles the next report.
            if self._idle and self._start_one():
                continue
            if self._heap:
                at, _, happen, what = heappop(self._heap)
                self.now = max(self.now, at)
                happen(what)
            elif self.sweep.drained(self) or not self._start_one():
                break
        for trial in list(self.live.values()):
            self.stop_trial(trial)  # a paused trial for which no budget is left
        self.sweep.finish()
        return self.sweep

    # The view of the scheduler ----------------------------------------------------------------------------------

    def get_trials(self) -> list[StubTrial]:
        return self.trials

    def get_live_trials(self) -> list[StubTrial]:
        """Running and paused trials, in the order of their start; a set's order would differ between runs."""
        return list(self.live.values())

    def pause_trial(self, trial: Any, should_checkpoint: bool = True) -> None:
        """Only records the request: a scheduler pauses a trial by its answer to the trial's report."""
        trial.status = "PAUSED"

    def stop_trial(self, trial: Any) -> None:
        """Stops a trial for the scheduler or at the end of the sweep; its current epoch does not count."""
        self._leave(trial)
        self.sweep.ended(trial, self)

    # Events -----------------------------------------------------------------------------------------------

    def _start_one(self) -> bool:
        """Gives an idle worker a promoted trial, else a new one; returns whether there was one."""
        spent = self.sweep.decision_s
        run = self._next()
        self._charge(spent)
        if run is None:
            return False
        run.trial.status = "RUNNING"
        self._train(run, run.enter(heappop(self._idle)))
        return True

    def _charge(self, spent: float) -> None:
        """Advances the virtual clock by the time of measured decisions."""
        if self._measured:
            self.now += self.sweep.decision_s - spent

    def _next(self) -> Run | None:
        """The next trial to continue or start."""
        trial = self.sweep.choose(self)
        if trial is None:
            closed = self.sweep.closed
            run = self._suggested()
            if run is not None or self.sweep.closed == closed:
                return run
            # There are no more new trials, so a synchronous scheduler may now continue paused ones.
            trial = self.sweep.choose(self)
        return self._runs[trial.trial_id] if trial is not None else None

    def _suggested(self) -> Run | None:
        sweep = self.sweep
        suggestion = sweep.suggest(self)
        if suggestion is None:
            return None
        trial_id, config = suggestion
        trial = StubTrial(trial_id, config, "PENDING")
        # The same draws for the same trial number of every strategy, regardless of the rest of the sweep.
        chance = np.random.default_rng([sweep.seed, len(self.trials)]) if self.costs.by_chance else None
        self.trials.append(trial)
        self.live[trial_id] = trial
        curve = self.source.curve(config, sweep.seed, sweep.strategy)
        run = self._runs[trial_id] = Run(trial, curve, self.costs, chance)
        sweep.added(trial, self)
        return run

    def _train(self, run: Run, delay: float) -> None:
        reports = self.sweep.grant(run.trial.trial_id)
        seconds = delay + run.train(reports, batch_s(self.sweep.workers))
        self._later(seconds, self._failed if run.failed else self._reported, run)

    def _later(self, seconds: float, happen: Callable[[Any], None], what: Any) -> None:
        heappush(self._heap, (self.now + seconds, next(self._order), happen, what))

    def _reported(self, run: Run) -> None:
        """The driver's turn: events that are due earlier than it ends wait until then."""
        if run.worker == NOWHERE:
            return  # stopped from outside during the epoch
        decision, seconds = CONTINUE, self.costs.report_s
        for report in run.unreported:
            self.now += seconds
            spent = self.sweep.decision_s
            decision = self.sweep.report(run.trial, report, self)
            self._charge(spent)
            if decision != CONTINUE:
                break
            seconds = self.costs.batched_s
        if decision == CONTINUE:
            self._train(run, 0.0)
        elif decision == PAUSE:
            self._later(self.costs.pause_s, self._saved, (run.trial, run.leave()))
        else:
            self._leave(run.trial)

    def _saved(self, paused: tuple[StubTrial, int]) -> None:
        """Only now may the trial go on elsewhere: to Ray Tune it is running while it is saved."""
        trial, worker = paused
        self._free(worker)
        if trial.trial_id in self.live:
            trial.status = "PAUSED"

    def _failed(self, run: Run) -> None:
        if run.worker != NOWHERE:
            self._leave(run.trial, "ERROR")
            self.sweep.failed(run.trial, f"the worker died {run.deaths} times", self)

    def _free(self, worker: int) -> None:
        heappush(self._idle, worker)

    def _leave(self, trial: Any, status: str = "TERMINATED") -> None:
        trial.status = status
        self.live.pop(trial.trial_id, None)
        run = self._runs.pop(trial.trial_id, None)
        if run is None:
            return
        self.tally[run.origin()] += 1
        if run.worker != NOWHERE:
            self._free(run.leave())


class Charged:
    """A searcher whose suggestions take a fixed virtual time."""

    def __init__(self, searcher: Any, simulation: Simulation, costs: Costs) -> None:
        self._searcher, self._simulation, self._seconds = searcher, simulation, costs.decision_s or 0.0
        self.on_trial_result, self.on_trial_complete = searcher.on_trial_result, searcher.on_trial_complete
        self.epochs_of = getattr(searcher, "epochs_of", lambda trial_id: math.inf)
        self.close = getattr(searcher, "close", lambda: None)

    def suggest(self, trial_id: str) -> Any:
        """The searcher's answer; advances the clock if it is a configuration."""
        answer = self._searcher.suggest(trial_id)
        if isinstance(answer, dict):
            self._simulation.now += self._seconds
        return answer


def build_simulable(study: Study, strategy: str, seed: int) -> BuiltStrategy:
    """Builds the strategy for one sweep.

    Raises:
        ValueError: for a strategy that cannot be built, or that changes hyperparameters during training.
    """
    built = build(study, strategy, seed)
    if hasattr(built.scheduler, "fork"):
        raise ValueError(
            f"study.strategies: {strategy} changes the hyperparameters of trained models, which recorded curves do not "
            f"cover; leave it out of a simulation"
        )
    return built


def stamp(seconds: float) -> str:
    """The time stamp of a virtual time, which begins at 1970-01-01."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
