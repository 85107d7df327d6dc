"""The return types of a data set's source, which `load_dataset` then checks, resizes and splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class RawImages:
    """A data set as arrays. `load_dataset` checks it, so that a source need not."""

    x_train: NDArray[Any]
    """uint8 images: [n, height, width], [n, height, width, channels] or [n, channels, height, width]."""
    y_train: NDArray[Any]
    """Whole-number labels [n], counting from 0."""
    x_test: NDArray[Any] | None = None
    """The official test split, used for final scores only; same layouts as `x_train`. If None, one is cut from the
    training images."""
    y_test: NDArray[Any] | None = None
    """Labels of `x_test`."""
    classes: tuple[str, ...] = ()
    """Class names in the order of the labels; if empty, the labels themselves are the names."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFiles:
    """A data set as image files, which `load_dataset` reads, resizes and checks."""

    root: Path
    """The folder that contains the files."""
    splits: Mapping[str, Sequence[tuple[Path, int]]]
    """Files and labels (from 0) of `train` and, if the data set has them, of `valid` and `test`."""
    classes: tuple[str, ...]
    """Class names in the order of the labels."""
    notes: tuple[str, ...] = ()
    """Notes for the user, e.g. that some files are left out; one sentence each."""
