"""What hypertune costs besides training, against plain Ray Tune with its default settings, on trivial trials.

    python -m tests.benchmarks.overhead [trials] [sweeps] [reports] [start] [scale]

Without names, all parts run. `trials`: seconds that one more trial costs. `sweeps`: seconds that one more sweep of a
study costs, against one more `Tuner.fit`. `reports`: reports a second from 100 concurrent trials, records flushed,
against the 1,000 that hypertune is meant to manage at least; starting the hundred processes takes minutes and is not
counted. `start`: seconds from the command to the first epoch in the journal, against starting Ray and one process of
Ray's that imports what a trial needs. `scale`: the driver's processor time and memory for each of the last 9,000 trials
of 10,000, against each of the last 900 of 1,000.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Read as Ray is imported. Under `uv run` the processes of both sides would otherwise build the project anew.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

import ray
from ray import tune

from hypertune import compare
from hypertune.records.records import Records
from hypertune.tuning import controller
from hypertune.tuning.connect import prepare_environment

EPOCHS = 3
REQUIRED_REPORTS = 1000


def trivial(config: dict[str, Any]) -> None:
    """Trains nothing and reports thrice."""
    for epoch in range(1, EPOCHS + 1):
        tune.report({"score": config["x"] * epoch})


class Chatty(tune.Trainable):
    """Reports as fast as it can."""

    def setup(self, config: dict[str, Any]) -> None:
        self.x = config["x"]

    reset_config = setup  # type: ignore[assignment]

    def step(self) -> dict[str, float]:
        return {"score": self.x * self.iteration}


def ours(trials: int, seeds: int = 1, trainable: Any = trivial, **constants: Any) -> tuple[Records, float]:
    """A study of random search, and its seconds; the space's own constants in `constants`."""
    resources = {"cpus_per_trial": constants.pop("cpus_per_trial", 1)}
    max_epochs = constants.get("epochs", EPOCHS)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        facts = compare(
            trainable=trainable,
            space={"x": tune.uniform(0, 1), **constants},
            strategies=["random"],
            seeds=seeds,
            budget={"trials": trials},
            metric="score",
            mode="max",
            max_epochs=max_epochs,
            resources=resources,
            out=Path(folder, "out"),
        ).records
        return facts, time.monotonic() - began


def plain(trials: int, trainable: Any = trivial, **constants: Any) -> float:
    """Seconds of the same as one writes it with Ray Tune."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        tune.Tuner(
            trainable,
            param_space={"x": tune.uniform(0, 1), **constants},
            tune_config=tune.TuneConfig(num_samples=trials, metric="score", mode="max"),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
        return time.monotonic() - began


def report(name: str, mine: float, peer: float, unit: str) -> None:
    """One JSON line; the ratio is above 1 where ours is better."""
    ratio = mine / peer if unit.endswith("/s") else peer / mine
    line = {"name": name, "ours": round(mine, 4), "peer": round(peer, 4), "ratio": round(ratio, 2), "unit": unit}
    print(json.dumps(line), flush=True)


def trials() -> None:
    """The difference of a large and a small study, so that what they share drops out."""
    few, many = (float(ours(n)[0].sweeps["wall_s"].sum()) for n in (20, 420))
    peer = (plain(16) - plain(4)) / 12
    report("overhead of one more trial, peer: Ray Tune", (many - few) / 400, peer, "s")


def sweeps() -> None:
    """Sweeps of two trials each."""
    one, eleven = (ours(2, seeds=n)[1] for n in (1, 11))
    report("one more sweep in a study, peer: Ray Tune, one more fit", (eleven - one) / 10, plain(2), "s")


def reports() -> None:
    """As many trials at a time as the cluster's made-up processors allow, all of their processes up beforehand."""
    controller.WARM_UP_PATIENCE_S = controller.NO_PLACE_S = 600.0  # starting a hundred on two cores takes minutes
    concurrent, epochs = 100, 1000
    facts, _ = ours(concurrent, trainable=Chatty, epochs=epochs, cpus_per_trial=2 / concurrent)
    assert int(facts.sweeps["workers"].iloc[0]) == concurrent
    rate = len(facts.curves) / float(facts.sweeps["wall_s"].iloc[0])
    report(f"reports from {concurrent} concurrent trials, peer: required", rate, REQUIRED_REPORTS, "reports/s")


STUDY = """
[study]
name = "start"
strategies = ["random"]
seeds = 1
budget = {{ trials = 1 }}
metric = "score"
mode = "max"
[training]
trainable = "{module}:trivial"
max_epochs = 3
[space]
x = {{ uniform = [0.0, 1.0] }}
"""


def start() -> None:
    """A command of its own against Ray's start and one of its processes, each from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder, "study.toml")
        study.write_text(STUDY.format(module=__name__ if __name__ != "__main__" else "tests.benchmarks.overhead"))
        out = Path(folder, "out")
        began = time.monotonic()
        command = [sys.executable, "-m", "hypertune", "compare", str(study), "--out", str(out)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        mine = _seconds_until(lambda: _has_epoch(out), began)
        process.wait()
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", BARE], check=True)
    report("command to first epoch, peer: Ray's start and one process", mine, time.monotonic() - began, "s")


BARE = """
import os, logging, ray
ray.init(address="local", include_dashboard=True, log_to_driver=False, logging_level=logging.ERROR)
@ray.remote
class Worker:
    def ready(self):
        from ray import tune
actor = Worker.remote()
ray.get(actor.ready.remote())
os._exit(0)
"""


def scale() -> None:
    """Studies of a hundred, a thousand and ten thousand trials, each in a process of its own."""
    (cpu_1, mib_1), (cpu_2, mib_2), (cpu_3, mib_3) = (_driver(n) for n in (100, 1_000, 10_000))
    report("driver time of one more trial, 10,000 against 1,000", (cpu_3 - cpu_2) / 9_000, (cpu_2 - cpu_1) / 900, "s")
    report("driver memory of 1,000 more, 10,000 against 1,000", (mib_3 - mib_2) / 9, (mib_2 - mib_1) / 0.9, "MiB")


def _driver(trials: int) -> tuple[float, float]:
    """Processor seconds and peak MiB of a process that drives so many trials."""
    code = f"from tests.benchmarks.overhead import drive; drive({trials})"
    told = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, mib = told.strip().splitlines()[-1].split()
    return float(seconds), float(mib)


def drive(trials: int) -> None:
    """Drives so many trials, and prints the processor seconds and the peak MiB of this process."""
    prepare_environment()
    ray.init(address="local", num_cpus=2, log_to_driver=False, logging_level=logging.ERROR)
    ours(trials)
    print(time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _has_epoch(out: Path) -> bool:
    journal = out / "sweeps" / "journal.jsonl"
    return journal.is_file() and '"event": "epoch"' in journal.read_text()


def _seconds_until(happened: Callable[[], bool], began: float) -> float:
    while not happened():
        if time.monotonic() - began > 300:
            raise TimeoutError("no epoch within five minutes")
        time.sleep(0.02)
    return time.monotonic() - began


PARTS: dict[str, Callable[[], None]] = {
    "start": start,
    "trials": trials,
    "sweeps": sweeps,
    "reports": reports,
    "scale": scale,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--data-dir", type=Path, help="not needed here: nothing is trained")
    parts = parser.parse_args().parts or list(PARTS)
    prepare_environment()
    for name in parts:
        if name not in ("start", "scale") and not ray.is_initialized():
            ray.init(address="local", num_cpus=2, log_to_driver=False, logging_level=logging.ERROR)
        PARTS[name]()


if __name__ == "__main__":
    main()
