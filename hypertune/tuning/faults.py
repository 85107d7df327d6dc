"""Handles trials whose worker or node is lost, hangs or is killed for using too much memory."""

from __future__ import annotations

import re
import time
from typing import Any

from ray.exceptions import LocalRayletDiedError, NodeDiedError, OutOfMemoryError, RayActorError, WorkerCrashedError
from ray.tune import Callback
from ray.tune.experiment import Trial

from hypertune.records.failures import one_line
from hypertune.tuning import ray_internals

NODE_DIED = "its node has died"
"""Part of Ray's error for an actor whose node died."""
IN_CONSTRUCTOR = "error raised in its creation task"
"""Part of Ray's error for an actor whose constructor raised."""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class WorkerLost(RayActorError):
    """A worker was lost with one of Ray's rarer errors; the message says which."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error_msg = str(error)


class Faults(Callback):
    """Kills the workers of trials that hang, and does not count the loss of a node as a trial's failure.

    Killing the worker turns a hanging trial into one whose worker died, which Ray retries from its last checkpoint.

    Args:
        epoch_timeout_s: seconds without a report after which a running trial counts as hung; None for never.
    """

    def __init__(self, epoch_timeout_s: float | None) -> None:
        super().__init__()
        self._limit = epoch_timeout_s
        self._heard: dict[str, float] = {}
        self._hung: dict[str, float] = {}
        self._short_of_memory: set[str] = set()
        self._unmade: dict[str, str] = {}

    def watch(self, controller: Any) -> None:
        """Turns every loss of a worker into a failure of its trial.

        Ray Tune handles only one kind of error this way; others end the whole experiment, e.g. when Ray kills a worker
        because its node runs out of memory.
        """
        ray_internals.on_lost_worker(controller, self._told)

    def _told(self, trial: Trial | None, exception: Exception) -> Exception:
        if trial is not None and isinstance(exception, OutOfMemoryError):
            self._short_of_memory.add(trial.trial_id)
        if trial is not None and IN_CONSTRUCTOR in (text := str(exception)):
            self._unmade[trial.trial_id] = COLOURS.sub("", text)
        lost = isinstance(exception, OutOfMemoryError | WorkerCrashedError | NodeDiedError | LocalRayletDiedError)
        return WorkerLost(exception) if lost else exception

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Called when the trial has been given a worker."""
        self._heard[trial.trial_id] = time.monotonic()

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Called when the trial has reported."""
        self._unmade.pop(trial.trial_id, None)
        self._heard[trial.trial_id] = time.monotonic()

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Called several times a second, even while nothing happens."""
        if self._limit is None:
            return
        running = {trial.trial_id: trial for trial in trials if trial.status == Trial.RUNNING}
        self._heard = {name: when for name, when in self._heard.items() if name in running}
        for name, heard in list(self._heard.items()):
            if time.monotonic() - heard > self._limit:
                self._kill(running[name])

    def _kill(self, trial: Trial) -> None:
        import ray

        del self._heard[trial.trial_id]
        self._hung[trial.trial_id] = self._limit or 0.0
        actor = ray_internals.actor_of(trial)
        if actor is not None:
            ray.kill(actor)

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Called when the trial is retried; the death of a node never counts as a failure of its trials."""
        if NODE_DIED in str(trial.get_error()):
            ray_internals.forgive(trial)

    def reason(self, trial: Trial) -> str:
        """Why a trial failed even after its retries, in one line."""
        error = trial.get_error()
        return f"{self._cause(trial.trial_id, error)}, and again at every retry"

    def words(self, trial: Trial) -> str:
        """What Ray says of it, with the trainable's traceback where its constructor raised."""
        return self._unmade.get(trial.trial_id) or str(trial.get_error() or "")

    def _cause(self, trial_id: str, error: Exception | None) -> str:
        if trial_id in self._hung:
            return f"reported nothing for {self._hung.pop(trial_id):g} s (resources.epoch_timeout_s), worker killed"
        if trial_id in self._short_of_memory:
            self._short_of_memory.discard(trial_id)
            return "Ray killed the worker process because its node ran out of memory"
        if trial_id in self._unmade:
            # The exception itself stands below Ray's words and the traceback.
            text = self._unmade[trial_id]
            starts = [found.start() for found in re.finditer(r"^[A-Za-z_][\w.]*(: |$)", text, re.MULTILINE)]
            return one_line(text[starts[-1] :]) if starts else "its class cannot be made"
        if error is not None and not str(error).startswith("The actor"):
            return f"{type(error).__name__}: {one_line(str(error))}"
        return "the worker process died"
