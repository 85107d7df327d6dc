"""Spares Ray Tune needless work: remembering ended trials, writing snapshots, and waiting at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from hypertune.sweep.batches import batch_s
from hypertune.sweep.trial import StudyError
from hypertune.tuning import ray_internals
from hypertune.tuning.connect import alive_nodes, starts_through_uv, worker_environment

KEPT = 100
"""Number of ended trials that are kept, so that the list is not rewritten at every step."""
STOP_PATIENCE_S = 1
"""Seconds that a worker has to finish its epoch or clean up once the study stops."""


LOOK_EVERY_S = 1.0
"""Seconds between two looks at the output folder."""


class ForgetEnded(Callback):
    """Removes trials that have ended from Ray's list; our records have them.

    Ray would keep all of them with the metrics of each checkpoint (about 60 KB per trial), scan the whole list for
    every trial that it starts, and finally write all of it to a snapshot that nothing here reads.
    """

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """`trials` is the controller's own list."""
        ended = [trial for trial in trials if trial.is_finished()] if len(trials) > KEPT else []
        if len(ended) > KEPT:
            # One stays: `tune.run` would read a snapshot if the list were empty.
            trials[:] = [trial for trial in trials if not trial.is_finished() or trial is ended[-1]]


class WatchFolder(Callback):
    """Calls `check` about every second while a study runs, even while no trial reports.

    Args:
        check: raises `StudyError` if the study cannot continue.
        abort: ends the study with a message.
    """

    def __init__(self, check: Callable[[], None], abort: Callable[[str], None]) -> None:
        super().__init__()
        self._check, self._abort, self._due = check, abort, 0.0

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Called several times a second."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LOOK_EVERY_S
        try:
            self._check()
        except StudyError as error:
            self._abort(str(error))
            self._due = float("inf")


def stop_soon(controller: Any) -> None:
    """Asks the controller to end without waiting for running epochs.

    By default it gives each worker ten seconds, which is all that a batch system gives the whole process.
    """
    ray_internals.stop_within(controller, STOP_PATIENCE_S)


def our_environment(controller: Any) -> None:
    """Starts workers with our settings, regardless of how Ray was started."""
    python = {"py_executable": sys.executable} if starts_through_uv() and len(alive_nodes()) == 1 else {}
    ray_internals.set_worker_environment(controller, worker_environment(), python)


def in_batches(controller: Any, workers: int) -> None:
    """Lets a trial with short epochs send several reports at once; the queue decides how many."""
    ray_internals.ask_how_many_reports(
        controller, lambda search, trial_id: int(search.queue.grant(trial_id)), batch_s(workers)
    )
