"""Keeps Ray Tune from work that costs more than it is worth: what it would keep, save and wait for."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from ray.tune import Callback

from hypertune.sweep.batches import batch_s
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
    controller._actor_force_cleanup_timeout = STOP_PATIENCE_S
    controller.request_stop_experiment()


def our_environment(controller: Any) -> None:
    """Starts workers with our settings, whoever has started Ray, and with which."""
    settings = worker_environment()
    python = {"py_executable": sys.executable} if starts_through_uv() and len(alive_nodes()) == 1 else {}
    actor_class = controller._class_cache.get

    def get(trainable: Any) -> Any:
        made = actor_class(trainable)
        asked = made._default_options["runtime_env"]
        asked.update({**python, "env_vars": {**asked["env_vars"], **settings}})
        return made

    controller._class_cache.get = get


def release(controller: Any) -> None:
    """Lets go of the workers of a controller that raised before it came to that, so that they hold no CPUs."""
    if controller is None:
        return
    controller = getattr(controller, "_tune_controller", controller)
    for clean_up in (controller.cleanup, controller._actor_manager.cleanup):
        try:
            clean_up()
            break
        except Exception:  # noqa: BLE001 -- it may be just this that raises; the second is what the first ends with
            continue


def without_telemetry() -> None:
    """Keeps Ray from importing mlflow, wandb and comet, where they are installed, to count who uses their callbacks."""
    import_module("ray.air._internal.usage")._count_callbacks = lambda callbacks: {}  # type: ignore[attr-defined]


def without_snapshots(controller: Any) -> None:
    """Keeps Ray's controller from saving its state as it goes; `tune.run` insists on one at the end."""
    save = controller.checkpoint
    controller.checkpoint = lambda force=False, wait=False: save(force=force, wait=wait) if force else None
    controller._mark_trial_to_checkpoint = lambda trial: None


def in_batches(controller: Any, workers: int) -> None:
    """Lets a trial with quick epochs send several reports at once: Ray waits on all trials anew for every answer.

    Ray's own setting is one number for all trials and takes no account of what a scheduler decides in between. The
    queue is asked by way of the search algorithm, which Ray leaves out when it pickles the controller at the end.
    """
    seconds = batch_s(workers)
    controller._maybe_buffer_training = lambda trial: (controller._search_alg.queue.grant(trial.trial_id), seconds)
