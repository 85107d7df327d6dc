"""Loading by name, checking and splitting; on the embedded digits and on small arrays."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypertune.training import datasets
from hypertune.training.datasets import ImageData, load_dataset
from hypertune.training.raw import RawImages
from hypertune.training.splits import stratified_split

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 9, 8, 3), dtype=np.uint8)
LABELS = np.arange(40) % 4


def raw(**changes: Any) -> RawImages:
    arrays: dict[str, Any] = {
        "x_train": IMAGES[:32],
        "y_train": LABELS[:32],
        "x_test": IMAGES[32:],
        "y_test": LABELS[32:],
        "classes": ("ant", "bee", "cow", "dog"),
    }
    return RawImages(**arrays | changes)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Registers a data set called `toy`, as an installed plugin would."""

    def register(images: RawImages) -> None:
        entry = EntryPoint("toy", "nowhere:toy", datasets.GROUP)
        monkeypatch.setattr(EntryPoint, "load", lambda self: lambda data_dir, path: images)
        monkeypatch.setattr(datasets, "entry_points", lambda group: [entry])

    return register


def test_digits(digits: ImageData) -> None:
    assert digits.images.shape == (1797, 1, 8, 8)
    assert digits.images.dtype == np.uint8
    assert digits.labels.dtype == np.int64
    assert digits.images.max() == 255
    assert digits.images.flags.c_contiguous
    assert digits.classes == tuple("0123456789")
    assert abs(len(digits.test) - 359) <= 5
    together = np.concatenate((digits.train, digits.valid, digits.test))
    assert np.array_equal(np.sort(together), np.arange(1797)), "each image is in one split"


def test_all_arrays_are_read_only(digits: ImageData) -> None:
    arrays = [value for value in vars(digits).values() if isinstance(value, np.ndarray)]
    assert len(arrays) == 5
    assert not any(array.flags.writeable for array in arrays)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_splits_are_stratified(digits: ImageData, split: str) -> None:
    members = getattr(digits, split)
    shares = np.bincount(digits.labels[members]) / len(members)
    assert np.abs(shares - np.bincount(digits.labels) / 1797).max() < 0.01


def test_the_split_depends_on_its_seed_and_the_test_split_does_not(digits: ImageData) -> None:
    again, other = load_dataset("digits"), load_dataset("digits", split_seed=1)
    assert np.array_equal(again.valid, digits.valid)
    assert not np.array_equal(other.valid, digits.valid)
    assert np.array_equal(other.images[other.test], digits.images[digits.test])
    assert np.array_equal(other.labels, digits.labels)


def test_a_subset_of_classes_is_relabelled_in_the_order_given(digits: ImageData) -> None:
    subset = load_dataset("digits", classes=["7", "1"])
    assert subset.classes == ("7", "1")
    seven = subset.images[subset.test][subset.labels[subset.test] == 0]
    assert np.array_equal(seven, digits.images[digits.test][digits.labels[digits.test] == 7])
    assert set(np.unique(subset.labels)) == {0, 1}
    assert len(subset.labels) == np.isin(digits.labels, (1, 7)).sum()


@given(
    counts=st.lists(st.integers(2, 40), min_size=2, max_size=6),
    fraction=st.floats(0.001, 0.999),
    seed=st.integers(0, 2**32 - 1),
)
def test_of_every_class_the_nearest_number_is_held_out_but_one_at_least_and_never_all(
    counts: list[int], fraction: float, seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    kept, held_out = stratified_split(labels, fraction, seed)
    assert np.array_equal(np.sort(np.concatenate((kept, held_out))), np.arange(len(labels)))
    for label, count in enumerate(counts):
        held = int((labels[held_out] == label).sum())
        assert 1 <= held < count
        assert abs(held - count * fraction) <= 0.5 or held in (1, count - 1)


@pytest.mark.parametrize(
    "images",
    [IMAGES, IMAGES.transpose(0, 3, 1, 2), np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2))],
    ids=["channels last", "channels first", "channels first, contiguous"],
)
def test_layouts_of_colour_images(plugin: Any, images: Any) -> None:
    plugin(raw(x_train=images[:32], x_test=images[32:]))
    data = load_dataset("toy")
    assert data.images.shape == (40, 3, 9, 8)
    assert data.images.flags.c_contiguous
    assert np.array_equal(data.images[0], IMAGES[0].transpose(2, 0, 1))


def test_grey_images_without_channels_and_labels_in_a_column(plugin: Any) -> None:
    grey = IMAGES[..., 0]
    plugin(raw(x_train=grey[:32], x_test=grey[32:], y_train=LABELS[:32, None].astype(np.uint8)))
    data = load_dataset("toy")
    assert data.images.shape == (40, 1, 9, 8)
    assert np.array_equal(data.labels, LABELS)


def test_labels_are_the_names_where_there_are_none(plugin: Any) -> None:
    plugin(raw(classes=()))
    assert load_dataset("toy").classes == ("0", "1", "2", "3")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": IMAGES[:32] / 255}, "x_train must be uint8 .* not float64"),
        ({"x_test": IMAGES[32:].astype(np.int16)}, "x_test must be uint8 .* not int16"),
        ({"x_train": IMAGES[0]}, None),
        ({"x_train": IMAGES[0, 0]}, r"x_train has shape \(8, 3\)"),
        ({"x_test": IMAGES[:0], "y_test": LABELS[:0]}, r"x_test has shape \(0, 9, 8, 3\)"),
        ({"x_train": np.zeros((32, 9, 8, 7), np.uint8)}, "its last or second axis must be"),
        ({"x_test": IMAGES[32:, :8]}, "x_train has images of .* and x_test of"),
        ({"y_train": LABELS[:31]}, "y_train has 31 labels for 32 images of x_train"),
        ({"y_train": LABELS[:32] / 2}, "y_train must be whole numbers"),
        ({"y_test": LABELS[32:, None] * [1, 1]}, "y_test must be whole numbers of shape"),
        ({"y_test": LABELS[32:] + 1}, "y_test has labels from 1 to 4; they must be 0 to 3"),
        ({"y_train": LABELS[:32] - 1, "classes": ()}, "y_train has labels from -1"),
        ({"y_train": LABELS[:32] * 0, "y_test": LABELS[32:] * 0, "classes": ()}, "a single class"),
        (
            {"y_train": LABELS[:32] * 14, "classes": ()},
            "y_train has the label 42, but there are only 40 images; number",
        ),
        ({"y_test": np.r_[LABELS[33:], 2**31 - 1], "classes": ()}, "y_test has the label 2147483647, but there are"),
        ({"y_train": np.r_[LABELS[1:32], -1].astype(np.uint64), "classes": ()}, "y_train has the label 18446744073709"),
        (
            {"y_train": np.r_[LABELS[:28] % 3, 3, 0, 0, 0]},
            "class 'dog' has 1 image to train on; each class needs at least 2",
        ),
        ({"classes": ("ant", "bee", "cow", "dog", "emu")}, "class 'emu' has 0 images to train on"),
    ],
)
def test_bad_arrays_are_named_in_one_line(plugin: Any, changes: dict[str, Any], message: str | None) -> None:
    plugin(raw(**changes))
    with pytest.raises(ValueError, match=message) as caught:
        load_dataset("toy")
    assert str(caught.value).startswith("data set toy: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "fashion_mnits"}, "unknown data set 'fashion_mnits': did you mean fashion_mnist.* known are cifar10"),
        ({"name": "digits", "validation_fraction": 0}, "validation_fraction must be above 0 and below 1, not 0"),
        ({"name": "digits", "validation_fraction": 1.0}, "validation_fraction"),
        ({"name": "digits", "validation_fraction": float("nan")}, "validation_fraction"),
        ({"name": "digits", "split_seed": -1}, "split_seed must be a whole number"),
        ({"name": "digits", "split_seed": 0.5}, "split_seed must be a whole number"),
        ({"name": "digits", "classes": ["1", "ten"]}, "unknown 'ten'; known are 0, 1, 2"),
        ({"name": "digits", "classes": ["1", "1"]}, "at least two classes, each once"),
        ({"name": "digits", "classes": ["1"]}, "at least two classes, each once"),
        ({"name": "npz"}, "path is missing"),
        ({"name": "image_folder"}, "path is missing"),
        ({"name": "npz", "path": "/nowhere.npz"}, "/nowhere.npz: no such file"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_dataset(**arguments)


def test_every_built_in_data_set_is_registered() -> None:
    registered = {entry.name: entry.load() for entry in datasets.entry_points(group=datasets.GROUP)}
    assert {"digits", "fashion_mnist", "mnist", "cifar10", "npz", "image_folder"} <= set(registered)
    assert all(callable(source) for source in registered.values())


def test_fashion_mnist(fashion_mnist: ImageData) -> None:
    data = fashion_mnist
    assert data.images.shape == (70_000, 1, 28, 28)
    assert (len(data.train), len(data.valid), len(data.test)) == (54_000, 6_000, 10_000)
    assert np.bincount(data.labels[data.valid]).tolist() == [600] * 10
    assert data.classes[9] == "Ankle boot"


def test_three_classes_of_packed_cifar10(data_dir: Path) -> None:
    data = load_dataset("cifar10", data_dir=data_dir, classes=["horse", "cat"])
    assert data.images.shape == (12_000, 3, 32, 32)
    assert data.classes == ("horse", "cat")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 0}, r"image_size must be a number of pixels or \[height, width\], not 0"),
        ({"image_size": [8, 8, 3]}, "image_size must be"),
        ({"image_size": 2.5}, "image_size must be"),
        ({"channels": 4}, r"channels must be 1 \(grey\) or 3 \(colour\), not 4"),
        ({"test_fraction": 1.5}, "test_fraction must be above 0 and below 1, not 1.5"),
        ({"test_fraction": 0.2}, "test_fraction: the data set has a test split"),
    ],
)
def test_bad_image_options(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_dataset("digits", **arguments)


def test_resizing_mends_differing_sizes(plugin: Any) -> None:
    plugin(raw(x_test=IMAGES[32:, :8]))
    assert load_dataset("toy", image_size=[5, 6], channels=1).images.shape == (40, 1, 5, 6)
