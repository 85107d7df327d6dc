"""Which files of a folder are a data set's images, of which split and class."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hypertune.training import folders
from hypertune.training.datasets import ImageData, load_dataset


def write(path: Path, size: tuple[int, int] = (9, 8), mode: str = "RGB", value: int = 7) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 0, 255)).save(path)


def fill(folder: Path, classes: tuple[str, ...] = ("cat", "dog"), count: int = 10) -> None:
    """A folder per class; all images have a colour of their own within the folder."""
    for label, name in enumerate(classes):
        for number in range(count):
            write(folder / name / f"{number}.png", value=50 * label + number)


def load(root: Path, **options: Any) -> ImageData:
    return load_dataset("image_folder", path=str(root), **options)


def values(data: ImageData, split: str) -> list[int]:
    """The reds of a split's images, by which `fill` tells them apart."""
    return [int(value) for value in data.images[getattr(data, split), 0, 0, 0]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fill(tmp_path / "train", count=4)
    fill(tmp_path / "test", count=1)
    return tmp_path


def test_a_folder_per_split_and_class(root: Path) -> None:
    data = load(root)
    assert data.images.shape == (10, 3, 8, 9)
    assert data.classes == ("cat", "dog")
    assert np.array_equal(data.images[5, :, 0, 0], [51, 0, 255])
    assert np.array_equal(data.labels[data.test], [0, 1])
    assert data.sizes() == {"train": 6, "valid": 2, "test": 2}
    assert data.cut == ("valid",)


def test_the_path_may_be_relative_to_the_data_folder(root: Path) -> None:
    assert load_dataset("image_folder", data_dir=root.parent, path=root.name).images.shape == (10, 3, 8, 9)


def test_of_a_flat_folder_a_fifth_of_each_class_is_the_test_split(tmp_path: Path) -> None:
    fill(tmp_path)
    data = load(tmp_path)
    assert data.sizes() == {"train": 14, "valid": 2, "test": 4}
    assert data.cut == ("valid", "test")
    assert np.bincount(data.labels[data.test]).tolist() == [2, 2]
    assert sorted(values(data, "train") + values(data, "valid") + values(data, "test")) == [*range(10), *range(50, 60)]
    assert load(tmp_path, test_fraction=0.5).sizes() == {"train": 8, "valid": 2, "test": 10}


def test_the_test_split_of_a_flat_folder_depends_on_the_seed_and_not_on_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    tests = {seed: values(load(tmp_path, split_seed=seed), "test") for seed in range(3)}
    assert len({tuple(test) for test in tests.values()}) > 1
    walk, iterdir = os.walk, Path.iterdir

    def backwards(*arguments: Any, **options: Any) -> Iterator[Any]:
        for place, inner, names in walk(*arguments, **options):
            inner.reverse()
            yield place, inner, sorted(names, reverse=True)

    monkeypatch.setattr(os, "walk", backwards)
    monkeypatch.setattr(Path, "iterdir", lambda path: iter(sorted(iterdir(path), reverse=True)))
    assert {seed: values(load(tmp_path, split_seed=seed), "test") for seed in range(3)} == tests


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_a_validation_folder_is_the_validation_split(root: Path, name: str) -> None:
    fill(root / name, count=3)
    data = load(root)
    assert data.sizes() == {"train": 8, "valid": 6, "test": 2}
    assert data.cut == ()
    shutil.rmtree(root / "test")
    data = load(root)
    assert data.sizes() == {"train": 6, "valid": 6, "test": 2}
    assert data.cut == ("test",)


def test_training_images_alone_in_capital_letters(tmp_path: Path) -> None:
    fill(tmp_path / "TRAIN")
    assert load(tmp_path).cut == ("valid", "test")


def test_train_may_be_the_name_of_a_class(tmp_path: Path) -> None:
    fill(tmp_path, ("bus", "car", "train"))
    assert load(tmp_path).classes == ("bus", "car", "train")


def test_what_is_no_image_is_left_out_and_told(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "cat" / "0.png").rename(tmp_path / "cat" / "0.PNG")
    for name in (".DS_Store", "cat/.DS_Store", "cat/Thumbs.db", "dog/._0.png"):
        (tmp_path / name).write_text("litter")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    assert load(tmp_path).notes == ()
    for name in ("notes.txt", "more.txt", "IMG_1.HEIC"):
        (tmp_path / "cat" / name).write_text("no image")
    write(tmp_path / "loose.png")
    data = load(tmp_path)
    assert len(data.labels) == 20
    assert data.notes == (
        "images outside the class folders are left out: 1",
        "files without an image suffix are left out: 2 .txt, 1 .heic; convert .heic to JPEG or PNG to use them",
    )


def test_folders_beside_the_splits_are_told(root: Path) -> None:
    (root / "annotations").mkdir()
    assert load(root).notes == ("annotations/: ignored, not one of train, valid and test",)


def test_images_in_folders_within_a_class_and_behind_links(tmp_path: Path) -> None:
    fill(tmp_path / "photos" / "cat", ("monday", "tuesday"))
    fill(tmp_path / "elsewhere", ("dog",))
    (tmp_path / "photos" / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    (tmp_path / "photos" / "cat" / "back").symlink_to(tmp_path / "photos" / "cat")
    data = load(tmp_path / "photos")
    assert data.classes == ("cat", "dog")
    assert np.bincount(data.labels).tolist() == [20, 10]


def test_only_the_classes_asked_for_are_read(tmp_path: Path) -> None:
    fill(tmp_path, ("cat", "dog", "emu"))
    (tmp_path / "emu" / "0.png").write_text("no image")
    data = load(tmp_path, classes=["dog", "cat"])
    assert data.classes == ("dog", "cat")
    assert {value >= 50 for value in data.images[data.labels == 0, 0, 0, 0].tolist()} == {True}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "has no images; put images there, a folder per class"),
        (["1.png", "2.png"], "has 2 images but no class folders"),
        (["cat/1.png"], "has a single class"),
        (["photos/cat/1.png", "photos/dog/1.png"], r"has a single folder, photos/; give .*photos as path"),
        (["photos/train/cat/1.png", "photos/test/cat/1.png"], r"give .*photos as path"),
        (["cat/train/1.png", "cat/test/1.png", "dog/train/1.png", "dog/test/1.png"], "the other way round, train/<cl"),
        (["train/cat/1.png", "train/dog/1.png", "test/1.png"], "test: has 1 images but .* or remove it to have"),
        (["train/1.png", "test/1.png"], "train: has 1 images but no class folders; put images there, a folder per cla"),
        (["test/cat/1.png"], "train: missing; test/ must come with a train/"),
        (["train/cat/1.png", "val/cat/1.png", "valid/cat/1.png"], "val/ and valid/ mean the same split"),
        (["train/cat/1.png", "train/dog/1.png", "test/cow/1.png"], "same class folders; only one has cat, cow, dog"),
        (["cat/1.png", "dog/notes.txt", "emu/a.heic"], r"no images that can be read .* in dog/, emu/; put JP"),
        (["cat/1.png", "cat/2.png", "cat/3.png", "dog/1.png", "dog/2.png"], "class 'dog' has 2 images to .* least 3"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_data_set_is_named_in_one_line(tmp_path: Path, files: list[str], message: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("never opened")
    with pytest.raises(ValueError, match=message) as caught:
        load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere: no such folder; give one with a folder per class"):
        load(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_opened_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("dog"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ValueError, match=r"dog: cannot be read \(Permission denied\)"):
        folders.find(tmp_path)


def test_a_fraction_for_a_test_split_that_is_there_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="test_fraction: the data set has a test split; leave test_fraction out"):
        load(root, test_fraction=0.3)
