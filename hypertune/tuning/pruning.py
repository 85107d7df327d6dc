"""Bounds disk usage: deletes checkpoints that neither a resume nor the winner needs, while the study runs."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypertune.records.records import Event, handle, improves
from hypertune.storage.filesystems import entries
from hypertune.storage.storage import RUN
from hypertune.study.study import Study


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint on disk; `value` is the study's metric at its epoch, None if unknown."""

    path: str
    epoch: int
    value: float | None


class Needed:
    """The checkpoints that must be kept, according to the journal's events.

    A running or paused trial needs its last checkpoint. A fork without a checkpoint of its own needs its parent's from
    which it started. With `keep_best`, live trials and the best trial of the study also keep their best checkpoint by
    the study's metric. Nothing else is needed.
    """

    def __init__(self, study: Study, *, keep_best: bool) -> None:
        self._metric, self._mode, self._keep_best = study.metric, study.mode, keep_best
        self._live: set[str] = set()
        self._last: dict[str, Saved] = {}
        self._best: dict[str, Saved] = {}
        self._origin: dict[str, Saved] = {}
        self._value: dict[str, float | None] = {}
        self._winner: str | None = None
        self._winning: float | None = None

    def apply(self, event: Event) -> None:
        """Applies one event; most kinds change nothing."""
        handle(self, event)

    def paths(self) -> set[str]:
        """The folders that must be kept."""
        kept = [self._last, self._origin, self._best]
        return {saved.path for some in kept for saved in some.values()}

    def of(self, trial_id: str) -> list[str]:
        """Those of one trial: its own checkpoints, and the one it started from."""
        kept = (some.get(trial_id) for some in (self._last, self._origin, self._best))
        return [saved.path for saved in kept if saved is not None]

    @property
    def winner(self) -> Saved | None:
        """The best checkpoint of the study's best trial, if there is one."""
        return self._best.get(self._winner or "")

    def _on_trial(self, event: Event) -> None:
        self._live.add(event["trial_id"])
        parent = event.get("parent")
        if parent and parent["trial_id"] in self._last:
            self._origin[event["trial_id"]] = self._last[parent["trial_id"]]

    def _on_epoch(self, event: Event) -> None:
        trial_id, value = event["trial_id"], event["metrics"].get(self._metric)
        self._value[trial_id] = value
        if improves(value, self._winning, self._mode):
            former, self._winner, self._winning = self._winner, trial_id, value
            if former is not None and former not in self._live:
                self._best.pop(former, None)
                self._value.pop(former, None)

    def _on_checkpoint(self, event: Event) -> None:
        trial_id = event["trial_id"]
        saved = Saved(event["path"], event["epoch"], self._value.get(trial_id))
        self._origin.pop(trial_id, None)
        if trial_id in self._live:
            self._last[trial_id] = saved
        elif trial_id != self._winner:
            return
        best = self._best.get(trial_id)
        if self._keep_best and (best is None or improves(saved.value, best.value, self._mode)):
            self._best[trial_id] = saved

    def _on_end(self, event: Event) -> None:
        trial_id = event["trial_id"]
        self._live.discard(trial_id)
        forgotten: list[dict[str, Any]] = [self._last, self._origin]
        if trial_id != self._winner:  # whose last checkpoint may still arrive
            forgotten += [self._best, self._value]
        for some in forgotten:
            some.pop(trial_id, None)


class Pruner:
    """Follows a study's events and deletes unneeded checkpoints in a separate thread.

    Deleting never delays or ends the study: a checkpoint that cannot be deleted causes one warning and stays.

    Args:
        past: events of earlier attempts; what they have left lying about is deleted by `tidy`.
        keep_best: whether the checkpoint of the study's best trial is kept; not needed where the winner is retrained.
        filesystem: a `pyarrow.fs.FileSystem` that the paths belong to; the local one by default.
        runs: the folder of the study's runs; nothing that lies elsewhere is deleted or copied. Any, by default.
        told: waits until the journal as it was at a moment (of `time.monotonic`) is where a resume will read it, and
            says whether it is; a checkpoint that an older journal names must not go before.
    """

    def __init__(
        self,
        study: Study,
        past: Iterable[Event] = (),
        *,
        keep_best: bool,
        filesystem: Any = None,
        runs: str | None = None,
        told: Callable[[float], bool] = lambda since: True,
    ) -> None:
        from pyarrow.fs import LocalFileSystem

        self._study, self._fs = study, filesystem or LocalFileSystem()
        self._runs, self._local = runs, isinstance(self._fs, LocalFileSystem)
        self.needed = Needed(study, keep_best=keep_best)
        self._on_disk: dict[str, set[str]] = {}
        """Checkpoint folders by trial."""
        self._unjournaled: dict[str, str] = {}
        self._journal_told = told
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="prune")
        self._told = self._left = False
        for event in past:
            self.needed.apply(event)
        for path in self.needed.paths():
            self._on_disk.setdefault("", set()).add(path)

    def __call__(self, event: Event) -> None:
        self.needed.apply(event)
        if event["event"] == "checkpoint":
            self._on_disk.setdefault(event["trial_id"], set()).add(event["path"])
        if event["event"] in ("checkpoint", "end"):
            self._prune()

    def _prune(self) -> None:
        needed = self.needed.paths()
        for trial_id, paths in list(self._on_disk.items()):
            for path in paths - needed:
                self._pool.submit(self._delete_once_told, path, time.monotonic())
            paths &= needed
            if not paths:
                del self._on_disk[trial_id]

    def supersede(self, trial_id: str, path: str) -> None:
        """Notes a checkpoint without an event (a retraining's) and deletes the trial's earlier one."""
        if path in self.needed.paths():
            return
        former = self._unjournaled.get(trial_id)
        if former is not None:
            self._pool.submit(self._delete_once_told, former, time.monotonic())
        self._unjournaled[trial_id] = path

    def leave(self) -> None:
        """Stops deleting."""
        self._left = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def crown(self, folder: Path) -> None:
        """Copies the winner's checkpoint to `folder` at the end of the study, in place of an earlier winner's; all
        others become unneeded. It is there already if nothing has been trained since."""
        from pyarrow.fs import FileType, LocalFileSystem, copy_files

        winner, self.needed = self.needed.winner, Needed(self._study, keep_best=False)
        if winner is None:
            shutil.rmtree(folder, ignore_errors=True)
        if (
            winner is not None
            and self._own(winner.path)
            and self._fs.get_file_info(winner.path).type == FileType.Directory
        ):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            copy_files(winner.path, str(folder.resolve()), self._fs, LocalFileSystem())

    def tidy(self, folder: str) -> None:
        """Deletes everything in the runs in `folder` (`run_1`, ...) that is not needed.

        Call it once nothing writes there any more. Blocks until done. A run without needed files is removed as a whole.
        """
        if self._left:
            return
        self._pool.shutdown(wait=True)
        if not self._journal_told(time.monotonic()):
            return
        kept = self.needed.paths()
        for run in self._children(folder):
            if run.rpartition("/")[2].startswith(RUN):
                self._tidy(run, kept)

    def _tidy(self, path: str, kept: set[str]) -> None:
        if path in kept:
            return
        if not any(other.startswith(path + "/") for other in kept):
            self._delete(path)
            return
        for child in self._children(path):
            self._tidy(child, kept)

    def _children(self, folder: str) -> list[str]:
        return [f"{folder}/{name}" for name, _ in entries(self._fs, folder)]

    def _delete_once_told(self, path: str, decided: float) -> None:
        if self._journal_told(decided):
            self._delete(path)

    def _own(self, path: str) -> bool:
        """Whether the path lies in one of the study's runs, wherever links lead."""
        if self._runs is None:
            return True
        if self._local:
            return Path(path).resolve().is_relative_to(Path(self._runs).resolve())
        return path.startswith(f"{self._runs}/") and ".." not in path.split("/")

    def _delete(self, path: str) -> None:
        from pyarrow.fs import FileType

        if not self._own(path):
            return
        try:
            kind = self._fs.get_file_info(path).type
            if kind == FileType.Directory:
                self._fs.delete_dir(path)
            elif kind == FileType.File:
                self._fs.delete_file(path)
        except OSError as error:
            if not self._told:
                self._told = True
                warnings.warn(
                    f"{path}: cannot be deleted ({error}); the disk may fill up", RuntimeWarning, stacklevel=2
                )
