"""Data sets that are folders of image files, one folder per class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypertune.training.datasets import RawImages

GREY_MODES = ("1", "L", "LA")
"""Pillow's names for images without colour."""


def read(root: Path) -> RawImages:
    """Reads `root/train/<class>/*` and `root/test/<class>/*`; all alike in size and colour.

    Raises:
        ValueError: naming the folder that is missing or the file that differs or cannot be read.
    """
    train, test = _listing(root, "train"), _listing(root, "test")
    if train.classes != test.classes:
        odd = sorted(set(train.classes) ^ set(test.classes))
        raise ValueError(f"{root}: train/ and test/ must have the same class folders; only one has {', '.join(odd)}")
    files = [Path(file) for file, _ in train.samples + test.samples]
    images = _stack(files)
    return RawImages(
        x_train=images[: len(train.samples)],
        y_train=np.array([label for _, label in train.samples]),
        x_test=images[len(train.samples) :],
        y_test=np.array([label for _, label in test.samples]),
        classes=tuple(train.classes),
    )


def _listing(root: Path, split: str) -> Any:
    folder = root / split
    if not folder.is_dir():
        raise ValueError(f"{folder}: missing; {root} must have train/ and test/ with one folder per class in each")
    from torchvision.datasets import ImageFolder

    try:
        return ImageFolder(str(folder))
    except FileNotFoundError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{folder}: {reason}; put images there, a folder per class") from error


def _stack(files: list[Path]) -> NDArray[np.uint8]:
    first = _pixels(files[0])
    images = np.empty((len(files), *first.shape), np.uint8)
    for index, file in enumerate(files):
        image = _pixels(file)
        if image.shape != first.shape:
            raise ValueError(
                f"{file}: is {_describe(image)}, but {files[0]} is {_describe(first)}; all images must be alike in "
                "size and colour, so resize or convert them first"
            )
        images[index] = image
    return images


def _pixels(file: Path) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(file) as image:
            return np.atleast_3d(np.asarray(image.convert("L" if image.mode in GREY_MODES else "RGB")))
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged files
        raise ValueError(f"{file}: cannot be read as an image ({error}); remove or replace it") from error


def _describe(image: NDArray[np.uint8]) -> str:
    height, width, channels = image.shape
    return f"{width}x{height} pixels and {'grey' if channels == 1 else 'colour'}"
