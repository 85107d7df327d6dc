"""The main job on real images: `hypertune compare` from the command line, its files, its winner."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from hypertune import load_model
from hypertune.commands.cli import main
from hypertune.records import records
from hypertune.study.study import Study
from hypertune.training.datasets import load_dataset

pytestmark = pytest.mark.usefixtures("local_ray")

CONTRACT = [
    *[
        "study.toml",
        "provenance.json",
        "trials.csv",
        "curves.parquet",
        "report.html",
        "best/config.toml",
        "best/model.pt",
    ],
    *["comparison.csv", "comparison.md", "comparison.json", "comparison.tex"],
]
TABLE = [
    *["strategy", "best_config", "valid_accuracy", "valid_accuracy_low", "valid_accuracy_high", "test_accuracy"],
    *["test_accuracy_low", "test_accuracy_high", "trials", "epochs", "wall_s", "busy_s", "utilisation"],
    *["time_to_target_s", "mean_rank", "p_best", "verdict"],
]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("digits") / "out"
    arguments = ["--strategies", "random,bayes,hyperband,hyperopt,asha,optuna", "--seeds", "2"]
    assert main(["compare", *arguments, "--budget", "epochs=12", "--max-epochs", "4", "--out", str(out)]) == 0
    return out


def test_every_file_of_the_contract_is_there(digits: Path) -> None:
    for name in CONTRACT:
        assert (digits / name).stat().st_size > 0, name
    table = pd.read_csv(digits / "comparison.csv")
    assert list(table.columns) == TABLE
    assert list(table["strategy"]) == ["random", "bayes", "hyperband", "hyperopt", "asha", "optuna"]
    assert table["test_accuracy"].between(0, 1).all()


def test_every_sweep_spent_its_budget_exactly_and_gave_out_whole_numbers(digits: Path) -> None:
    facts = records.read(digits)
    assert list(facts.sweeps["epochs"]) == [12] * 12
    trials = pd.read_csv(digits / "trials.csv")
    assert trials["config/filters"].dtype.kind == "i"
    assert trials["config/filters"].between(2, 16).all()
    assert set(trials["status"]) <= {"completed", "stopped"}


def test_the_same_configuration_gives_the_same_curve_whichever_strategy_proposed_it(digits: Path) -> None:
    curves = pd.read_parquet(digits / "curves.parquet")
    config = [name for name in curves if str(name).startswith("config/")]
    groups = curves.groupby([*config, "seed", "epoch"])["valid_loss"]
    assert (groups.count() > 1).any(), "random and asha propose the same first configurations"
    assert (groups.nunique() == 1).all()


def test_the_winner_loads_and_is_as_good_as_the_table_says(digits: Path) -> None:
    model = load_model(digits / "best" / "model.pt")
    data = load_dataset("digits", validation_fraction=0.2)
    with torch.inference_mode():
        logits = model(torch.from_numpy(data.images[data.test]))
    accuracy = float(np.mean(logits.argmax(dim=1).numpy() == data.labels[data.test]))
    facts = records.read(digits)
    best = facts.trials.loc[int(facts.trials["valid_accuracy"].argmax()), "trial_id"]
    # They are recorded as they end; the model is that of the first seed.
    scored = facts.retrained[facts.retrained["trial_id"] == best].sort_values("retrain_seed")
    assert accuracy == pytest.approx(scored["test_accuracy"].iloc[0], abs=0.01)


def test_every_incumbent_was_retrained_with_a_fresh_seed_and_scored_on_the_test_split(digits: Path) -> None:
    facts = records.read(digits)
    assert (facts.retrained.groupby(["strategy", "seed"])["retrain_seed"].nunique() == 1).all()
    assert len(facts.retrained) == 12
    assert not set(facts.retrained["retrain_seed"]) & set(facts.trials["seed"])
    assert set(facts.retrained["trial_id"]) == set(facts.sweeps["incumbent"])
    assert json.loads((digits / "provenance.json").read_text())["retrained"]


def test_the_report_can_be_rebuilt_once_sweeps_is_removed(digits: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(digits, copy)
    shutil.rmtree(copy / "sweeps")
    before = pd.read_csv(copy / "comparison.csv")
    assert main(["report", str(copy)]) == 0
    pd.testing.assert_frame_equal(pd.read_csv(copy / "comparison.csv"), before)


def test_a_wrong_hyperparameter_of_the_model_is_said_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "wrong.toml"
    shipped = Path("search_spaces/digits_cnn.toml").read_text()
    study.write_text(shipped.replace("units1 = 64", "unit1 = 64"))
    assert main(["compare", str(study), "--out", str(tmp_path / "out")]) == 2
    assert "unit1" in capsys.readouterr().err


def one_epoch(name: str, data_dir: Path, folder: Path) -> records.Records:
    """One trial of one epoch of a shipped study, and one retraining."""
    study = folder / "study.toml"
    study.write_text(Study.load(name).replace(retrain=1, strategies=("random",)).to_toml())
    arguments = ["--data-dir", str(data_dir), "--budget", "trials=1", "--seeds", "1", "--max-epochs", "1"]
    assert main(["compare", str(study), *arguments, "--out", str(folder / "out")]) == 0
    return records.read(folder / "out")


@pytest.mark.slow
def test_fashion_mnist_from_a_folder_that_has_it(data_dir: Path, tmp_path: Path) -> None:
    facts = one_epoch("fashion_mnist_cnn", data_dir, tmp_path)
    assert facts.trials["valid_accuracy"].iloc[0] > 0.3
    assert facts.trials["config/filters"].iloc[0] in range(2, 16)


FLAT = """
[study]
name = "photos"
strategies = ["random", "hyperopt"]
seeds = 2
budget = {{ trials = 2 }}
metric = "valid_accuracy"
mode = "max"
retrain = 1
[training]
trainable = "cnn"
dataset = "image_folder"
path = "{path}"
image_size = 12
channels = 3
max_epochs = 1
[training.config]
batch_size = 16
[space]
filters = {{ randint = [2, 8] }}
"""


@pytest.mark.slow
def test_a_flat_folder_of_photos_of_mixed_sizes_and_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HYPERTUNE_DATA_DIR", str(tmp_path / "cache"))
    random, modes = np.random.default_rng(0), ("L", "RGB", "P", "RGBA", "CMYK")
    for name in ("dark", "light"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(40):
            pixels = random.integers(0, 128, (20 + number, 30, 3), dtype=np.uint8) + 127 * (name == "light")
            image = Image.fromarray(pixels.astype(np.uint8)).convert(modes[number % len(modes)])
            image.save(tmp_path / "photos" / name / f"{number}.tif")
    (tmp_path / "photos" / "notes.txt").write_text("beside the classes")
    (tmp_path / "photos" / "dark" / "notes.txt").write_text("no image")
    study, out = tmp_path / "study.toml", tmp_path / "out"
    study.write_text(FLAT.format(path=tmp_path / "photos"))
    assert main(["compare", str(study), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "Note: files without an image suffix are left out: 1 .txt" in told
    assert "The validation split has 6 images: one image is 0.167 of valid_accuracy" in told
    facts = records.read(out)
    assert facts.provenance["images"] == {"train": 58, "valid": 6, "test": 16}
    assert facts.provenance["notes"] == ["files without an image suffix are left out: 1 .txt"]
    assert facts.study.training.image_size == 12
    assert facts.retrained["test_accuracy"].between(0, 1).all()
    data = load_dataset("image_folder", path=str(tmp_path / "photos"), image_size=12, channels=3)
    assert load_model(out / "best" / "model.pt")(torch.from_numpy(data.images[data.test])).shape == (16, 2)


@pytest.mark.slow
def test_cifar10_of_three_classes_from_a_packed_file(data_dir: Path, tmp_path: Path) -> None:
    facts = one_epoch("cifar10_cat_dog_horse_cnn", data_dir, tmp_path)
    assert facts.trials["valid_accuracy"].iloc[0] > 0.3
