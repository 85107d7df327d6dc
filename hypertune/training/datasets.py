"""Data sets: found by name, checked, and split into training, validation and test images."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hypertune.training import files
from hypertune.training.arrays import check_images, check_labels
from hypertune.training.cache import cached_array
from hypertune.training.pixels import REVISION, Form, convert
from hypertune.training.raw import ImageFiles, RawImages
from hypertune.training.splits import HeldOut, complete

Array = TypeVar("Array", bound=NDArray[Any])

GROUP = "hypertune.datasets"
"""Entry points of this group are callables `(data_dir: Path | None, path: str | None) -> RawImages | ImageFiles`."""


# Compared by identity: device tensors are cached per data set, and comparing arrays does not give one bool.
@dataclass(frozen=True, kw_only=True, eq=False)
class ImageData:
    """A data set, sent once per node through Ray's object store. All arrays are read-only."""

    images: NDArray[np.uint8]
    """uint8 [n, channels, height, width], C-contiguous; all three splits in one array."""
    labels: NDArray[np.int64]
    """int64 [n], 0 to len(classes) - 1."""
    train: NDArray[np.int64]
    """Indices into `images` of the training split, ascending."""
    valid: NDArray[np.int64]
    """Indices of the validation split, ascending."""
    test: NDArray[np.int64]
    """Indices of the test split, ascending."""
    classes: tuple[str, ...]
    """Class names in the order of the labels."""
    cut: tuple[str, ...] = ("valid",)
    """Splits that the data set did not have and that were cut from its training images, stratified by class."""
    notes: tuple[str, ...] = ()
    """Notes for the user, e.g. that some files are left out; one sentence each."""

    def sizes(self) -> dict[str, int]:
        """Number of images by split."""
        return {"train": len(self.train), "valid": len(self.valid), "test": len(self.test)}


def load_dataset(
    name: str,
    *,
    data_dir: Path | None = None,
    path: str | None = None,
    classes: Sequence[str] | None = None,
    image_size: int | Sequence[int] | None = None,
    channels: int | None = None,
    validation_fraction: float = 0.1,
    test_fraction: float | None = None,
    split_seed: int = 0,
    told: Callable[[int, int], None] | None = None,
) -> ImageData:
    """Loads a data set by the name it is registered under.

    Args:
        name: `digits`, `fashion_mnist`, `mnist`, `cifar10`, `npz`, `image_folder`, or a plugin's.
        data_dir: folder that already has the data; nothing is downloaded or written to it.
        path: file of `npz`, or folder of `image_folder`.
        classes: the subset to keep, relabelled 0, 1, ... in this order; None keeps all.
        image_size: pixels, one number for squares, or height and width. Images are scaled to cover that size, keeping
            their aspect ratio, and cropped at the centre. None keeps their size, which must be the same for all.
        channels: 1 makes all images grey, 3 gives them three channels; None keeps them, which must be all alike.
        validation_fraction: share of the training images for validation, stratified by class, if the data set has no
            validation split.
        test_fraction: share of the images for the test split, stratified by class; allowed only if the data set has no
            test split. None for a fifth.
        split_seed: seed of both splits; it does not affect a test split that comes with the data set.
        told: called with the number of images read so far and the total, for data sets of image files; an exception
            that it raises ends the reading.

    Raises:
        FaultyImages: a ValueError with all image files that cannot be read.
        ValueError: one line naming the wrong argument or file, and the remedy.
    """
    source = source_of(name)
    held_out = HeldOut(validation_fraction, test_fraction, split_seed)
    where = f"data set {name}" + (f" ({path})" if path else "")
    form = _form(image_size, channels)
    raw = source(data_dir, path)
    if isinstance(raw, ImageFiles):
        whole = _from_files(raw, classes, form, where, told)
    else:
        whole = _from_arrays(raw, classes, form, where)
    splits = complete(whole.splits, whole.labels, whole.classes, where, held_out)
    return ImageData(
        images=_read_only(np.ascontiguousarray(whole.read())),
        labels=_read_only(whole.labels),
        train=_read_only(splits["train"]),
        valid=_read_only(splits["valid"]),
        test=_read_only(splits["test"]),
        classes=whole.classes,
        cut=tuple(name for name in ("valid", "test") if name not in whole.splits),
        notes=raw.notes if isinstance(raw, ImageFiles) else (),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Whole:
    """Images and labels as in `ImageData`, with the splits that come with the data set."""

    read: Callable[[], NDArray[np.uint8]]
    """Returns the images; called only after the splits have been checked, since reading photos takes minutes."""
    labels: NDArray[np.int64]
    splits: dict[str, NDArray[np.int64]]
    classes: tuple[str, ...]


def _from_files(
    raw: ImageFiles, classes: Sequence[str] | None, form: Form, where: str, told: files.Told | None
) -> _Whole:
    order = _order(classes, raw.classes, where) if classes is not None else list(range(len(raw.classes)))
    new_label = {old: new for new, old in enumerate(order)}
    wanted = {
        split: [(file, new_label[label]) for file, label in samples if label in new_label]
        for split, samples in raw.splits.items()
    }
    samples = [sample for split in wanted.values() for sample in split]
    return _Whole(
        read=lambda: _read([file for file, _ in samples], raw.root, form, where, told),
        labels=np.array([label for _, label in samples], np.int64),
        splits=_consecutive({split: len(samples) for split, samples in wanted.items()}),
        classes=tuple(raw.classes[old] for old in order),
    )


def _read(paths: Sequence[Path], root: Path, form: Form, where: str, told: files.Told | None) -> NDArray[np.uint8]:
    """The images of the files; resized ones are cached, since reading photos takes minutes."""
    if form.size is None:
        return files.read(paths, root, form, where, told)
    # Folder, classes and size are part of the name, so that only an older state of the same images is outdated.
    about = [str(root.resolve()), *sorted({str(path.parent) for path in paths}), repr(form), str(REVISION)]
    name = hashlib.sha256("\0".join(about).encode(errors="surrogateescape")).hexdigest()[:16]
    return cached_array(f"images-{name}", paths, lambda: files.read(paths, root, form, where, told))


def _from_arrays(raw: RawImages, classes: Sequence[str] | None, form: Form, where: str) -> _Whole:
    given = {"train": (raw.x_train, raw.y_train)}
    assert (raw.x_test is None) == (raw.y_test is None), "a source gives both or neither"
    if raw.x_test is not None and raw.y_test is not None:
        given["test"] = (raw.x_test, raw.y_test)
    images = {name: convert(check_images(x, where, f"x_{name}"), form, where) for name, (x, _) in given.items()}
    shapes = {name: x.shape[1:] for name, x in images.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(
            f"{where}: x_train has images of {shapes['train']} and x_test of {shapes['test']} "
            "(channels, height, width); make them the same"
        )
    total = sum(map(len, images.values()))
    labels = {
        name: check_labels(y, len(images[name]), where, f"y_{name}", len(raw.classes), total)
        for name, (_, y) in given.items()
    }
    names = raw.classes or tuple(str(label) for label in range(int(max(y.max() for y in labels.values())) + 1))
    if classes is not None:
        order = _order(classes, names, where)
        for name in images:
            images[name], labels[name] = _subset(images[name], labels[name], order)
        names = tuple(classes)
    return _Whole(
        read=lambda: np.concatenate(list(images.values())),
        labels=np.concatenate(list(labels.values())),
        splits=_consecutive({name: len(y) for name, y in labels.items()}),
        classes=names,
    )


def _consecutive(sizes: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
    """Indices of consecutive splits of these sizes."""
    ends = np.cumsum(list(sizes.values()))
    return {name: np.arange(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}


def _form(image_size: int | Sequence[int] | None, channels: int | None) -> Form:
    if channels not in (None, 1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (colour), not {channels!r}")
    if image_size is None:
        return Form(channels=channels)
    sides = list(image_size) if isinstance(image_size, Sequence) else [image_size, image_size]
    if len(sides) != 2 or not all(isinstance(side, int) and side >= 1 for side in sides):
        raise ValueError(f"image_size must be a number of pixels or [height, width], not {image_size!r}")
    return Form(size=(sides[0], sides[1]), channels=channels)


def source_of(name: str) -> Callable[[Path | None, str | None], RawImages | ImageFiles]:
    """The function registered for a data set.

    Raises:
        ValueError: for an unknown name.
    """
    known = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ValueError(f"unknown data set {name!r}: {hint}known are {', '.join(sorted(known))}")
    return known[name].load()  # type: ignore[no-any-return]


def _order(classes: Sequence[str], names: tuple[str, ...], where: str) -> list[int]:
    """The old label of each requested class."""
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


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array
