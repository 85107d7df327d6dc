"""The driver: runs a study on Ray, from the checked study to its records."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypertune.records import folder
from hypertune.records.live import STUDY
from hypertune.records.provenance import start_provenance, write_provenance
from hypertune.records.records import Event, Records, read_provenance
from hypertune.storage.files import MODEL, now
from hypertune.storage.workspace import Workspace, tell_user
from hypertune.strategies.checks import check_names
from hypertune.study.rules import changed, rules
from hypertune.study.study import Study
from hypertune.tuning import connect
from hypertune.tuning.reading import Reading
from hypertune.tuning.recording import Recorder

Observer = Callable[[Event], None]
Prepare = Callable[[Reading], tuple[Any, Any]]
"""Gives the trainable and its data set, None where it brings its own; it may take long, and tells how far it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """How a study is run, besides what it says itself.

    Attributes:
        address: the cluster to join (`auto`, `HOST:PORT`); Ray starts on this machine where it is None.
        dashboard_host: where the dashboard of a Ray that starts here listens.
        data_dir: where the data sets lie already; for the record.
        resume: whether to go on with the study that the folder holds.
        observers: are called with every event.
    """

    address: str | None = None
    dashboard_host: str | None = None
    data_dir: Path | None = None
    resume: bool = False
    observers: tuple[Observer, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Connected:
    """What there is to run on, and what is to be run there."""

    dashboard: str | None
    workers: int
    trainable: Any
    data: Any


def run(study: Study, work: Workspace, prepare: Prepare, circumstances: Circumstances) -> Outcome:
    """Runs a study, or what is left of it, and keeps its records in the workspace's folder.

    Where that is a working copy of a folder on shared storage, workers write checkpoints and the model to the storage.

    Raises:
        ValueError: for what the user can mend: study, data, folder, cluster.
    """
    check_names(study)
    out = work.folder
    lock = folder.claim(out, study, resume=circumstances.resume)
    try:
        if circumstances.resume:
            _check_unchanged(out, study)
        recorder = Recorder(study, out, work.storage.path if work.storage else None)
        try:
            connected = _connect(study, work, prepare, circumstances)
            return _run(study, work, connected, recorder, circumstances)
        finally:
            recorder.close()
    finally:
        lock.release()
        if not (circumstances.resume or folder.holds_events(out)):
            folder.discard(out)


def _check_unchanged(out: Path, study: Study) -> None:
    """Checks that `study.toml` has not been edited since the study began.

    Raises:
        ValueError: naming what differs.
    """
    stored = read_provenance(out / "provenance.json").get("rules")
    different = changed(rules(study), stored) if isinstance(stored, dict) else None
    if different:
        raise ValueError(
            f"{out / 'study.toml'}: {different} as the study began; put it back, or begin a new study from that file"
        )


def _connect(study: Study, work: Workspace, prepare: Prepare, circumstances: Circumstances) -> Connected:
    connect.prepare_environment()
    import ray  # noqa: F401 -- imported before two threads would at the same time

    with ThreadPoolExecutor(1) as pool:
        # Checking the study in full means importing its searchers; that and reading the data overlap with the seconds
        # that Ray takes to start.
        reading = Reading(_to_all(*circumstances.observers))
        preparing = pool.submit(prepare, reading)
        try:
            url = connect.connect(circumstances.address, circumstances.dashboard_host, metadata=_job_metadata(study))
            if work.storage is None:
                connect.check_shared(work.folder)
            return Connected(url, connect.workers(study.resources), *preparing.result())
        except BaseException:
            reading.stop()  # else leaving the block would wait for the last image
            raise


def _run(
    study: Study, work: Workspace, connected: Connected, recorder: Recorder, circumstances: Circumstances
) -> Outcome:
    out, data, workers, observers = work.folder, connected.data, connected.workers, circumstances.observers
    provenance = start_provenance(
        study,
        {
            "hardware": connect.hardware(),
            "workers": workers,
            "address": circumstances.address,
            "data_dir": str(circumstances.data_dir.resolve()) if circumstances.data_dir else None,
            "images": data.sizes() if data is not None else {},
            "notes": list(data.notes) if data is not None else [],
            "rules": rules(study),
        },
    )
    write_provenance(out, provenance, recorder.book.records())
    for observer in observers:
        observer({
            "event": "connected", "dashboard": connected.dashboard, "workers": workers, "past": len(recorder.past),
            "notes": provenance["notes"],
        })  # fmt: skip
        for event in recorder.past:
            observer(event)
    from hypertune.tracking.tracker import Tracker
    from hypertune.tuning import experiment
    from hypertune.tuning.metrics import Publisher
    from hypertune.tuning.pruning import Pruner
    from hypertune.tuning.queue import Queue
    from hypertune.tuning.ray_internals import logs_folder
    from hypertune.tuning.stages import Stages
    from hypertune.tuning.watchdog import INTERRUPTED, end_process

    retrains = bool(getattr(connected.trainable, "needs_data", False))
    storage = work.storage
    reached = storage.filesystem if storage else None
    runs = experiment.runs_of(out, storage)
    pruner = Pruner(study, recorder.past, keep_best=not retrains, filesystem=reached, told=work.copied, runs=runs.path)
    tracker, publisher = Tracker(study, out, recorder.book), Publisher(study, logs_folder(), recorder.past)
    emit = _to_all(recorder, pruner, tracker, publisher, *observers)
    model_place = None if not retrains else storage.url_of(MODEL) if storage else str((out / MODEL).resolve())
    stages = Stages(study, recorder, workers=workers, emit=emit, model_place=model_place).plan()
    queue = Queue(stages, constants=study.training.config, told=_told(study), give_up_after=_patience(study, recorder))
    callbacks = [experiment.NoteCheckpoints(queue, pruner), publisher]

    def stuck(reason: str) -> None:
        """Ends the process, whose study hangs in a call into a Ray that has died; the journal holds everything."""
        tell_user(experiment.ray_died(reason))
        recorder.close()
        work.copied(time.monotonic())
        tell_user(f"go on with: hypertune compare --resume {work.place}")
        end_process(INTERRUPTED)

    ending = experiment.Ending(interrupted=False)
    try:
        if stages:
            trained = experiment.Trained(connected.trainable, data, workers)
            ending = experiment.run(study, runs, trained, queue, callbacks, stuck=stuck)
        if queue.gave_up:
            emit({"event": "gave_up", "at": now()})
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
    write_provenance(out, provenance, records)
    return Outcome(records, ending.interrupted, ending.trouble)


def _patience(study: Study, recorder: Recorder) -> int:
    """How many trials may fail before the first one that reports: any number once one has done so."""
    reported = any(event["event"] == "epoch" for event in recorder.past)
    return 0 if reported else study.give_up_after


def _told(study: Study) -> dict[str, Any]:
    """What every trial's worker is told, besides what its stage tells it."""
    threads = max(int(study.resources.cpus_per_trial), 1)
    told: dict[str, Any] = {"max_epochs": study.training.max_epochs, "threads": threads}
    if study.training.steps_per_epoch is not None:
        told["steps_per_epoch"] = study.training.steps_per_epoch
    return told


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
