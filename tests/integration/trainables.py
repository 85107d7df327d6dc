"""Trainables as an existing Ray Tune user has them; they know nothing of hypertune."""

from __future__ import annotations

import enum
import json
import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune


def objective(config: dict[str, Any]) -> None:
    """A function trainable."""
    for step in range(1, 10):
        time.sleep(config.get("sleep", 0.0))
        tune.report({"score": score(config, step)})


def score(config: dict[str, Any], step: int) -> float:
    return float(1 - abs(math.log10(config["lr"]) + 2) / 4 - 1 / (config["width"] * (step + 1)))


class Objective(tune.Trainable):
    """A class trainable without reset_config, so that its processes cannot be reused."""

    def setup(self, config: dict[str, Any]) -> None:
        self.settings, self.steps = config, 0

    def step(self) -> dict[str, Any]:
        self.steps += 1
        return {"score": score(self.settings, self.steps)}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "steps").write_text(str(self.steps))

    def load_checkpoint(self, checkpoint: Any) -> None:
        self.steps = int(Path(checkpoint, "steps").read_text())


class LongEpochs(tune.Trainable):
    """Each epoch after the first takes `seconds`."""

    def setup(self, config: dict[str, Any]) -> None:
        self.settings, self.steps = config, 0

    def step(self) -> dict[str, Any]:
        self.steps += 1
        if self.steps > 1:
            time.sleep(self.settings["seconds"])
        return {"score": self.settings["lr"] * self.steps}


def checkpointing(config: dict[str, Any], *, before: Callable[[int], None] = lambda step: None, **extra: float) -> None:
    """A function trainable that saves every step and resumes from there; it counts the steps it really trained.

    Args:
        before: called with the number of each step before it.
    """
    start = 0
    checkpoint = tune.get_checkpoint()
    if checkpoint:
        with checkpoint.as_directory() as folder:
            start = json.loads(Path(folder, "state.json").read_text())["step"]
    for step in range(start + 1, 10):
        before(step)
        time.sleep(config.get("sleep", 0.0))
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "state.json").write_text(json.dumps({"step": step}))
            tune.report(
                {"score": score(config, step), "started_from": start, **extra},
                checkpoint=tune.Checkpoint.from_directory(folder),
            )


def failing(config: dict[str, Any]) -> None:
    """Raises in its third step for wide models, and reports NaN for low learning rates."""
    for step in range(1, 10):
        if step == 3 and config["width"] > 5:
            raise RuntimeError("too wide for this test")
        tune.report({"score": math.nan if step == 2 and config["lr"] < 1e-3 else score(config, step)})


def suicidal(config: dict[str, Any]) -> None:
    """The worker process dies once, in the third step of the first trial that gets there."""
    marker = Path(config["marker"])
    for step in range(1, 10):
        if step == 3 and not marker.exists():
            marker.touch()
            os._exit(1)
        tune.report({"score": score(config, step)})


def hanging(config: dict[str, Any]) -> None:
    """Hangs once, in the third step of the first trial that gets there."""
    marker = Path(config["marker"])
    for step in range(1, 10):
        if step == 3 and not marker.exists():
            marker.touch()
            time.sleep(3600)
        tune.report({"score": score(config, step)})


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def values_as_given(config: dict[str, Any]) -> None:
    """Best without a depth; fails where a value is not what the space says."""
    assert isinstance(config["colour"], Colour)
    assert type(config["width"]) is int
    assert isinstance(config["pair"], tuple)
    assert isinstance(config["array"], np.ndarray)
    assert 0 < config["layers"][0] < 9
    assert config["hypertune"] in (1, 2)
    tune.report({"loss": config["layers"][0] / 10 + (0.0 if config["depth"] is None else 1.0)})
