"""Fixtures shared by all tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the real data sets; the test is skipped where it is absent."""
    folder = Path(os.environ.get("HYPERTUNE_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "FashionMNIST").is_dir():
        pytest.skip(f"needs Fashion-MNIST; {folder} does not hold it (set HYPERTUNE_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """One Ray for all tests of a session, with two CPUs; starting one takes seconds."""
    from hypertune.cluster.connect import prepare_environment

    prepare_environment()
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield
    ray.shutdown()
