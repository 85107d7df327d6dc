"""What becomes of trials whose worker, or whose node, is lost, hangs or is killed for its memory."""

from __future__ import annotations

import time
from typing import Any

from ray.exceptions import LocalRayletDiedError, NodeDiedError, OutOfMemoryError, RayActorError, WorkerCrashedError
from ray.tune import Callback
from ray.tune.experiment import Trial

from hypertune.records.failures import one_line
from hypertune.tuning import ray_internals

NODE_DIED = "its node has died"
"""What Ray says in the error of an actor that went with its node."""


class WorkerLost(RayActorError):
    """A worker was lost in a way for which Ray has an error of its own; its message says which."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error_msg = str(error)


class Faults(Callback):
    """Kills the workers of trials that hang, and tries trials again for which the loss of a node is to blame.

    Killing the worker makes a hanging trial one whose worker died, which Ray tries again from its last checkpoint.

    Args:
        epoch_timeout_s: seconds without a report after which a running trial hangs; None for never.
    """

    def __init__(self, epoch_timeout_s: float | None) -> None:
        super().__init__()
        self._limit = epoch_timeout_s
        self._heard: dict[str, float] = {}
        self._hung: dict[str, float] = {}
        self._short_of_memory: set[str] = set()

    def watch(self, controller: Any) -> None:
        """Makes every loss of a worker a failure of its trial.

        Ray Tune knows one kind of error for it, and ends the whole experiment at the others, e.g. where Ray has killed
        a worker since its node ran out of memory.
        """
        ray_internals.on_lost_worker(controller, self._told)

    def _told(self, trial: Any | None, exception: Exception) -> Exception:
        if trial is not None and isinstance(exception, OutOfMemoryError):
            self._short_of_memory.add(trial.trial_id)
        lost = isinstance(exception, OutOfMemoryError | WorkerCrashedError | NodeDiedError | LocalRayletDiedError)
        return WorkerLost(exception) if lost else exception

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial has been given a worker."""
        self._heard[trial.trial_id] = time.monotonic()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """The trial has reported."""
        self._heard[trial.trial_id] = time.monotonic()

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Called several times a second, also while nothing happens."""
        if self._limit is None:
            return
        running = {trial.trial_id: trial for trial in trials if trial.status == Trial.RUNNING}
        self._heard = {name: when for name, when in self._heard.items() if name in running}
        for name, heard in list(self._heard.items()):
            if time.monotonic() - heard > self._limit:
                self._kill(running[name])

    def _kill(self, trial: Any) -> None:
        import ray

        del self._heard[trial.trial_id]
        self._hung[trial.trial_id] = self._limit or 0.0
        actor = ray_internals.actor_of(trial)
        if actor is not None:
            ray.kill(actor)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial is tried again; a node that dies is no fault of the trials it had, however often it happens."""
        if NODE_DIED in str(trial.get_error()):
            ray_internals.forgive(trial)

    def reason(self, trial: Any) -> str:
        """Why a trial has failed that was tried again in vain, in one line."""
        error = trial.get_error()
        return f"{self._cause(trial.trial_id, error)}, and again whenever the trial was tried anew"

    def _cause(self, trial_id: str, error: Exception | None) -> str:
        if trial_id in self._hung:
            return f"reported nothing for {self._hung.pop(trial_id):g} s (resources.epoch_timeout_s), worker killed"
        if trial_id in self._short_of_memory:
            self._short_of_memory.discard(trial_id)
            return "Ray killed the worker process since its node ran out of memory"
        if error is not None and not str(error).startswith("The actor"):
            return f"{type(error).__name__}: {one_line(str(error))}"
        return "the worker process died"
