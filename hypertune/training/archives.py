"""Reads torchvision's data sets: from the user's folder (unpacked or as archives), or downloaded."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypertune.training.raw import RawImages


def read(kind: str, root: Path) -> RawImages:
    """Reads the unpacked files that torchvision finds below `root`.

    Args:
        kind: name of the class in `torchvision.datasets`.
        root: the argument `root` of that class.

    Raises:
        ValueError: naming the folder, if a file is missing or damaged.
    """
    try:
        return _read(kind, root, download=False)
    except (RuntimeError, ValueError, AssertionError, EOFError, OSError) as error:
        raise ValueError(
            f"{root}: the files of {kind} are missing or damaged ({_line(error)}); copy them there again"
        ) from error


def download(kind: str, root: Path) -> RawImages:
    """Downloads missing files to `root` and reads the data set.

    Raises:
        ValueError: if it cannot be downloaded.
    """
    try:
        return _read(kind, root, download=True)
    except (RuntimeError, OSError) as error:
        raise ValueError(
            f"{kind} could not be downloaded to {root} ({_line(error)}); name a folder that has it with --data-dir"
        ) from error


def unpack(kind: str, archives: Sequence[Path], folder: str, scratch: Path) -> RawImages:
    """Reads archives, possibly from a read-only folder, without a network.

    Args:
        kind: name of the class in `torchvision.datasets`.
        archives: files already checked with `verify`, so that torchvision has nothing to download.
        folder: the folder below its root where torchvision looks for them; "" for the root itself.
        scratch: a writable folder; nothing is left in it.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix="unpacking-") as root:
        staged = Path(root, folder)
        staged.mkdir(parents=True, exist_ok=True)
        for archive in archives:
            _link(archive.resolve(), staged / archive.name)
        return _read(kind, Path(root), download=True)


def verify(files: Iterable[tuple[Path, str]]) -> None:
    """Checks each file against its MD5 sum.

    Raises:
        ValueError: naming the first file that is missing or damaged.
    """
    from torchvision.datasets.utils import check_integrity

    for file, md5 in files:
        require(file)
        if not check_integrity(file, md5):
            raise ValueError(f"{file}: damaged, its MD5 sum is not {md5}; copy or download it again")


def require(file: Path) -> None:
    """Raises a ValueError with the remedy if the file does not exist."""
    if not file.is_file():
        raise ValueError(f"{file}: missing; put it there, or leave --data-dir out to download the data set")


def torchvision_class(kind: str) -> Any:
    """The class of that name; imported only when a data set must be unpacked, since the import takes seconds."""
    import torchvision.datasets

    return getattr(torchvision.datasets, kind)


def _read(kind: str, root: Path, *, download: bool) -> RawImages:
    make: Callable[..., Any] = torchvision_class(kind)
    train = make(root, train=True, download=download)
    test = make(root, train=False, download=download)
    return RawImages(
        x_train=np.asarray(train.data),
        y_train=_labels(train),
        x_test=np.asarray(test.data),
        y_test=_labels(test),
        classes=tuple(train.classes),
    )


def _labels(split: Any) -> NDArray[np.int64]:
    return np.asarray(split.targets, dtype=np.int64)


def _link(target: Path, link: Path) -> None:
    try:
        os.symlink(target, link)
    except OSError:  # Windows without the privilege, some network file systems
        shutil.copyfile(target, link)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
