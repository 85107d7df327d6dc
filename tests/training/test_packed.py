"""Data sets packed in one .npz file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypertune.training.datasets import load_dataset
from hypertune.training.packed import read_npz, write_npz
from hypertune.training.raw import RawImages

ARRAYS: dict[str, Any] = {
    "x_train": np.arange(20 * 64, dtype=np.uint8).reshape(20, 8, 8),
    "y_train": np.arange(20) % 2,
    "x_test": np.zeros((4, 8, 8), np.uint8),
    "y_test": np.arange(4) % 2,
    "classes": np.array(["no", "yes"]),
}


def pack(path: Path, **changes: Any) -> Path:
    arrays = {key: value for key, value in (ARRAYS | changes).items() if value is not None}
    np.savez_compressed(path, **arrays)
    return path


def test_an_npz_file_loads(tmp_path: Path) -> None:
    data = load_dataset("npz", path=str(pack(tmp_path / "own.npz")))
    assert data.classes == ("no", "yes")
    assert np.array_equal(data.images[:20, 0], ARRAYS["x_train"])


def test_the_path_may_be_relative_to_the_data_folder(tmp_path: Path) -> None:
    pack(tmp_path / "own.npz", classes=None)
    assert load_dataset("npz", data_dir=tmp_path, path="own.npz").classes == ("0", "1")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "images.npz"
    raw = RawImages(**ARRAYS | {"classes": ("T-shirt/top", "Größe")})
    write_npz(path, raw)
    again = read_npz(path)
    assert again.classes == raw.classes
    assert np.array_equal(again.x_train, raw.x_train)
    assert [file.name for file in path.parent.iterdir()] == ["images.npz"]


def test_nothing_is_left_of_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        write_npz(tmp_path / "images.npz", RawImages(**ARRAYS))
    assert list(tmp_path.iterdir()) == []


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="own.npz: y_train cannot be read .*allow_pickle.* save plain arrays"):
        load_dataset("npz", path=str(pack(tmp_path / "own.npz", y_train=np.array([None] * 20))))


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="own.npz: has no array 'x_test', only x_train"):
        load_dataset("npz", path=str(pack(tmp_path / "own.npz", x_test=None)))


def test_classes_must_be_a_list(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="own.npz: classes must be one list"):
        load_dataset("npz", path=str(pack(tmp_path / "own.npz", classes=np.array([["a"], ["b"]]))))


def damaged(path: Path) -> Path:
    pack(path)
    content = bytearray(path.read_bytes())
    content[80:200] = bytes(120)
    path.write_bytes(content)
    return path


def truncated(path: Path) -> Path:
    pack(path)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def text(path: Path) -> Path:
    path.write_text("not an archive")
    return path


def empty(path: Path) -> Path:
    path.touch()
    return path


def single_array(path: Path) -> Path:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    return path


@pytest.mark.parametrize("make", [damaged, truncated, text, empty, single_array])
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, make: Any) -> None:
    with pytest.raises(ValueError, match=r"own\.npz: ") as caught:
        load_dataset("npz", path=str(make(tmp_path / "own.npz")))
    assert "\n" not in str(caught.value)


def test_a_file_without_a_test_split_has_one_cut(tmp_path: Path) -> None:
    data = load_dataset("npz", path=str(pack(tmp_path / "own.npz", x_test=None, y_test=None)), test_fraction=0.3)
    assert data.sizes() == {"train": 12, "valid": 2, "test": 6}
    with pytest.raises(ValueError, match="own.npz: has no array 'y_test'"):
        load_dataset("npz", path=str(pack(tmp_path / "own.npz", y_test=None)))
    with pytest.raises(ValueError, match="own.npz: has no arrays 'x_train', 'y_train', only x_test, y_test, classes"):
        load_dataset("npz", path=str(pack(tmp_path / "own.npz", x_train=None, y_train=None)))
    with pytest.raises(ValueError, match="test_fraction: the data set has a test split"):
        load_dataset("npz", path=str(pack(tmp_path / "own.npz")), test_fraction=0.3)
