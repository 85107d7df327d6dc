"""The driver: runs a study on Ray, from the checked study to its records."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypertune.cluster import connect
from hypertune.cluster.watch import STUDY
from hypertune.records import MODEL, Event, Records, now
from hypertune.study import Study
from hypertune.tuning import folder, trainables
from hypertune.tuning.checks import check, check_names
from hypertune.tuning.reading import Reading
from hypertune.tuning.recording import Recorder
from hypertune.workspace import Workspace, tell_user

Observer = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a study.

    Attributes:
        records: everything that was recorded, from earlier attempts too.
        interrupted: whether it was stopped by Ctrl-C, or by the death of Ray, and can be resumed.
        trouble: what went wrong in Ray itself, in one line.
    """

    records: Records
    interrupted: bool
    trouble: str | None = None


def run(
    study: Study,
    out: Path,
    *,
    trainable: trainables.Trainable | None = None,
    data_dir: Path | None = None,
    address: str | None = None,
    resume: bool = False,
    observers: tuple[Observer, ...] = (),
    work: Workspace | None = None,
    dashboard_host: str | None = None,
) -> Outcome:
    """Runs a study, or what is left of it, and keeps its records in `out`.

    Args:
        work: the workspace of `out`, if that is a working copy of a folder on shared storage; workers write checkpoints
            and the model there.

    Raises:
        ValueError: for what the user can mend: study, data, folder, cluster.
    """
    check_names(study)
    lock = folder.claim(out, study, resume=resume)
    try:
        recorder = Recorder(study, out)
        cluster = (address, dashboard_host)
        try:
            return _run(study, out, trainable, data_dir, cluster, recorder, observers, work or Workspace(out))
        finally:
            recorder.close()
    finally:
        lock.release()
        if not (resume or folder.holds_events(out)):
            folder.discard(out)


def _run(
    study: Study,
    out: Path,
    trainable: trainables.Trainable | None,
    data_dir: Path | None,
    cluster: tuple[str | None, str | None],
    recorder: Recorder,
    observers: tuple[Observer, ...],
    work: Workspace,
) -> Outcome:
    connect.prepare_environment()
    import ray  # noqa: F401 -- imported before two threads would at the same time

    with ThreadPoolExecutor(1) as pool:
        # Checking the study in full means importing its searchers; that and reading the data overlap with the seconds
        # that Ray takes to start.
        reading = Reading(_to_all(*observers))
        preparing = pool.submit(_prepare, study, trainable, data_dir, reading)
        try:
            url = connect.connect(*cluster, metadata=_job_metadata(study))
            if work.storage is None:
                connect.check_shared(out)
            workers = connect.workers(study.resources)
            trainable, data = preparing.result()
        except BaseException:
            reading.stop()  # else leaving the block would wait for the last image
            raise
    provenance = folder.start_provenance(study, workers=workers, address=cluster[0], data_dir=data_dir, data=data)
    folder.write_provenance(out, provenance, recorder.book.records())
    for observer in observers:
        observer({
            "event": "connected", "dashboard": url, "workers": workers, "past": len(recorder.past),
            "notes": provenance["notes"],
        })  # fmt: skip
        for event in recorder.past:
            observer(event)
    from hypertune.tracking.tracker import Tracker
    from hypertune.tuning import experiment
    from hypertune.tuning.metrics import Publisher, logs_folder
    from hypertune.tuning.pruning import Pruner
    from hypertune.tuning.queue import Queue
    from hypertune.tuning.stages import Stages
    from hypertune.tuning.watchdog import INTERRUPTED

    retrains = bool(getattr(trainable, "needs_data", False))
    storage = work.storage
    reached = storage.filesystem if storage else None
    pruner = Pruner(study, recorder.past, keep_best=not retrains, filesystem=reached, told=work.copied)
    tracker, publisher = Tracker(study, out, recorder.book), Publisher(study, logs_folder(), recorder.past)
    emit = _to_all(recorder, pruner, tracker, publisher, *observers)
    model_place = storage.url_of(MODEL) if storage else str((out / MODEL).resolve())
    stages = Stages(study, out, recorder, workers=workers, emit=emit, retrains=retrains, model_place=model_place).plan()
    threads = max(int(study.resources.cpus_per_trial), 1)
    told: dict[str, Any] = {"max_epochs": study.training.max_epochs, "threads": threads}
    if study.training.steps_per_epoch is not None:
        told["steps_per_epoch"] = study.training.steps_per_epoch
    queue = Queue(stages, constants=study.training.config, told=told)
    runs = experiment.runs_of(out, storage)
    callbacks = [experiment.NoteCheckpoints(queue, pruner), publisher]

    def stuck(reason: str) -> None:
        """Ends the process, whose study hangs in a call into a Ray that has died; the journal holds everything."""
        tell_user(experiment.ray_died(reason))
        recorder.close()
        work.copied(time.monotonic())
        tell_user(f"go on with: hypertune compare --resume {work.place}")
        os._exit(INTERRUPTED)

    ending = experiment.Ending(interrupted=False)
    try:
        if stages:
            ending = experiment.run(study, runs, trainable, data, queue, callbacks, workers=workers, stuck=stuck)
        if not ending.interrupted:
            pruner.crown(out / "best" / "checkpoint")
    except KeyboardInterrupt:
        pruner.leave()  # told a second time to stop: a resume tidies up
        raise
    finally:
        tracker.close()
        pruner.tidy(runs.path)
    if ending.trouble:
        tell_user(ending.trouble)
    provenance["ended_at"] = now()
    records = recorder.book.records(provenance)
    folder.write_provenance(out, provenance, records)
    return Outcome(records, ending.interrupted, ending.trouble)


def _job_metadata(study: Study) -> dict[str, str]:
    """What the dashboard's page of jobs shows of a study."""
    return {
        STUDY: study.name,
        "strategies": ", ".join(study.strategies),
        "seeds": ", ".join(map(str, study.seeds)),
        "budget": f"{study.budget} per sweep",
        "metric": f"{study.metric} ({study.mode})",
    }


def _to_all(*receivers: Observer) -> Observer:
    def emit(event: Event) -> None:
        for receiver in receivers:
            receiver(event)

    return emit


def _prepare(
    study: Study, trainable: trainables.Trainable | None, data_dir: Path | None, reading: Reading
) -> tuple[trainables.Trainable, Any]:
    trainable = trainable or trainables.resolve(study.training.trainable)
    check(study, trainable)
    return trainable, trainables.load_data(study, data_dir, reading)
