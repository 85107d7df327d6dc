"""Fixtures of the training tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hypertune.training.datasets import ImageData, load_dataset


@pytest.fixture(scope="session")
def digits() -> ImageData:
    """The embedded digits, with the default split."""
    return load_dataset("digits")


@pytest.fixture(scope="session")
def few_digits(digits: ImageData) -> ImageData:
    """A tenth of the training images, for tests that only compare numbers."""
    return replace(digits, train=digits.train[::10], valid=digits.valid[::5])


@pytest.fixture(scope="session")
def fashion_mnist(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> ImageData:
    """All of the real Fashion-MNIST, unpacked in a cache folder of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYPERTUNE_DATA_DIR", str(tmp_path_factory.mktemp("cache")))
        return load_dataset("fashion_mnist", data_dir=data_dir)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("HYPERTUNE_DATA_DIR", str(folder))
    return folder
