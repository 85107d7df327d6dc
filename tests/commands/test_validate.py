"""`hypertune validate` looks at the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hypertune.commands.cli import main

STUDY = """
[study]
name = "own"
strategies = ["random"]
budget = {{ trials = 1 }}
metric = "valid_accuracy"
mode = "max"
[training]
trainable = "cnn"
dataset = "{dataset}"
{more}
[space]
lr = {{ loguniform = [1e-4, 1e-1] }}
"""


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A flat folder of 40 cats and 20 dogs of many sizes."""
    monkeypatch.setenv("HYPERTUNE_DATA_DIR", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    for name, count in (("cat", 40), ("dog", 20)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number:02}.jpg")
    return tmp_path / "photos"


def study(folder: Path, dataset: str, more: str = "") -> str:
    path = folder / "study.toml"
    path.write_text(STUDY.format(dataset=dataset, more=more))
    return str(path)


def test_a_folder_of_photos(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "cat" / "notes.txt").write_text("no image")
    path = study(photos.parent, "image_folder", f'path = "{photos}"\nimage_size = [12, 16]\nchannels = 1')
    assert main(["validate", path]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.splitlines() == [
        f"{path}: valid",
        "data: image_folder, 60 images of 16x12 pixels, grey, 2 classes",
        "  train        43 images",
        "  valid         5 images, cut from the training images (validation_fraction = 0.1, split_seed = 0)",
        "  test         12 images, cut from the training images (test_fraction = 0.2, split_seed = 0)",
        "  cat: 40, dog: 20",
        "  one image of the validation split is 0.2 of valid_accuracy",
        "note: files without an image suffix are left out: 1 .txt",
    ]


def test_photos_of_many_sizes_need_image_size(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", study(photos.parent, "image_folder", f'path = "{photos}"')]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "set image_size in [training] to resize them, e.g. image_size = 30" in told.err


def test_every_faulty_file_is_listed(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(30):
        (photos / "dog" / f"bad{number:02}.jpg").write_text("no image")
    path = study(photos.parent, "image_folder", f'path = "{photos.name}"\nimage_size = 16')
    assert main(["validate", path, "--data-dir", str(photos.parent)]) == 2
    told = capsys.readouterr()
    assert told.out.splitlines() == [f"dog/bad{number:02}.jpg: damaged, or not an image" for number in range(30)]
    assert told.err.count("\n") == 1
    assert "30 of 90 images cannot be read" in told.err


def test_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HYPERTUNE_DATA_DIR", str(tmp_path / "cache"))
    path = study(tmp_path, "cifar10")
    assert main(["validate", path]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{path}: valid",
        "data: not checked, since cifar10 would have to be downloaded; give --data-dir if you have it",
    ]
    assert main(["validate", path, "--data-dir", str(tmp_path)]) == 2
    assert "has neither cifar-10-batches-py" in capsys.readouterr().err
    assert main(["validate", study(tmp_path, "cifar01")]) == 2
    assert "did you mean cifar10?" in capsys.readouterr().err


def test_an_own_trainable_has_its_own_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = "tests.integration.trainables:Objective"
    table = STUDY.format(dataset="digits", more="").replace('dataset = "digits"\n', "").replace('"cnn"', f'"{own}"')
    path = tmp_path / "study.toml"
    path.write_text(table)
    assert main(["validate", str(path)]) == 0
    assert capsys.readouterr().out.endswith(f"data: not checked, since {own} loads its own\n")
    for key in ("image_size = 8", "channels = 1", "test_fraction = 0.3"):
        path.write_text(table.replace("[space]", f"{key}\n[space]"))
        assert main(["validate", str(path)]) == 2
        assert f"training.{key.partition(' ')[0]}: only for the built-in models" in capsys.readouterr().err


@pytest.mark.parametrize(
    "key", ["image_size = 0", "image_size = [8]", 'image_size = "8"', "channels = 2", "test_fraction = 1"]
)
def test_wrong_values_name_the_key(tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", study(tmp_path, "digits", key)]) == 2
    told = capsys.readouterr().err
    assert f"training.{key.partition(' ')[0]}" in told
    assert told.count("\n") == 1
