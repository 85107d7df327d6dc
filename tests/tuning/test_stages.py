"""Which retrainings are still to be done, and whose weights are kept."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hypertune.comparison.outcomes import held_out_scores
from hypertune.records.records import Book
from hypertune.storage.files import MODEL
from hypertune.storage.storage import Storage, split_url
from hypertune.storage.workspace import Workspace
from hypertune.study.study import Study, Training
from hypertune.sweep.retraining import FIRST_SEED, Job, Retraining
from hypertune.sweep.trial import Report, StorageLost
from hypertune.tuning.stages import Stages
from hypertune.tuning.weights import Weights
from tests.sweep.scripted import Runner, make_study


class Folder:
    """A study with one finished sweep of each strategy and seed, as its stages see it."""

    def __init__(self, work: Workspace, study: Study) -> None:
        self.study, self.work, self.book = study, work, Book(study)
        recorder: Any = SimpleNamespace(book=self.book, folder=work.folder, past=[])
        self.stages = Stages(study, recorder, workers=2, emit=self.book.apply, weights=Weights(work, self.book))

    def sweep(self, strategy: str, seed: int, best: float) -> None:
        runner = Runner(self.study, strategy, seed=seed, curve=lambda config, epoch: best - config["lr"] + epoch / 100)
        for event in runner.run().events:
            self.book.apply(event)

    def jobs(self, *, winner: bool = True) -> list[Job]:
        return self.stages._jobs(winner=winner)

    def retrain(self, jobs: list[Job], loss: float = 0.1) -> None:
        """Does them all, as the queue does, with this loss."""
        stage: Any = self.stages._retrain(jobs)
        while (found := stage.stage.suggest(None)) is not None:
            trial: Any = SimpleNamespace(trial_id=found[0])
            told = stage.stage.told(trial.trial_id)
            score = {"test_accuracy": 0.7} if told["test"] else {}
            stage.stage.report(trial, Report(told["stop_epoch"], {"acc": 0.8, "train_loss": loss, **score}, 1.0), None)
            stage.stage.ended(trial, None)
            if told["model_path"] and math.isfinite(loss):
                url = told["model_path"] if self.work.storage else f"local://{told['model_path']}"
                place, name = split_url(url)
                Storage(place).write(name, trial.trial_id.encode())

    @property
    def model(self) -> str | None:
        """Whose weights there are once a run has ended, in the folder and on the storage."""
        self.stages.settle()
        path = self.work.folder / MODEL
        local = path.read_text() if path.exists() else None
        if self.work.storage is not None:
            there = self.work.storage.read(MODEL)
            assert local == (None if there is None else there.decode())
        return local


@pytest.fixture(params=["folder", "url"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Folder:
    training = Training(trainable="cnn", dataset="digits", max_epochs=9)
    study = make_study(strategies=("random", "sobol"), seeds=(0, 1), retrain=2, training=training)
    storage = Storage(f"local://{tmp_path}/there") if request.param == "url" else None
    return Folder(Workspace(tmp_path / "here", storage), study)


def test_a_winner_that_is_beaten_after_an_extension_leaves_no_weights_behind(folder: Folder) -> None:
    folder.sweep("random", 0, 0.5)
    folder.retrain(folder.jobs())
    first = folder.book.sweeps["random", 0]["incumbent"]
    assert folder.model == f"{first}_retrain_{FIRST_SEED}"
    assert folder.jobs() == []
    folder.sweep("sobol", 0, 0.9)
    folder.retrain(folder.jobs())
    assert folder.model == f"{folder.book.sweeps['sobol', 0]['incumbent']}_retrain_{FIRST_SEED}"
    assert folder.jobs() == []


@pytest.mark.parametrize("ended", ["interrupted", "diverged"])
def test_without_weights_of_the_winner_an_earlier_one_leaves_none(folder: Folder, ended: str) -> None:
    folder.sweep("random", 0, 0.5)
    folder.retrain(folder.jobs())
    assert folder.model is not None
    folder.sweep("sobol", 0, 0.9)
    if ended == "diverged":
        folder.retrain(folder.jobs(), loss=math.nan)
    assert folder.model is None
    assert bool(folder.jobs()) == (ended == "interrupted")


def test_weights_on_storage_that_is_anothers_by_now_are_left_alone(tmp_path: Path) -> None:
    storage = Storage(f"local://{tmp_path}/there")
    storage.write(MODEL, b"theirs")
    weights = Weights(Workspace(tmp_path / "here", storage, lost=lambda: "taken over"), Book(make_study()))
    with pytest.raises(StorageLost, match="taken over"):
        weights.remove()
    assert storage.read(MODEL) == b"theirs"


def test_a_retraining_that_is_repeated_for_its_weights_counts_once(folder: Folder) -> None:
    folder.sweep("random", 0, 0.5)
    folder.retrain(folder.jobs(winner=False))
    assert folder.model is None
    (again,) = folder.jobs()
    assert (again.retrain_seed, again.test, again.repeated) == (FIRST_SEED, False, True)
    folder.retrain([again])
    assert folder.model is not None
    assert [row["retrain_seed"] for row in folder.book.retrained] == [FIRST_SEED, FIRST_SEED + 1]
    assert folder.jobs() == []


def test_a_retraining_that_diverges_has_no_score_and_is_not_tried_for_ever(folder: Folder) -> None:
    folder.sweep("random", 0, 0.5)
    folder.retrain(folder.jobs(), loss=math.nan)
    assert {row["status"] for row in folder.book.retrained} == {"diverged"}
    assert held_out_scores(folder.book.records()).empty
    assert folder.jobs() == []


def test_a_retraining_stops_when_it_diverges(folder: Folder) -> None:
    folder.sweep("random", 0, 0.5)
    stage = Retraining(folder.study, folder.jobs(), workers=1, emit=folder.book.apply)
    view: Any = None
    found = stage.suggest(view)
    assert found is not None
    trial: Any = SimpleNamespace(trial_id=found[0])
    assert stage.report(trial, Report(1, {"train_loss": 0.5}, 1.0), view) == "CONTINUE"
    assert stage.report(trial, Report(2, {"train_loss": math.nan}, 2.0), view) == "STOP"
