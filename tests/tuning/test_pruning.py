"""Checkpoints on disk: what a resume, a fork or the winner needs stays, all else goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyarrow.fs import FileInfo, FileSelector, FileType

from hypertune.records.records import Event
from hypertune.sweep.trial import StubTrial
from hypertune.tuning.pruning import Pruner
from hypertune.tuning.replay import replay
from tests.sweep.scripted import Runner, make_study


class Disk:
    """Writes a folder for every checkpoint of a scripted sweep, as Ray's workers would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "sweeps"
        self._number = 0

    def save(self, trial_id: str) -> str:
        path = self.folder / "run_1" / trial_id / f"checkpoint_{self._number:06d}"
        self._number += 1
        path.mkdir(parents=True)
        (path / "state").write_text(trial_id)
        return str(path)

    def checkpoints(self) -> set[str]:
        return {str(path) for path in self.folder.glob("run_*/*/checkpoint_*")}


class Saving(Runner):
    """Every trial saves itself after every epoch; `watch` sees each event."""

    def __init__(self, strategy: str, disk: Disk, *, keep_best: bool = False, past: tuple[Event, ...] = ()) -> None:
        super().__init__(make_study(strategies=(strategy,)), strategy)
        self.disk, self.saves = disk, False
        self.pruner = Pruner(self.study, past, keep_best=keep_best)
        self.most = 0
        self.sweep.emit = self.emit

    def emit(self, event: Event) -> None:
        self.events.append(event)
        self.pruner(event)

    def advance(self, trial: Any) -> None:
        super().advance(trial)
        if self.sweep.trials[trial.trial_id].status in ("running", "paused"):
            self.sweep.checkpointed(trial.trial_id, self.disk.save(trial.trial_id))
        for fork in [name for name in self.sweep.running if self.sweep.origin(name)]:
            origin = self.sweep.origin(fork)
            if origin is not None and not self.sweep.saves.has(fork, self.sweep.trials[fork].epochs):
                self.flush()
                assert Path(origin.path).exists(), "a fork's start has been deleted before it saved itself"
        self.flush()
        self.most = max(self.most, len(self.disk.checkpoints()))

    def flush(self) -> None:
        """Until all that was to be deleted is deleted."""
        self.pruner._pool.submit(int).result()


@pytest.mark.parametrize("strategy", ["random", "asha", "hyperband", "pbt", "pb2"])
def test_a_live_trial_keeps_its_last_checkpoint_and_an_ended_one_none(strategy: str, tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    runner = Saving(strategy, disk)
    runner.run()
    saved = sum(event["event"] == "checkpoint" for event in runner.events)
    live = max_live(runner.events)
    assert saved > 2 * live
    assert runner.most <= 2 * live
    runner.flush()
    assert disk.checkpoints() == set()


def max_live(events: list[Event]) -> int:
    live = most = 0
    for event in events:
        live += {"trial": 1, "end": -1}.get(event["event"], 0)
        most = max(most, live)
    return most


@pytest.mark.parametrize("strategy", ["hyperband", "pbt", "hyperopt+pb2"])
@pytest.mark.parametrize("cut", [5, 30, 60, 90])
def test_after_a_kill_every_unfinished_trial_finds_where_it_was(strategy: str, cut: int, tmp_path: Path) -> None:
    """What a replay wants to start from is exactly what `tidy` leaves, and it is there."""
    disk = Disk(tmp_path)
    runner = Saving(strategy, disk)
    stop_after(runner, cut)
    runner.flush()
    litter = Path(disk.save("killed_while_saving"))
    resumed = Runner(runner.study, strategy)
    unfinished, _ = replay(resumed.sweep, runner.events, StubTrial)
    wanted = set()
    for trial in unfinished:
        name = trial.trial.trial_id
        last = next((e["path"] for e in reversed(runner.events) if is_save(e, name)), None)
        origin = resumed.sweep.origin(name)
        wanted |= {path for path in (last or (origin.path if origin else None),) if path}
    Pruner(runner.study, runner.events, keep_best=False).tidy(str(disk.folder))
    assert disk.checkpoints() == wanted
    assert not litter.exists()


def is_save(event: Event, trial_id: str) -> bool:
    return bool(event["event"] == "checkpoint" and event["trial_id"] == trial_id)


class Stopped(Exception):
    """The driver was killed."""


def stop_after(runner: Saving, count: int) -> None:
    emit = runner.emit

    def until(event: Event) -> None:
        emit(event)
        if len(runner.events) == count:
            raise Stopped

    runner.sweep.emit = until
    with pytest.raises(Stopped):
        runner.run()


def test_the_winner_of_an_own_trainable_keeps_its_best_checkpoint(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    runner = Saving("asha", disk, keep_best=True)
    runner.curve = lambda config, epoch: -abs(epoch - 2) - config["lr"]  # best at its second epoch
    runner.run()
    book = runner.book()
    (best,) = (row["incumbent"] for row in book.sweeps.values())
    assert book.trials[best]["best_epoch"] == 2
    runner.flush()
    (kept,) = disk.checkpoints()
    saves = [event for event in runner.events if is_save(event, best)]
    assert kept == next(event["path"] for event in saves if event["epoch"] == 2)
    (tmp_path / "best" / "checkpoint").mkdir(parents=True)
    (tmp_path / "best" / "checkpoint" / "of_an_earlier_winner").touch()
    runner.pruner.crown(tmp_path / "best" / "checkpoint")
    assert [path.name for path in (tmp_path / "best" / "checkpoint").iterdir()] == ["state"]
    runner.pruner.tidy(str(disk.folder))
    assert (tmp_path / "best" / "checkpoint" / "state").read_text() == best
    assert not list(disk.folder.glob("run_*"))


def test_what_cannot_be_deleted_is_told_once_and_ends_nothing(tmp_path: Path) -> None:
    class Stuck:
        """A storage that lists what it has and lets nothing be removed."""

        type_name = "stuck"

        def get_file_info(self, what: Any) -> Any:
            names = ("run_1", "run_2") if isinstance(what, FileSelector) else (what,)
            found = [FileInfo(name, FileType.Directory) for name in names]
            return found if isinstance(what, FileSelector) else found[0]

        def delete_dir(self, path: str) -> None:
            raise OSError("the storage is read-only")

    pruner = Pruner(make_study(), keep_best=False, filesystem=Stuck())
    with pytest.warns(RuntimeWarning, match="cannot be deleted") as told:
        pruner.tidy("anywhere")
    assert len(told) == 1
