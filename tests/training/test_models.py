"""Saving and loading trained models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hypertune.training.datasets import ImageData
from hypertune.training.loop import TrainingLoop
from hypertune.training.models import load_model, save_model

CONFIG = {"filters": 5, "lr": 0.01, "norm": "batch", "dropout": 0.2, "device": "cpu"}


@pytest.fixture
def loop(few_digits: ImageData) -> TrainingLoop:
    torch.set_num_threads(1)
    loop = TrainingLoop("cnn", CONFIG, few_digits)
    loop.train_epoch()
    return loop


def test_a_loaded_model_takes_images_as_they_are(loop: TrainingLoop, tmp_path: Path) -> None:
    path = tmp_path / "best" / "model.pt"
    save_model(path, loop)
    model = load_model(path)
    test = loop.data.test[:100]
    images = torch.tensor(loop.data.images[test])
    with torch.no_grad():
        loop.model.eval()
        expected = loop.model(loop.images.batch(torch.from_numpy(test.copy()))[0])
        torch.testing.assert_close(model(images), expected)
        torch.testing.assert_close(model(images.float()), expected)
    assert model.classes == loop.data.classes
    assert model.config == CONFIG | {key: model.config[key] for key in model.config if key not in CONFIG}
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]


def test_loading_needs_no_ray_and_runs_no_code(loop: TrainingLoop, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    save_model(path, loop)
    assert set(torch.load(path, weights_only=True)) >= {"kind", "config", "state_dict", "classes", "image_shape"}
    code = (
        "import sys; from hypertune.training.models import load_model;"
        f"load_model({str(path)!r}); print('ray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_nothing_is_left_of_a_failed_save(loop: TrainingLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(tmp_path / "model.pt", loop)
    before = (tmp_path / "model.pt").read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(tmp_path / "model.pt", loop)
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt"]
    assert (tmp_path / "model.pt").read_bytes() == before


def test_files_that_are_no_model(loop: TrainingLoop, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with pytest.raises(ValueError, match=r"model\.pt: no such file"):
        load_model(path)
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match=r"model\.pt: not a model that hypertune saved"):
        load_model(path)
    for other in ([1, 2], torch.zeros(3), {"weights": torch.zeros(3)}, Path("pickled")):
        torch.save(other, path)
        with pytest.raises(ValueError, match=r"model\.pt: not a model that hypertune saved"):
            load_model(path)
    save_model(path, loop)
    saved = torch.load(path, weights_only=True)
    torch.save(saved | {"format": 2}, path)
    with pytest.raises(ValueError, match="has format 2, this version reads format 1"):
        load_model(path)
    weights = saved["state_dict"]
    fewer = dict(list(weights.items())[:-1])
    for wrong in ({"image_shape": (3, 8, 8)}, {"state_dict": list(weights)}, {"state_dict": fewer}):
        torch.save(saved | wrong, path)
        with pytest.raises(ValueError, match=r"model\.pt: not a model that hypertune saved"):
            load_model(path)


def test_a_model_saved_under_other_names_of_its_layers_is_read(loop: TrainingLoop, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    save_model(path, loop)
    saved = torch.load(path, weights_only=True)
    renamed = {f"layer{number}": value for number, value in enumerate(saved["state_dict"].values())}
    torch.save(saved | {"state_dict": renamed}, path)
    images = loop.data.images[:4]
    torch.testing.assert_close(
        load_model(path)(torch.tensor(images)),
        loop.model.eval()((torch.tensor(images).float() - loop.images.mean) * loop.images.scale),
    )


def test_a_url_with_a_password_is_refused_without_it() -> None:
    with pytest.raises(ValueError, match="credentials") as refused:
        load_model("s3://user:hunter2@bucket/model.pt")
    assert "hunter2" not in str(refused.value)
