"""Data sets that torchvision knows: archives in read-only places, damage, downloads that fail, and the cache."""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torchvision.datasets

from hypertune.training import archives
from hypertune.training.datasets import load_dataset

COUNTS = {"train": 40, "t10k": 20}


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """The format of MNIST's files: magic number, sizes, bytes."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every attempt to open an address fails and is listed."""
    attempts: list[str] = []

    def fail(request: Any, *_: Any, **__: Any) -> None:
        attempts.append(getattr(request, "full_url", str(request)))
        raise URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", fail)
    return attempts


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, no_network: list[str]) -> Path:
    """A folder with the four archives of a Fashion-MNIST of 60 images, which torchvision takes for the real one."""
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for split, count in COUNTS.items():
        for what, array in (
            ("images-idx3", random.integers(0, 256, (count, 28, 28))),
            ("labels-idx1", np.arange(count) % 10),
        ):
            (raw / f"{split}-{what}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    sums = [(file.name, md5(file)) for file in sorted(raw.iterdir())]
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", sums)
    return tmp_path / "data"


def test_archives_in_a_read_only_folder(small: Path, cache: Path, no_network: list[str]) -> None:
    raw = small / "FashionMNIST" / "raw"
    before = {file.name: file.read_bytes() for file in raw.iterdir()}
    for folder in (raw, raw.parent, small):
        folder.chmod(0o555)
    try:
        data = load_dataset("fashion_mnist", data_dir=small)
    finally:
        for folder in (raw, raw.parent, small):
            folder.chmod(0o755)
    assert data.images.shape == (60, 1, 28, 28)
    assert {file.name: file.read_bytes() for file in raw.iterdir()} == before
    assert no_network == []
    assert sorted(file.name for file in cache.iterdir()) == ["FashionMNIST.lock", "arrays"], "no staging is left"


def test_unpacked_files_are_read_where_they_are(small: Path, no_network: list[str]) -> None:
    raw = small / "FashionMNIST" / "raw"
    from_archives = load_dataset("fashion_mnist", data_dir=small)
    for file in list(raw.iterdir()):
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()
    data = load_dataset("fashion_mnist", data_dir=small)
    assert np.array_equal(data.images, from_archives.images)
    assert no_network == []


def test_the_second_load_comes_from_the_cache(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_dataset("fashion_mnist", data_dir=small)
    monkeypatch.setattr(archives, "torchvision_class", lambda kind: pytest.fail("not cached"))
    second = load_dataset("fashion_mnist", data_dir=small)
    assert np.array_equal(first.images, second.images)
    assert first.classes == second.classes


def test_a_cached_load_imports_neither_torch_nor_torchvision(small: Path) -> None:
    load_dataset("fashion_mnist", data_dir=small)
    code = (
        "import sys, pathlib; from hypertune.training.datasets import load_dataset;"
        f"load_dataset('fashion_mnist', data_dir=pathlib.Path({str(small)!r}));"
        "print('torch' in sys.modules, 'torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_damaged_archive_is_named_even_after_a_good_load(small: Path, no_network: list[str]) -> None:
    load_dataset("fashion_mnist", data_dir=small)
    archive = small / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte.gz"
    content = bytearray(archive.read_bytes())
    content[100] ^= 1
    archive.write_bytes(content)
    os.utime(archive, (1, 1))
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte\.gz: damaged.*copy or download it again") as caught:
        load_dataset("fashion_mnist", data_dir=small)
    assert "\n" not in str(caught.value)
    assert no_network == []


def test_a_missing_archive_is_named_and_not_downloaded(small: Path, no_network: list[str]) -> None:
    (small / "FashionMNIST" / "raw" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte\.gz: missing; put it there"):
        load_dataset("fashion_mnist", data_dir=small)
    with pytest.raises(ValueError, match=r"MNIST/raw/train-images-idx3-ubyte\.gz: missing"):
        load_dataset("mnist", data_dir=small)
    assert no_network == []


def test_damaged_unpacked_files(small: Path) -> None:
    raw = small / "FashionMNIST" / "raw"
    for file in list(raw.iterdir()):
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes())[:-1])
    with pytest.raises(ValueError, match=r"data: the files of FashionMNIST are missing or damaged") as caught:
        load_dataset("fashion_mnist", data_dir=small)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_a_failed_download_names_the_remedy(cache: Path, no_network: list[str], name: str) -> None:
    with pytest.raises(ValueError, match=r"could not be downloaded .*no network.* --data-dir") as caught:
        load_dataset(name)
    assert no_network
    assert "\n" not in str(caught.value)


def test_an_unusable_cache_folder(tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("HYPERTUNE_DATA_DIR", str(file / "cache"))
    with pytest.raises(ValueError, match=r"file/cache cannot be used .*set HYPERTUNE_DATA_DIR"):
        load_dataset("fashion_mnist", data_dir=small)


@pytest.fixture
def small_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, no_network: list[str]) -> Path:
    """A CIFAR-10 of 60 images, unpacked, which torchvision takes for the real one."""
    kind = torchvision.datasets.CIFAR10
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)

    def write(name: str, content: dict[str, Any]) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, md5(folder / name)]

    def batch(name: str, count: int) -> list[str]:
        pixels = random.integers(0, 256, (count, 3072), dtype=np.uint8)
        return write(name, {"data": pixels, "labels": list(np.arange(count) % 10)})

    names = write("batches.meta", {"label_names": [f"class {label}" for label in range(10)]})
    monkeypatch.setattr(kind, "train_list", [batch("data_batch_1", 40)])
    monkeypatch.setattr(kind, "test_list", [batch("test_batch", 20)])
    monkeypatch.setattr(kind, "meta", {"filename": names[0], "key": "label_names", "md5": names[1]})
    return tmp_path / "data"


def test_unpacked_cifar10(small_cifar: Path) -> None:
    data = load_dataset("cifar10", data_dir=small_cifar)
    assert data.images.shape == (60, 3, 32, 32)
    assert data.classes[3] == "class 3"


def test_archived_cifar10(small_cifar: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[str]) -> None:
    unpacked = load_dataset("cifar10", data_dir=small_cifar)
    archive = small_cifar / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(small_cifar / "cifar-10-batches-py", "cifar-10-batches-py")
    for file in (small_cifar / "cifar-10-batches-py").iterdir():
        file.unlink()
    (small_cifar / "cifar-10-batches-py").rmdir()
    with pytest.raises(ValueError, match=r"cifar-10-python\.tar\.gz: damaged"):
        load_dataset("cifar10", data_dir=small_cifar)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", md5(archive))
    assert np.array_equal(load_dataset("cifar10", data_dir=small_cifar).images, unpacked.images)
    assert no_network == []


def test_damaged_and_missing_cifar10(small_cifar: Path) -> None:
    batch = small_cifar / "cifar-10-batches-py" / "test_batch"
    batch.write_bytes(b"evil")
    with pytest.raises(ValueError, match=r"test_batch: damaged"):
        load_dataset("cifar10", data_dir=small_cifar)
    batch.unlink()
    with pytest.raises(ValueError, match=r"test_batch: missing"):
        load_dataset("cifar10", data_dir=small_cifar)


def test_packed_cifar10_must_be_one_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has neither cifar-10-batches-py nor .* nor a cifar\*\.npz"):
        load_dataset("cifar10", data_dir=tmp_path)
    for name in ("cifar_a.npz", "cifar_b.npz"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"several cifar\*\.npz files \(cifar_a.npz, cifar_b.npz\)"):
        load_dataset("cifar10", data_dir=tmp_path)
