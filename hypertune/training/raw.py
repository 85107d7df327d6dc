"""What the source of a data set returns, before `load_dataset` checks, resizes and splits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class RawImages:
    """What the source of a data set returns; `load_dataset` checks it, so a source need not."""

    x_train: NDArray[Any]
    """uint8 images: [n, height, width], [n, height, width, channels] or [n, channels, height, width]."""
    y_train: NDArray[Any]
    """Whole-number labels [n], counting from 0."""
    x_test: NDArray[Any] | None = None
    """The official test split, which nothing but the final scores may see; same layouts as `x_train`. None: there is
    none, and one is cut from the training images."""
    y_test: NDArray[Any] | None = None
    """Labels of `x_test`."""
    classes: tuple[str, ...] = ()
    """Class names in the order of the labels; left empty, the labels themselves are the names."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFiles:
    """What a source returns whose images are files of their own; `load_dataset` reads, resizes and checks them."""

    root: Path
    """The folder they are below."""
    splits: Mapping[str, Sequence[tuple[Path, int]]]
    """Files and labels, counting from 0, of `train` and, where the data set has them, of `valid` and `test`."""
    classes: tuple[str, ...]
    """Class names in the order of the labels."""
    notes: tuple[str, ...] = ()
    """What the user should know, as that some files are left out; a sentence each."""
