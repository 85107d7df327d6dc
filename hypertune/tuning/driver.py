"""The driver: runs a study on Ray, from the checked study to its records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypertune.records import folder
from hypertune.records.facts import Ask
from hypertune.records.live import JOB_NAME, STUDY
from hypertune.records.provenance import start_provenance, write_provenance
from hypertune.records.records import Event, Records, read_provenance
from hypertune.storage.files import now
from hypertune.storage.patience import outputs_in
from hypertune.storage.storage import resume_command
from hypertune.storage.telling import tell_user
from hypertune.storage.workspace import Workspace
from hypertune.strategies.checks import check_names, notes
from hypertune.study.extent import few_at_once
from hypertune.study.rules import changed, rules
from hypertune.study.study import Study
from hypertune.tuning import connect
from hypertune.tuning.reading import Reading
from hypertune.tuning.recording import Recorder
from hypertune.tuning.removed import check_ours
from hypertune.tuning.shared_folder import Newcomers, check_shared

Observer = Callable[[Event], None]
Prepare = Callable[[Reading], tuple[Any, Any]]
"""Returns the trainable and its data set, None if it loads its own; may take long and reports its progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """How a study is run: settings that are not part of the study.

    Attributes:
        address: the cluster to join (`auto`, `HOST:PORT`); None starts Ray on this machine.
        dashboard_host: address on which the dashboard of a local Ray listens.
        data_dir: folder that already has the data sets; recorded only.
        resume: whether to resume the study in the folder.
        observers: called with every event.
        extends: whether something has been added to the study that is resumed.
        ask: asks of a study that runs until decided, after each seed, whether it is.
    """

    address: str | None = None
    dashboard_host: str | None = None
    data_dir: Path | None = None
    resume: bool = False
    observers: tuple[Observer, ...] = ()
    extends: bool = False
    ask: Ask | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of running a study.

    Attributes:
        records: everything recorded, including earlier attempts.
        interrupted: whether the study was stopped by Ctrl-C or by the death of Ray and can be resumed.
        trouble: an error of Ray itself, in one line.
    """

    records: Records
    interrupted: bool
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    """What is run, where, how trials share GPUs, if they do, and the ids of the nodes that see the output folder."""

    dashboard: str | None
    workers: int
    trainable: Any
    data: Any
    placement: Any
    sharing: Any
    nodes: set[str]


def run(study: Study, work: Workspace, prepare: Prepare, circumstances: Circumstances) -> Outcome:
    """Runs a study, or the rest of an interrupted one, and writes its records to the workspace's folder.

    If that is a working copy of shared storage, workers write checkpoints and the model directly to the storage.

    Raises:
        ValueError: for what the user can correct: study, data, folder, cluster.
    """
    check_names(study)
    out = work.folder
    with folder.claim(out, study, resume=circumstances.resume, extends=circumstances.extends):
        if circumstances.resume:
            _check_unchanged(out, study, set())  # the journal is that of the study as it began
        recorder = Recorder(study, out, work.storage.path if work.storage else None, work.place)
        try:
            if circumstances.resume:
                _check_unchanged(out, study, {strategy for strategy, _ in recorder.book.sweeps})
            connected = _connect(study, work, prepare, circumstances)
            return _run(study, work, connected, recorder, circumstances)
        finally:
            recorder.close()


def _check_unchanged(out: Path, study: Study, begun: set[str]) -> None:
    """Checks that `study.toml` has not been edited since the study began, in what matters to the strategies `begun`.

    Raises:
        ValueError: naming what differs.
    """
    stored = read_provenance(out / "provenance.json").get("rules")
    different = changed(rules(study, begun), stored) if isinstance(stored, dict) else None
    if different:
        raise ValueError(
            f"{out / 'study.toml'}: {different} as the study began; put it back, or begin a new study from that file"
        )


def _connect(study: Study, work: Workspace, prepare: Prepare, circumstances: Circumstances) -> Connected:
    connect.prepare_environment()
    import ray  # noqa: F401 -- imported before two threads would at the same time

    with ThreadPoolExecutor(1) as pool:
        # Checking the study in full imports its searchers; this and reading the data overlap with Ray's start, which
        # takes seconds.
        reading = Reading(_to_all(*circumstances.observers))
        preparing = pool.submit(prepare, reading)
        try:
            url = connect.connect(circumstances.address, circumstances.dashboard_host, metadata=_job_metadata(study))
            nodes = check_shared(work.folder, study.resources) if work.storage is None else set()
            trainable, data = preparing.result()
            from hypertune.tuning.devices import LightPlacement, sharing_of
            from hypertune.tuning.growth import await_room
            from hypertune.tuning.placement import Placement

            if sharing := sharing_of(study, trainable):
                return Connected(url, sharing.workers, trainable, data, LightPlacement(study, sharing), sharing, nodes)
            placement = Placement(study, trainable)
            if not placement.room():
                tell = _to_all(*circumstances.observers)
                await_room(placement, lambda told: tell({"event": "waiting", "told": told}))
                nodes = check_shared(work.folder, study.resources) if work.storage is None else set()
            return Connected(url, placement.workers(), trainable, data, placement, None, nodes)
        except BaseException:
            reading.stop()  # otherwise leaving the block would wait for the last image
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
            **({"sharing": str(connected.sharing)} if connected.sharing else {}),
            "address": circumstances.address,
            "data_dir": str(circumstances.data_dir.resolve()) if circumstances.data_dir else None,
            "images": data.sizes() if data is not None else {},
            "notes": list(data.notes) if data is not None else [],
            **notes(study),
            "rules": rules(study),
        },
    )
    write_provenance(out, provenance, recorder.book.records())
    for observer in observers:
        observer({
            "event": "connected", "dashboard": connected.dashboard, "workers": workers, "past": len(recorder.past),
            "notes": provenance["notes"], "sharing": provenance.get("sharing"),
            "few": few_at_once(study, connected.placement.places()),
        })  # fmt: skip
        for event in recorder.past:
            observer(event)
    if (planned := _plan_of(study, recorder)) is not None:
        recorder(planned)
    from hypertune.tracking.tracker import Tracker
    from hypertune.tuning import experiment
    from hypertune.tuning.housekeeping import WatchFolder
    from hypertune.tuning.metrics import Publisher
    from hypertune.tuning.pruning import Pruner
    from hypertune.tuning.queue import Hope, Queue
    from hypertune.tuning.ray_internals import logs_folder
    from hypertune.tuning.stages import Stages
    from hypertune.tuning.watchdog import INTERRUPTED, end_process
    from hypertune.tuning.weights import Weights

    retrains = bool(getattr(connected.trainable, "needs_data", False))
    reached = work.storage.filesystem if work.storage else None
    runs = experiment.runs_of(out, work.storage)
    pruner = Pruner(study, recorder.past, keep_best=not retrains, filesystem=reached, told=work.copied, runs=runs.path)
    tracker, publisher = Tracker(study, out, recorder.book), Publisher(study, logs_folder(), workers, recorder.past)
    emit = _to_all(recorder, pruner, tracker, publisher, *observers)
    weights = Weights(work, recorder.book) if retrains else None
    asking = Stages(study, recorder, workers=workers, emit=emit, weights=weights, ask=circumstances.ask)
    stages = asking.plan()
    hope = Hope(study.give_up_after, found=any(event["event"] == "epoch" for event in recorder.past))
    queue = Queue(stages, metric=study.metric, constants=study.training.config, told=_told(study), hope=hope)
    checks = [recorder.check, lambda: check_ours(work)]
    if work.storage is None:
        checks.append(Newcomers(out, study.resources, connected.nodes).check)
    watching = (WatchFolder(check, queue.abort) for check in checks)

    def stuck(reason: str) -> None:
        """Ends the process if it hangs in a call into a Ray that has died; the journal has everything."""
        tell_user(experiment.ray_died(reason))
        recorder.close()
        work.copied(time.monotonic())
        tell_user(f"resume with: {resume_command(work.place)}")
        end_process(INTERRUPTED)

    ending = experiment.Ending(interrupted=False)
    try:
        if stages:
            with _trained(study, connected) as trained:
                callbacks = [experiment.NoteCheckpoints(queue, pruner), publisher, *watching]
                ending = experiment.run(study, runs, trained, queue, callbacks, stuck=stuck, resized=asking.resize)
        if queue.gave_up:
            emit({"event": "gave_up", "at": now()})
        if not ending.interrupted:
            pruner.crown(out / "best" / "checkpoint")
    except KeyboardInterrupt:
        pruner.leave()  # a second signal to stop: leave the cleaning up to a resume
        raise
    finally:
        tracker.close()
        pruner.tidy(runs.path)
    if ending.trouble:
        tell_user(ending.trouble)
    provenance["ended_at"] = now()
    records = recorder.book.records(provenance)
    with outputs_in(work.place):
        write_provenance(out, provenance, records)
    asking.settle()
    return Outcome(records, ending.interrupted, ending.trouble)


@contextmanager
def _trained(study: Study, connected: Connected) -> Iterator[Any]:
    """What Ray Tune trains within the block: the study's trainable, or its members of populations."""
    from hypertune.tuning.devices import shared
    from hypertune.tuning.experiment import Trained

    trainable, data, placement = connected.trainable, connected.data, connected.placement
    if not connected.sharing:
        yield Trained(trainable, data, connected.workers, placement)
        return
    with shared(study, trainable, data, connected.sharing) as member:
        yield Trained(member, None, connected.workers, placement)


def _plan_of(study: Study, recorder: Recorder) -> Event | None:
    """The event that says what is planned, and what was `before` where something has been added; None if neither."""
    planned: dict[str, Any] = {
        "strategies": list(study.strategies), "seeds": list(study.seeds), "until_decided": study.until_decided,
        "margin": study.practical_margin,
    }  # fmt: skip
    before = recorder.book.planned
    if before == planned:
        return None
    return {"event": "planned", "plan": planned, **({"before": before} if before else {}), "at": now()}


def _told(study: Study) -> dict[str, Any]:
    """Settings for every trial's worker, in addition to those of its stage."""
    threads = max(int(study.resources.cpus_per_trial), 1)
    told: dict[str, Any] = {"max_epochs": study.training.max_epochs, "threads": threads, "metric": study.metric}
    if study.training.time_attr is not None:
        told["time_attr"] = study.training.time_attr
    if study.training.steps_per_epoch is not None:
        told["steps_per_epoch"] = study.training.steps_per_epoch
    return told


def _job_metadata(study: Study) -> dict[str, str]:
    """Facts about a study for the dashboard's page of jobs."""
    return {
        STUDY: study.name,
        JOB_NAME: study.name,
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
