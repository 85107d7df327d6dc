"""One Ray Tune experiment that runs all stages of a study."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import cloudpickle, tune
from ray.tune import CheckpointConfig
from ray.tune.progress_reporter import ProgressReporter, TrialProgressCallback

from hypertune.records.failures import one_line
from hypertune.storage.files import write_atomically
from hypertune.storage.storage import RUN, Storage
from hypertune.storage.telling import tell_user
from hypertune.study.study import Study
from hypertune.sweep.trial import StudyError
from hypertune.tuning.controller import StudyScheduler, StudySearch
from hypertune.tuning.faults import Faults
from hypertune.tuning.growth import Growth
from hypertune.tuning.housekeeping import ForgetEnded
from hypertune.tuning.interrupts import stopping
from hypertune.tuning.names import NameTasks
from hypertune.tuning.placement import Placement
from hypertune.tuning.pruning import Pruner
from hypertune.tuning.queue import Queue
from hypertune.tuning.ray_internals import most_captured, release, without_telemetry
from hypertune.tuning.ray_names import missing
from hypertune.tuning.registration import registered
from hypertune.tuning.watchdog import RayDied, Watchdog, let_go_of_ray, watch_ray
from hypertune.tuning.worker import make_worker, reusable

SWEEPS = "sweeps"
OWN_RUN = re.compile(rf"{RUN}(\d+)", re.ASCII)
WORKER_RETRIES = 2
"""How often a trial is retried after its worker or node died."""


class NoteCheckpoints(TrialProgressCallback):
    """Records every checkpoint in the journal once it is complete, so that a resume never reads a partial one.

    It also replaces Ray's own progress callback, which prints a line for every trial.
    """

    def __init__(self, queue: Queue, pruner: Pruner) -> None:
        super().__init__()
        self.queue, self.pruner = queue, pruner

    def on_trial_result(self, *_: Any, **__: Any) -> None:
        """Shown by `tuning.progress` instead."""

    on_trial_error = on_trial_complete = on_trial_result

    def on_checkpoint(self, iteration: int, trials: list[Any], trial: Any, checkpoint: Any, **_: Any) -> None:
        """Called by Ray Tune when a checkpoint has reached storage."""
        self.queue.checkpointed(trial.trial_id, checkpoint.path)
        self.pruner.supersede(trial.trial_id, checkpoint.path)


class NoReporter(ProgressReporter):
    """Replaces Ray Tune's own display, which in a notebook clears other output of the cell."""

    def setup(self, *_: Any, **__: Any) -> None:
        """Nothing to prepare."""

    def should_report(self, trials: list[Any], done: bool = False) -> bool:
        return False

    def report(self, trials: list[Any], done: bool, *sys_info: Any) -> None:
        """Shown by `tuning.display` instead."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Where Ray Tune keeps its checkpoints, the same on every node.

    Attributes:
        place: the folder's path or URL.
        path: the folder's path within its file system, as in Ray's checkpoint paths.
        name: this attempt's own folder there, since Ray numbers checkpoints from 0 again and would overwrite old ones.
        errors: local file for exceptions of Ray itself.
    """

    place: str
    path: str
    name: str
    errors: Path


def runs_of(out: Path, storage: Storage | None) -> Runs:
    """The runs of the study in `out`, or on the storage of which it is the working copy."""
    folder = str((out / SWEEPS).resolve())
    earlier = storage.folders(SWEEPS) if storage else [path.name for path in Path(folder).glob(f"{RUN}*")]
    last = max((int(found[1]) for name in earlier if (found := OWN_RUN.fullmatch(name))), default=0)
    place, path = (storage.url_of(SWEEPS), f"{storage.path}/{SWEEPS}") if storage else (folder, folder)
    return Runs(place, path, f"{RUN}{last + 1}", out / SWEEPS / "ray_error.txt")


def run(
    study: Study,
    runs: Runs,
    trained: Trained,
    queue: Queue,
    callbacks: list[Any],
    *,
    stuck: Callable[[str], None],
    resized: Callable[[int], None],
) -> Ending:
    """Runs the queue's stages on the connected cluster.

    Args:
        callbacks: Ray Tune callbacks in addition to our own.
        stuck: called with the cause, from another thread, if a call into a dead Ray hangs; ends the process.
        resized: called with the number of workers before a stage hears that the cluster has grown or shrunk.

    Raises:
        ValueError: if the study cannot continue, e.g. because the trainable does not report its metric.
    """
    trainable, data, workers = trained.trainable, trained.data, trained.workers
    for line in missing():
        tell_user(line)
    without_telemetry()
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(workers)
    keep = reusable(trainable)
    worker = make_worker(trainable, name=study.name)
    warm = _useful(study, workers) if keep and not trained.placement.varies else 0
    _check_sendable(worker)
    search, faults = StudySearch(queue, warm, trained.placement.of), Faults(study.resources.epoch_timeout_s)
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # ours says what happens, and hears SIGTERM too
    scheduler = StudyScheduler(queue, search, faults, workers, warm)
    trouble = None

    def changed(count: int) -> None:
        resized(count)
        scheduler.resize(count)
        queue.resize(count)

    growth = Growth(study, trained.placement, workers, changed=changed, controller=lambda: queue.view.controller)
    try:
        known = registered(worker if data is None else _with_data(worker, data), worker.__name__)
        with known as name, stopping(queue.stop), Watchdog(watch_ray(), stuck) as watchdog, growth:
            tune.run(
                name,
                name=runs.name,
                storage_path=runs.place,
                search_alg=search,
                scheduler=scheduler,
                num_samples=-1,
                reuse_actors=keep,
                checkpoint_config=CheckpointConfig(checkpoint_at_end=False),
                progress_reporter=NoReporter(),
                callbacks=[*callbacks, faults, growth, ForgetEnded(), NameTasks(study)],
                max_failures=WORKER_RETRIES,
                raise_on_failed_trial=False,
                verbose=0,
            )
    except RayDied:
        let_go_of_ray()
        trouble = ray_died(str(watchdog.reason))
    except StudyError:
        release(queue.view.controller)
        raise
    except Exception as error:
        release(queue.view.controller)
        if not queue.begun:
            raise ValueError(f"{_reason(error)}; nothing has been run") from error
        trouble = _told(error, queue, runs.errors)
    if queue.fatal:
        raise ValueError(queue.fatal)
    return Ending(interrupted=not queue.finished, trouble=trouble)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a study trains, and on how many workers.

    Attributes:
        trainable: a Ray Tune trainable, class or function.
        data: passed to it through Ray's object store, once per node and never copied per trial; None if it has its own.
        workers: trials that the cluster can run at the same time.
        placement: what each trial asks Ray for.
    """

    trainable: Any
    data: Any
    workers: int
    placement: Placement


@dataclass(frozen=True, slots=True)
class Ending:
    """How Ray's run ended.

    Attributes:
        interrupted: whether the study is unfinished.
        trouble: an error of Ray itself, in one line; everything reported before has been recorded.
    """

    interrupted: bool
    trouble: str | None = None


def _check_sendable(worker: Any) -> None:
    """Finds out before Ray does what cannot be sent to a worker: Ray tells of it late, and in other words.

    Raises:
        ValueError: if the trainable cannot be pickled, or captures more than Ray takes.
    """
    try:
        size, most = len(cloudpickle.dumps(worker)), most_captured()
    except Exception as error:
        raise ValueError(
            f"trainable: captures what cannot be sent to another process ({one_line(str(error))}); make it "
            "inside the trainable"
        ) from error
    if size > most:
        raise ValueError(
            f"trainable: captures {size / 2**20:,.0f} MiB of data, where Ray sends {most / 2**20:.0f} at most; hand "
            "them over with tune.with_parameters(train, data=data), as an argument of train(config, data)"
        )


def ray_died(what: str) -> str:
    """The message for a Ray that has died."""
    return f"Ray died while the study was running ({what}); everything reported so far has been recorded"


def _told(error: Exception, queue: Queue, kept: Path) -> str:
    """Ray's exception in one line that names the file with the traceback."""
    write_atomically(kept, "".join(traceback.format_exception(error)))
    when = "after the last trial, nothing is lost" if queue.finished else "everything reported so far is recorded"
    return f"{_reason(error)} ({when}; its traceback is in {kept})"


def _reason(error: Exception) -> str:
    return f"Ray Tune failed with {type(error).__name__}: {one_line(str(error)) or 'no reason given'}"


def _useful(study: Study, workers: int) -> int:
    """The number of workers that a sweep can keep busy, at most the trials or epochs in its budget."""
    return workers if study.budget.seconds else min(workers, int(study.budget.amount))


def _with_data(worker: Any, data: Any) -> Any:
    wrapped = tune.with_parameters(worker, data=data)
    wrapped.__qualname__ = worker.__qualname__  # shown by the dashboard and `ps`; Ray's own wrapper is called _Inner
    return wrapped
