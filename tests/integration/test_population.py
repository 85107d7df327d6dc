"""Population based training on a real local Ray: forks, budget, and a winner whose schedule can be trained again."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from ray import tune

from hypertune import compare
from hypertune.commands.cli import main
from hypertune.records import records
from hypertune.records.lineage import Schedule
from hypertune.records.records import Event
from hypertune.training.datasets import ImageData, load_dataset
from hypertune.training.loop import TrainingLoop
from hypertune.training.trainable import MLP
from tests.integration import trainables

STUDY = """
[study]
name = "population"
strategies = ["pbt", "pb2"]
seeds = 1
budget = { epochs = 30 }
metric = "valid_loss"
mode = "min"
[training]
trainable = "mlp"
dataset = "digits"
max_epochs = 4
[training.config]
units1 = 32
units2 = 16
optimizer = "sgd"
[space]
lr = { loguniform = [1e-3, 1e-1] }
momentum = { uniform = [0.0, 0.9] }
dropout = { uniform = [0.0, 0.5] }
batch_size = { choice = [32, 64] }
[strategies.pbt]
population_size = 4
[strategies.pb2]
population_size = 4
"""


@pytest.fixture(scope="module")
def out(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("population")
    (folder / "study.toml").write_text(STUDY)
    assert main(["compare", str(folder / "study.toml"), "--out", str(folder / "out"), "--quiet"]) == 0
    return folder / "out"


def journal(out: Path, kind: str) -> list[Event]:
    return [event for event in records.read_journal(out / records.JOURNAL) if event["event"] == kind]


def test_each_sweep_forks_and_spends_its_budget_exactly(out: Path) -> None:
    facts = records.read(out)
    assert list(facts.sweeps["epochs"]) == [30, 30]
    assert facts.trials["epochs"].sum() == len(facts.curves) == 60
    assert set(facts.trials["status"]) <= {"completed", "stopped"}
    for strategy in ("pbt", "pb2"):
        forks = [event for event in journal(out, "trial") if event["strategy"] == strategy and "parent" in event]
        assert len(forks) >= 3
        saved = {(event["trial_id"], event["epoch"]) for event in journal(out, "checkpoint")}
        assert {(fork["parent"]["trial_id"], fork["parent"]["epoch"]) for fork in forks} <= saved


def test_no_checkpoint_is_left_once_the_study_is_done(out: Path) -> None:
    assert journal(out, "checkpoint")
    assert sorted(path.name for path in (out / "sweeps").iterdir()) == [".lock", "journal.jsonl"]
    assert not (out / "best" / "checkpoint").exists(), "the model of a built-in trainable is retrained"


def test_the_winner_is_written_with_its_schedule_and_retrained_by_it(out: Path) -> None:
    facts = records.read(out)
    assert facts.incumbent_schedules(), "no incumbent was forked"
    assert set(facts.retrained["status"]) == {"completed"}
    best = tomllib.loads((out / "best" / "config.toml").read_text())
    schedule = facts.schedules.get(best["trial_id"])
    assert [(step["from_epoch"], step["config"]["lr"]) for step in best.get("schedule", [])] == [
        (from_epoch, config["lr"]) for from_epoch, config in schedule or ()
    ]
    assert (out / "best" / "model.pt").exists()


def test_a_lineage_trained_again_with_its_seed_gives_the_same_numbers(out: Path) -> None:
    """What the study says of a forked trial can be repeated from its schedule alone."""
    facts = records.read(out)
    data = load_dataset("digits")
    for trial_id, schedule in facts.incumbent_schedules().items():
        curve = facts.curves[facts.curves["trial_id"] == trial_id].set_index("epoch")["valid_loss"]
        assert train(data, facts.study.training.config, schedule, curve.index[-1])[-1] == curve.iloc[-1]


def train(data: ImageData, constants: dict[str, object], schedule: Schedule, epochs: int) -> list[float]:
    changes = dict(schedule)
    torch.set_num_threads(1)
    loop = TrainingLoop("mlp", {**constants, **changes.pop(1)}, data, max_epochs=4)
    losses = []
    for epoch in range(1, epochs + 1):
        if epoch in changes:
            loop.change({**constants, **changes[epoch]})
        losses.append(loop.train_epoch()["valid_loss"])
    return losses


def test_a_trainable_told_a_schedule_changes_its_hyperparameters_on_the_way() -> None:
    """Dropout comes and goes with it, and with it a layer of the model."""
    data, constants = load_dataset("digits"), {"optimizer": "sgd", "units1": 16, "units2": 16, "device": "cpu"}
    schedule = [(1, {"lr": 0.1, "dropout": 0.0}), (2, {"lr": 0.01, "dropout": 0.3}), (3, {"lr": 0.02, "dropout": 0.0})]

    class WithData(MLP):
        def setup(self, config: dict[str, Any], data: ImageData | None = data) -> None:
            super().setup(config, data=data)

    told = {"max_epochs": 4, "threads": 1, "schedule": [[epoch, config] for epoch, config in schedule]}
    trial = WithData({**constants, **schedule[0][1], "hypertune": told})
    results = [trial.train() for _ in range(3)]
    assert [result["lr"] for result in results] == [0.1, 0.01, 0.02]
    assert [result["valid_loss"] for result in results] == train(data, constants, schedule, 3)


def test_a_trainable_that_saves_nothing_ends_the_study_with_one_line(local_ray: None, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="study.strategies: pbt needs a trainable that saves checkpoints; pbt_s0_"):
        compare(
            trainable=trainables.objective,
            space={"lr": tune.loguniform(1e-4, 1e-1), "width": tune.randint(1, 9)},
            strategies=["pbt"],
            seeds=1,
            metric="score",
            mode="max",
            max_epochs=9,
            out=tmp_path / "out",
        )
