"""Keeps Ray Tune from work that costs more than it is worth: what it would keep, save and wait for."""

from __future__ import annotations

import sys
from typing import Any

from ray.tune import Callback

from hypertune.sweep.batches import batch_s
from hypertune.tuning import ray_internals
from hypertune.tuning.connect import alive_nodes, starts_through_uv, worker_environment

KEPT = 100
"""Trials that have ended and are still remembered, so that the list is not rewritten at every step."""
STOP_PATIENCE_S = 1
"""How long a worker may go on with its epoch, or clean up, once the study is to stop."""


class ForgetEnded(Callback):
    """Lets go of trials that have ended; our records have taken them in.

    Ray keeps all of them, with the metrics of each of their checkpoints (about 60 KB a trial), goes through the whole
    list for every trial that it starts, and writes all of it at the end to a snapshot that nothing here reads.
    """

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """`trials` is the controller's own list."""
        ended = [trial for trial in trials if trial.is_finished()] if len(trials) > KEPT else []
        if len(ended) > KEPT:
            # One stays: `tune.run` takes an empty list for one that has to be read from a snapshot.
            trials[:] = [trial for trial in trials if not trial.is_finished() or trial is ended[-1]]


def stop_soon(controller: Any) -> None:
    """Asks the controller to end, and not to wait for epochs that are under way.

    It would give each worker ten seconds to end its epoch, the time that a batch system leaves the whole process.
    """
    ray_internals.stop_within(controller, STOP_PATIENCE_S)


def our_environment(controller: Any) -> None:
    """Starts workers with our settings, whoever has started Ray, and with which."""
    python = {"py_executable": sys.executable} if starts_through_uv() and len(alive_nodes()) == 1 else {}
    ray_internals.set_worker_environment(controller, worker_environment(), python)


def in_batches(controller: Any, workers: int) -> None:
    """Lets a trial with quick epochs send several reports at once; the queue says how many."""
    ray_internals.ask_how_many_reports(
        controller, lambda search, trial_id: int(search.queue.grant(trial_id)), batch_s(workers)
    )
