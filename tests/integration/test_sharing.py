"""Trials that are trained together on a GPU, which Ray here only pretends to have: real Ray, real processes.

The process that trains the trials is killed after the first report, and all of them go on from their checkpoints.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from hypertune.training.datasets import ImageData, load_dataset
from hypertune.training.loop import TrainingLoop


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(tmp_path_factory.mktemp("sharing") / "out", 1, "own", "together")


def run(out: Path, gpus: int, *scenarios: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.integration.sharing", str(out), str(gpus), *scenarios]
    done = subprocess.run(command, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr[-3000:]
    facts: dict[str, Any] = json.loads((out / "seen.json").read_text())
    return facts


@pytest.fixture(scope="module")
def digits() -> ImageData:
    torch.set_num_threads(1)
    return load_dataset("digits")


def alone(config: dict[str, Any], epochs: int, data: ImageData, *, seed: int = 0) -> list[float]:
    """The validation losses of a trial that is trained by itself."""
    fixed = {"units2": 16, "optimizer": "sgd"}
    loop = TrainingLoop("mlp", {**fixed, **config}, data, seed=seed, max_epochs=4)
    return [loop.train_epoch()["valid_loss"] for _ in range(epochs)]


def test_trials_report_what_they_would_alone(seen: dict[str, Any], digits: ImageData) -> None:
    curves, configs = seen["together"]["curves"], seen["together"]["configs"]
    compared = [trial for trial in curves if trial.startswith(("random", "hyperband"))]  # pbt changes configurations
    assert len(compared) > 10
    for trial in compared:
        expected = alone(configs[trial], len(curves[trial]), digits)
        assert curves[trial] == pytest.approx(expected, rel=1e-5)


def test_strategies_pause_stop_and_clone_them(seen: dict[str, Any]) -> None:
    statuses = seen["together"]["statuses"]
    for strategy in ("random", "hyperband", "pbt"):
        own = [status for trial, status in statuses.items() if trial.startswith(strategy)]
        assert set(own) <= {"completed", "stopped"}
        assert own


def test_incumbents_are_retrained_and_the_model_is_kept(seen: dict[str, Any], digits: ImageData) -> None:
    together = seen["together"]
    assert together["model"]
    assert {row["status"] for row in together["retrained"]} == {"completed"}
    for row in together["retrained"]:
        assert 0 <= row["test_accuracy"] <= 1
        if not row["trial_id"].startswith("pbt"):
            config = together["configs"][row["trial_id"]]
            expected = alone(config, row["epochs"], digits, seed=row["retrain_seed"])
            assert row["valid_loss"] == pytest.approx(expected[-1], rel=1e-5)


def test_the_records_say_how_the_gpu_was_shared(seen: dict[str, Any]) -> None:
    assert seen["together"]["sharing"] == "up to 2 trained together on each of 1 GPU"


def test_a_population_of_ones_own(seen: dict[str, Any]) -> None:
    own = seen["own"]
    assert len(own["processes"]) == 1
    assert own["most_together"] == 2
    for lr, loss, epochs in own["trials"]:
        assert epochs == 6
        assert min(abs(loss - start * (1 - lr) ** 6) for start in (1, 2)) < 1e-9
    # What its `add` refuses, and what it gives an exception in place of metrics, fails alone, with its own words.
    assert len(own["errors"]) == own["statuses"]["failed"]
    assert {lr > 0.9 for lr, _ in own["errors"]} == {False, True}
    for lr, error in own["errors"]:
        refused, failed = f"ValueError: lr {lr:.2f} is too high", f"ArithmeticError: lr {lr:.2f} cannot be trained"
        assert error == (refused if lr > 0.9 else failed)


@pytest.mark.slow
def test_the_trials_of_a_study_are_spread_over_all_gpus(tmp_path: Path) -> None:
    own = run(tmp_path / "out", 2, "own")["own"]
    few, many = own["processes"]
    assert many <= 2 * few
    assert own["most_together"] == 2


@pytest.mark.slow
def test_a_population_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    assert run(tmp_path / "out", 1, "broken")["broken"] == ["RuntimeError: no data here"]
