"""Ray Tune's side of a study: one experiment whose search algorithm and scheduler delegate to the current sweep."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ray.tune import Checkpoint
from ray.tune.experiment import Trial
from ray.tune.result import TIME_TOTAL_S, TRAINING_ITERATION
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import SearchAlgorithm

from hypertune.sweep.trial import StudyError
from hypertune.tuning.housekeeping import in_batches, our_environment
from hypertune.tuning.queue import Queue
from hypertune.tuning.ray_internals import (
    keep_idle_workers,
    live_workers,
    restore_from,
    unwrapped,
    without_snapshots,
)
from hypertune.tuning.reports import to_report
from hypertune.tuning.worker import RESERVED, WARM_UP

if TYPE_CHECKING:
    from hypertune.sweep.trial import Checkpoint as Saved
    from hypertune.tuning.faults import Faults

WARM_UP_PATIENCE_S = 60.0
"""Seconds that the first workers wait for those that have been placed and are still starting."""
NO_PLACE_S = 3.0
"""Seconds that they wait for a worker that the cluster has no room for, since something else runs there."""


class StudySearch(SearchAlgorithm):
    """Hands out the queue's trials, warm-up first.

    Args:
        warm: trials that only start a process.
        place: what a trial of a configuration asks Ray for; of None, one that only starts a process.
    """

    def __init__(self, queue: Queue, warm: int, place: Callable[[Mapping[str, Any] | None], Any]) -> None:
        self.queue, self._place = queue, place
        self._to_warm = warm
        self._warming: set[str] = set()
        self._spec: dict[str, Any] = {}
        self.lost = ("the worker process died", "")
        """Reason and Ray's message of the next failed trial; set by the scheduler, which is called first."""

    def add_configurations(self, experiments: Any) -> None:
        self._spec = experiments[0].spec

    def next_trial(self) -> Any:
        if self._finished:
            return None
        if self._to_warm:
            self._to_warm -= 1
            trial = self.make_trial(f"{WARM_UP}_{self._to_warm + 1}", {RESERVED: {"warm_up": True}})
            self._warming.add(trial.trial_id)
            return trial
        if self._warming:
            return None
        try:
            waiting = self.queue.next_trial(self.make_trial)
        except StudyError as error:
            self.queue.abort(str(error))
            return None
        self._finished = self._finished or self.queue.finished
        return waiting

    def make_trial(self, trial_id: str, config: dict[str, Any], saved: Saved | None = None) -> Trial:
        """A Ray Tune trial, to go on from `saved` if given."""
        own = {name: value for name, value in config.items() if name != RESERVED}
        trial = Trial(
            self._spec["run"],
            config=config,
            trial_id=trial_id,
            experiment_tag=trial_id,
            evaluated_params={},
            placement_group_factory=self._place(own or None),
            checkpoint_config=self._spec.get("checkpoint_config"),
            restore_path=saved.path if saved else None,
            trial_name_creator=lambda trial: trial.trial_id,
            trial_dirname_creator=lambda trial: trial.trial_id,
            max_failures=self._spec.get("max_failures", 0),
            storage=self._spec.get("storage"),
        )
        if saved:
            storage = self._spec["storage"].storage_filesystem
            reached = {TRAINING_ITERATION: saved.epoch, TIME_TOTAL_S: saved.elapsed_s}
            restore_from(trial, Checkpoint(saved.path, filesystem=storage), reached)
        return trial

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if trial_id in self._warming:
            self._warming.discard(trial_id)
        elif error:
            reason, traceback = self.lost
            self.queue.failed(trial_id, reason, traceback=traceback)
        else:
            self.queue.ended(trial_id, result)


class StudyScheduler(TrialScheduler):
    """Passes every event of a trial to the sweep that it belongs to.

    Args:
        workers: trials that the cluster can run at the same time.
        warm: number of workers started in advance and kept from trial to trial; 0 if every trial needs a fresh one.
    """

    def __init__(self, queue: Queue, search: StudySearch, faults: Faults, workers: int, warm: int) -> None:
        super().__init__()
        self.queue, self._workers, self._to_warm = queue, workers, warm
        self._keep_workers = warm > 0
        self._search, self._faults = search, faults
        self._warm: dict[str, float] = {}
        self._placed, self._placed_at = 0, 0.0
        self._met = False
        self._request: Any = None

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        if not self._met:
            self._met = True
            without_snapshots(unwrapped(tune_controller))
            in_batches(unwrapped(tune_controller), self._workers)
            our_environment(unwrapped(tune_controller))
            self._faults.watch(unwrapped(tune_controller))
            self._request = trial.placement_group_factory
        if self._keep_workers:
            self._keep_all_actors(tune_controller)
        self.queue.added(trial, unwrapped(tune_controller))

    def _keep_all_actors(self, tune_controller: Any) -> None:
        """Keeps all idle actors: Ray keeps only one, and the next sweep would have to start new processes."""
        keep_idle_workers(unwrapped(tune_controller), self._request, self._workers)
        self._keep_workers = False

    def resize(self, workers: int) -> None:
        """Lets Ray Tune start more trials at a time, or fewer, on a cluster that has grown or shrunk."""
        controller: Any = self.queue.view.controller
        controller.update_max_pending_trials(max(workers, 1))
        in_batches(controller, max(workers, 1))
        if self._to_warm and workers > self._workers:
            keep_idle_workers(controller, self._request, workers - self._workers)
        self._workers = max(workers, self._workers)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if trial.trial_id.startswith(WARM_UP):
            return str(
                TrialScheduler.STOP if self._all_warm(tune_controller, trial.trial_id) else TrialScheduler.CONTINUE
            )
        return self.queue.report(trial, to_report(result, self.queue.metric))

    def _all_warm(self, tune_controller: Any, trial_id: str) -> bool:
        """Whether every worker is up, except those that the cluster cannot start.

        A worker released earlier would receive the next warm-up trial, and Ray would stop the process that is still
        starting.
        """
        now = time.monotonic()
        self._warm.setdefault(trial_id, now)
        placed = live_workers(unwrapped(tune_controller))
        if placed != self._placed:
            self._placed, self._placed_at = placed, now
        if len(self._warm) >= self._to_warm or now - min(self._warm.values()) > WARM_UP_PATIENCE_S:
            return True
        return len(self._warm) >= placed and now - self._placed_at > NO_PLACE_S

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        return self.queue.choose()

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Handled in the search algorithm, which is told of every end."""

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Keeps the error for the search algorithm, which is called next and does not receive it."""
        self._search.lost = (self._faults.reason(trial), self._faults.words(trial))

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Handled in the search algorithm."""

    def debug_string(self) -> str:
        return "hypertune"
