"""Tables of recorded learning curves that tests are about, made up or from a sweep that was run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hypertune.records.records import Book
from hypertune.simulation.costs import Costs
from hypertune.simulation.engine import Simulation, VirtualCluster
from hypertune.simulation.lookup import Nearest, Source
from hypertune.simulation.recordings import Recordings, from_frame
from hypertune.strategies.random import draw
from hypertune.study.study import Study
from tests.sweep.scripted import SPACE, accuracy, make_study


def published(name: str) -> Path:
    """A table of published curves; the test is skipped where it is absent."""
    default = Path(__file__).parents[2].parent / "shared" / "curves"
    path = Path(os.environ.get("HYPERTUNE_TEST_CURVES", default)) / f"{name}.parquet"
    if not path.is_file():
        pytest.skip(f"needs {path.name}; {path.parent} does not hold it (set HYPERTUNE_TEST_CURVES)")
    return path


FREE = Costs(decision_s=0, start_s=0, report_s=0, batched_s=0, pause_s=0, resume_s=0)
"""A cluster that charges for nothing but training."""


def made_up(configs: int = 60, epochs: int = 9, seed: int = 5, seconds: float = 10.0) -> pd.DataFrame:
    """Random configurations of the scripted space with the scripted curve; epochs of wider ones take longer."""
    rng = np.random.default_rng(seed)
    return recorded([draw(SPACE, rng) for _ in range(configs)], epochs, seconds)


def recorded(configs: list[dict[str, Any]], epochs: int = 9, seconds: float = 10.0) -> pd.DataFrame:
    """One recording of each configuration."""
    rows = [
        {
            "config_id": number,
            **{f"config/{name}": value for name, value in config.items()},
            "epoch": epoch,
            "acc": accuracy(config, epoch),
            "test_acc": accuracy(config, epoch) - 0.01,
            "elapsed_s": epoch * seconds * config["width"],
        }
        for number, config in enumerate(configs)
        for epoch in range(1, epochs + 1)
    ]
    return pd.DataFrame(rows)


def recordings(study: Study | None = None, frame: pd.DataFrame | None = None) -> Recordings:
    return from_frame(made_up() if frame is None else frame, study or make_study(), source="curves.parquet")


def simulated(
    study: Study,
    strategy: str,
    *,
    seed: int = 0,
    workers: int = 1,
    costs: Costs = FREE,
    source: Source | None = None,
) -> tuple[Book, Simulation]:
    """One sweep in virtual time, with its books and the simulation as it stands at the end."""
    book = Book(study)
    simulation = Simulation(
        study,
        strategy,
        seed,
        cluster=VirtualCluster(source or Nearest(recordings(study), study), workers, costs),
        emit=book.apply,
    )
    simulation.run()
    return book, simulation
