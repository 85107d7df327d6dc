"""Runs studies whose trials are trained together on a GPU that Ray only pretends to have, and does things to them.

`python -m tests.integration.sharing OUT GPUS own|together|broken ...`; what was seen is written to OUT/seen.json.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import tune

from hypertune import Result, Study, compare
from hypertune.tuning import connect

DIGITS = """
[study]
name = "digits"
strategies = ["random", "hyperband", "pbt"]
budget = { epochs = 24 }
metric = "valid_loss"
mode = "min"
retrain = 1
[training]
trainable = "mlp"
dataset = "digits"
max_epochs = 4
[training.config]
units2 = 16
optimizer = "sgd"
[space]
lr = { loguniform = [1e-3, 1e-1] }
units1 = { choice = [16, 32] }
dropout = { uniform = [0, 0.3] }
"""


class Descent:
    """A user's own population: x goes down to zero at each slot's own speed; one number trains them all."""

    def __init__(self) -> None:
        self._x: dict[int, float] = {}
        self._lr: dict[int, float] = {}
        self.rounds = 0

    def add(self, slot: int, config: Mapping[str, Any], *, seed: int = 0) -> None:
        if config["lr"] > 0.9:
            raise ValueError(f"lr {config['lr']:.2f} is too high")
        self._x[slot], self._lr[slot] = 1.0 + seed % 2, config["lr"]

    def train_epoch(self, slots: Sequence[int]) -> dict[int, dict[str, float] | Exception]:
        self.rounds += 1
        for slot in slots:
            self._x[slot] *= 1 - self._lr[slot]
        time.sleep(0.05)
        return {slot: self._outcome(slot, len(slots)) for slot in slots}

    def _outcome(self, slot: int, together: int) -> dict[str, float] | Exception:
        if self._lr[slot] > 0.8:
            return ArithmeticError(f"lr {self._lr[slot]:.2f} cannot be trained")
        return {"loss": self._x[slot], "together": together, "process": os.getpid()}

    def state(self, slot: int) -> dict[str, Any]:
        return {"x": self._x[slot]}

    def load(self, slot: int, state: Mapping[str, Any]) -> None:
        self._x[slot] = state["x"]

    def remove(self, slot: int) -> None:
        del self._x[slot], self._lr[slot]


class Broken(Descent):
    """One that cannot even be made."""

    def __init__(self) -> None:
        raise RuntimeError("no data here")


def curves(result: Result) -> dict[str, list[float]]:
    """Trial to its validation losses."""
    grouped = result.curves.sort_values("epoch").groupby("trial_id")["valid_loss"]
    return {str(trial): [float(value) for value in values] for trial, values in grouped}


def device() -> psutil.Process:
    """The process that holds the population."""
    while True:
        for process in psutil.process_iter(["cmdline"]):
            if any(part.startswith("ray::Device") for part in process.info["cmdline"] or ()):
                return process
        time.sleep(0.05)


def own(out: Path) -> dict[str, Any]:
    """Of a user's own population; one of two strategies pauses and clones its trials."""
    result = compare(
        trainable=Descent,
        space={"lr": tune.uniform(0.1, 1.0)},
        metric="loss",
        mode="min",
        strategies=["random", "pbt"],
        seeds=1,
        budget={"epochs": 36},
        max_epochs=6,
        resources={"trials_per_gpu": 2},
        out=out,
        progress=False,
    )
    curves = result.curves
    return {
        "statuses": result.trials["status"].value_counts().to_dict(),
        "errors": result.trials.loc[result.trials["status"] == "failed", ["config/lr", "error"]].values.tolist(),
        "most_together": int(curves["together"].max()),
        "processes": sorted(int(count) for count in curves.groupby("process")["trial_id"].nunique()),
        "trials": [
            [trial["config/lr"], trial["loss"], trial["best_epoch"]]
            for trial in result.trials[result.trials["strategy"] == "random"].to_dict("records")
            if trial["status"] == "completed"
        ],
    }


def broken(out: Path) -> list[str]:
    """The reasons of the trials of a population that cannot be made."""
    result = compare(
        trainable=Broken, space={"lr": tune.uniform(0.1, 1.0)}, metric="loss", mode="min", strategies=["random"],
        seeds=1, give_up_after=2, resources={"trials_per_gpu": 2}, out=out, progress=False,
    )  # fmt: skip
    return sorted(set(result.trials["error"].dropna()))


def killed(study: Study, out: Path) -> dict[str, Any]:
    """Runs a study, and kills the process that trains the trials as soon as one of them has reported."""
    reported = threading.Event()

    def kill() -> None:
        reported.wait(120)
        os.kill(device().pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()

    def observe(event: Any) -> None:
        if event["event"] == "epoch":
            reported.set()

    result = compare(study, out=out, resources={"trials_per_gpu": 2}, observers=[observe], progress=False)
    killer.join()
    return {
        "curves": curves(result),
        "configs": dict(result.records.configs),
        "statuses": dict(zip(result.trials["trial_id"], result.trials["status"], strict=True)),
        "retrained": result.records.retrained.to_dict("records"),
        "model": (result.folder / "best" / "model.pt").exists(),
        "sharing": result.records.provenance.get("sharing"),
    }


def main(out: Path, gpus: int, *scenarios: str) -> None:
    connect.prepare_environment()
    ray.init(address="local", num_cpus=2, num_gpus=gpus, include_dashboard=False, log_to_driver=False)
    out.mkdir()
    (out / "digits.toml").write_text(DIGITS)
    digits = Study.load(out / "digits.toml")
    run: dict[str, Callable[[Path], Any]] = {"own": own, "broken": broken, "together": partial(killed, digits)}
    facts = {name: run[name](out / name) for name in scenarios}
    (out / "seen.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
