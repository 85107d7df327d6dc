"""The built-in data sets, each a function `(data_dir, path) -> RawImages` registered as an entry point."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from hypertune.training import archives, folders
from hypertune.training.cache import cached, is_cached
from hypertune.training.packed import read_npz
from hypertune.training.raw import ImageFiles, RawImages
from hypertune.training.splits import stratified_split

IDX_FILES = tuple(f"{split}-{what}-ubyte" for split in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))

AT_HAND = ("digits", "npz", "image_folder")
"""Data sets that are never downloaded."""
DOWNLOADED = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}
"""Data sets that are downloaded if no data folder is given, with their names in torchvision."""


def may_download(name: str, data_dir: Path | None) -> bool:
    """Whether loading the data set downloads it first, or might do so if it is a plugin's."""
    if name in AT_HAND or data_dir is not None:
        return False
    return name not in DOWNLOADED or not is_cached(DOWNLOADED[name])


def digits(data_dir: Path | None, path: str | None) -> RawImages:
    """The 1,797 handwritten digits of 8x8 pixels that come with scikit-learn.

    They have no official test split: a fixed, stratified fifth of them is used as one.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    labels = bunch.target.astype(np.int64)
    train, test = stratified_split(labels, 0.2, seed=0)
    return RawImages(
        x_train=images[train],
        y_train=labels[train],
        x_test=images[test],
        y_test=labels[test],
        classes=tuple(str(digit) for digit in range(10)),
    )


def mnist(data_dir: Path | None, path: str | None) -> RawImages:
    """MNIST: 60,000 and 10,000 grey handwritten digits of 28x28 pixels; the classes are called 0 to 9."""
    return replace(_idx("MNIST", data_dir), classes=tuple(str(digit) for digit in range(10)))


def fashion_mnist(data_dir: Path | None, path: str | None) -> RawImages:
    """Fashion-MNIST: 60,000 and 10,000 grey pictures of clothes, 28x28 pixels."""
    return _idx("FashionMNIST", data_dir)


def cifar10(data_dir: Path | None, path: str | None) -> RawImages:
    """CIFAR-10: 50,000 and 10,000 colour images of 32x32 pixels.

    `data_dir` holds the unpacked `cifar-10-batches-py`, the archive `cifar-10-python.tar.gz`, or a single
    `cifar*.npz` with the arrays of `npz`.
    """
    if data_dir is None:
        return cached("CIFAR10", (), lambda cache: archives.download("CIFAR10", cache))
    batches, archive = data_dir / "cifar-10-batches-py", data_dir / "cifar-10-python.tar.gz"
    if batches.is_dir():
        return cached("CIFAR10", sorted(batches.iterdir()), lambda cache: _cifar_batches(batches))
    if archive.is_file():
        return cached("CIFAR10", [archive], lambda cache: _cifar_archive(archive, cache))
    return read_npz(_only_npz(data_dir))


def npz(data_dir: Path | None, path: str | None) -> RawImages:
    """The user's own arrays: one `.npz` file with `x_train`, `y_train` and optionally `x_test`, `y_test`, `classes`."""
    return read_npz(_own(data_dir, path, "npz", "an .npz file"))


def image_folder(data_dir: Path | None, path: str | None) -> ImageFiles:
    """The user's own image files: one folder per class, directly or in `train/`, `valid/` and `test/`."""
    return folders.find(_own(data_dir, path, "image_folder", "a folder with a folder per class"))


def _own(data_dir: Path | None, path: str | None, name: str, what: str) -> Path:
    if path is None:
        raise ValueError(f"data set {name}: path is missing; give {what}")
    inside = data_dir / path if data_dir is not None else None
    return inside if inside is not None and inside.exists() else Path(path).expanduser()


def _idx(kind: str, data_dir: Path | None) -> RawImages:
    """MNIST and its relatives: four files in `<root>/<kind>/raw`, unpacked or with the suffix .gz."""
    if data_dir is None:
        return cached(kind, (), lambda cache: archives.download(kind, cache))
    raw = data_dir / kind / "raw"
    unpacked = [raw / name for name in IDX_FILES]
    if all(file.is_file() for file in unpacked):
        return cached(kind, unpacked, lambda cache: archives.read(kind, data_dir))
    packed = [raw / f"{name}.gz" for name in IDX_FILES]
    for file in packed:
        archives.require(file)
    return cached(kind, packed, lambda cache: _idx_archives(kind, packed, cache))


def _idx_archives(kind: str, packed: list[Path], cache: Path) -> RawImages:
    sums = dict(archives.torchvision_class(kind).resources)
    archives.verify((file, sums[file.name]) for file in packed)
    return archives.unpack(kind, packed, f"{kind}/raw", cache)


def _cifar_batches(batches: Path) -> RawImages:
    kind = archives.torchvision_class("CIFAR10")
    archives.verify((batches / name, md5) for name, md5 in [*kind.train_list, *kind.test_list])
    archives.verify([(batches / kind.meta["filename"], kind.meta["md5"])])
    return archives.read("CIFAR10", batches.parent)


def _cifar_archive(archive: Path, cache: Path) -> RawImages:
    archives.verify([(archive, archives.torchvision_class("CIFAR10").tgz_md5)])
    return archives.unpack("CIFAR10", [archive], "", cache)


def _only_npz(data_dir: Path) -> Path:
    found = sorted(data_dir.glob("cifar*.npz"))
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"{data_dir}: has several cifar*.npz files ({', '.join(file.name for file in found)}); keep one, or use "
            'dataset = "npz" with a path'
        )
    raise ValueError(
        f"{data_dir}: has neither cifar-10-batches-py nor cifar-10-python.tar.gz nor a cifar*.npz; put one there, or "
        "leave --data-dir out to download the data set"
    )
