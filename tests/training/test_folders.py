"""Folders of image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hypertune.training.datasets import load_dataset


def write(path: Path, size: tuple[int, int] = (9, 8), mode: str = "RGB", value: int = 7) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 0, 255)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split, count in (("train", 4), ("test", 1)):
        for label, name in enumerate(("cat", "dog")):
            for number in range(count):
                write(tmp_path / split / name / f"{number}.png", value=10 * label + number)
    return tmp_path


def test_a_folder_per_class(root: Path) -> None:
    data = load_dataset("image_folder", path=str(root))
    assert data.images.shape == (10, 3, 8, 9)
    assert data.classes == ("cat", "dog")
    assert np.array_equal(data.images[5, :, 0, 0], [11, 0, 255])
    assert np.array_equal(data.labels[data.test], [0, 1])


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            for number in range(2):
                write(tmp_path / split / name / f"{number}.png", mode="L")
    assert load_dataset("image_folder", data_dir=tmp_path.parent, path=tmp_path.name).images.shape == (8, 1, 8, 9)


def test_images_of_differing_size_or_colour_name_the_file(root: Path) -> None:
    write(root / "train" / "dog" / "large.png", size=(10, 8))
    with pytest.raises(ValueError, match=r"dog/large\.png: is 10x8 pixels and colour, but .*cat/0.png is 9x8"):
        load_dataset("image_folder", path=str(root))
    write(root / "train" / "dog" / "large.png", mode="L")
    with pytest.raises(ValueError, match=r"dog/large\.png: is 9x8 pixels and grey"):
        load_dataset("image_folder", path=str(root))


def test_a_damaged_image_is_named(root: Path) -> None:
    (root / "test" / "cat" / "0.png").write_bytes((root / "test" / "cat" / "0.png").read_bytes()[:40])
    with pytest.raises(ValueError, match=r"test/cat/0\.png: cannot be read as an image"):
        load_dataset("image_folder", path=str(root))


def test_missing_folders(root: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere/train: missing"):
        load_dataset("image_folder", path=str(root / "nowhere"))
    (root / "test" / "dog").rename(root / "test" / "cow")
    with pytest.raises(ValueError, match=r"the same class folders; only one has cow, dog"):
        load_dataset("image_folder", path=str(root))
    (root / "test").rename(root / "validation")
    with pytest.raises(ValueError, match=r"test: missing; .* must have train/ and test/"):
        load_dataset("image_folder", path=str(root))
    (root / "test").mkdir()
    with pytest.raises(ValueError, match=r"test: .*put images there, a folder per class"):
        load_dataset("image_folder", path=str(root))
