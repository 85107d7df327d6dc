"""Data sets: found by name, checked, and split into training, validation and test images."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hypertune.training.arrays import check_images, check_labels

Array = TypeVar("Array", bound=NDArray[Any])

GROUP = "hypertune.datasets"
"""Entry points of this group are callables `(data_dir: Path | None, path: str | None) -> RawImages`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RawImages:
    """What the source of a data set returns; `load_dataset` checks it, so a source need not."""

    x_train: NDArray[Any]
    """uint8 images: [n, height, width], [n, height, width, channels] or [n, channels, height, width]."""
    y_train: NDArray[Any]
    """Whole-number labels [n], counting from 0."""
    x_test: NDArray[Any]
    """The official test split, which nothing but the final scores may see; same layouts as `x_train`."""
    y_test: NDArray[Any]
    """Labels of `x_test`."""
    classes: tuple[str, ...] = ()
    """Class names in the order of the labels; left empty, the labels themselves are the names."""


# Compared and hashed by identity: tensors on a device are cached per data set, and arrays do not compare to one bool.
@dataclass(frozen=True, kw_only=True, eq=False)
class ImageData:
    """A data set, ready to travel once per node through Ray's object store. All arrays are read-only."""

    images: NDArray[np.uint8]
    """uint8 [n, channels, height, width], C-contiguous; all three splits in one array."""
    labels: NDArray[np.int64]
    """int64 [n], 0 to len(classes) - 1."""
    train: NDArray[np.int64]
    """Indices into `images` of the training split, ascending."""
    valid: NDArray[np.int64]
    """Indices of the validation split, ascending; cut from the training images, with the same share of each class."""
    test: NDArray[np.int64]
    """Indices of the test split, ascending."""
    classes: tuple[str, ...]
    """Class names in the order of the labels."""


def load_dataset(
    name: str,
    *,
    data_dir: Path | None = None,
    path: str | None = None,
    classes: Sequence[str] | None = None,
    validation_fraction: float = 0.1,
    split_seed: int = 0,
) -> ImageData:
    """Loads a data set by the name it is registered under.

    Args:
        name: `digits`, `fashion_mnist`, `mnist`, `cifar10`, `npz`, `image_folder`, or a plugin's.
        data_dir: folder that has the data already; nothing is downloaded then, and nothing written into it.
        path: file or folder of `npz` and `image_folder`.
        classes: the subset to keep, relabelled 0, 1, ... in this order; None keeps all.
        validation_fraction: share of the training images to set apart for validation, of every class alike.
        split_seed: seed of that split; the test split never depends on it.

    Raises:
        ValueError: one line saying what is wrong with the arguments or in which file, and the remedy.
    """
    source = _source(name)
    _check_split(validation_fraction, split_seed)
    raw = source(data_dir, path)
    where = f"data set {name}" + (f" ({path})" if path else "")
    x_train, x_test = (check_images(x, where, key) for x, key in ((raw.x_train, "x_train"), (raw.x_test, "x_test")))
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            f"{where}: x_train has images of {x_train.shape[1:]} and x_test of {x_test.shape[1:]} "
            "(channels, height, width); make them the same"
        )
    y_train = check_labels(raw.y_train, len(x_train), where, "y_train", len(raw.classes))
    y_test = check_labels(raw.y_test, len(x_test), where, "y_test", len(raw.classes))
    names = raw.classes or tuple(str(label) for label in range(int(max(y_train.max(), y_test.max())) + 1))
    if classes is not None:
        order = _order(classes, names, where)
        x_train, y_train = _subset(x_train, y_train, order)
        x_test, y_test = _subset(x_test, y_test, order)
        names = tuple(classes)
    _check_counts(y_train, len(y_test), names, where)
    train, valid = stratified_split(y_train, validation_fraction, split_seed)
    return ImageData(
        images=_read_only(np.ascontiguousarray(np.concatenate((x_train, x_test)))),
        labels=_read_only(np.concatenate((y_train, y_test))),
        train=_read_only(train),
        valid=_read_only(valid),
        test=_read_only(np.arange(len(y_train), len(y_train) + len(y_test))),
        classes=names,
    )


def stratified_split(
    labels: NDArray[np.int64], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the images kept and of those held out, both ascending.

    Of every class the nearest whole number to `fraction` is held out, though at least one image and never all.
    """
    # RandomState is the one generator of numpy whose numbers are promised never to change between releases.
    random = np.random.RandomState(seed)
    held_out = []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        held_out.append(members[: min(max(round(len(members) * fraction), 1), len(members) - 1)])
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[np.concatenate(held_out)] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _source(name: str) -> Callable[[Path | None, str | None], RawImages]:
    known = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ValueError(f"unknown data set {name!r}: {hint}known are {', '.join(sorted(known))}")
    return known[name].load()  # type: ignore[no-any-return]


def _check_split(fraction: float, seed: int) -> None:
    if not 0 < fraction < 1:  # NaN fails this, too
        raise ValueError(f"validation_fraction must be above 0 and below 1, not {fraction}")
    if not isinstance(seed, Integral) or not 0 <= seed < 2**32:
        raise ValueError(f"split_seed must be a whole number from 0 to 2**32 - 1, not {seed!r}")


def _order(classes: Sequence[str], names: tuple[str, ...], where: str) -> list[int]:
    """The old label of each class asked for."""
    unknown = [name for name in classes if name not in names]
    if unknown:
        raise ValueError(f"{where}: classes: unknown {', '.join(map(repr, unknown))}; known are {', '.join(names)}")
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise ValueError(f"{where}: classes must name at least two classes, each once, not {list(classes)}")
    return [names.index(name) for name in classes]


def _subset(
    images: NDArray[np.uint8], labels: NDArray[np.int64], order: list[int]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    kept = np.isin(labels, order)
    new_label = np.zeros(max(order) + 1, dtype=np.int64)
    new_label[order] = np.arange(len(order))
    return images[kept], new_label[labels[kept]]


def _check_counts(y_train: NDArray[np.int64], tests: int, names: tuple[str, ...], where: str) -> None:
    if len(names) < 2:
        raise ValueError(f"{where}: y_train has a single class; at least two are needed")
    counts = np.bincount(y_train, minlength=len(names))
    if counts.min() < 2:
        raise ValueError(
            f"{where}: y_train has {counts.min()} images of class {names[counts.argmin()]!r}; each class needs at "
            "least 2, one to train on and one to validate with"
        )
    if tests == 0:
        raise ValueError(f"{where}: x_test has no images; hold some out as the test split")


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array
