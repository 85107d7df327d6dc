"""Disk and memory of a long study: the folder's size and the driver's memory while the trials go by.

Run by hand: `python -m tests.benchmarks.bounded --trials 1000 --checkpoint-kib 100 --strategy asha`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from ray import tune

from hypertune import compare
from hypertune.records.records import Event

EPOCHS = 9


def saving(config: dict[str, Any]) -> None:
    """Saves `kib` KiB after each of its nine trivial epochs."""
    start = 0
    checkpoint = tune.get_checkpoint()
    if checkpoint:
        with checkpoint.as_directory() as folder:
            start = int(Path(folder, "epoch").read_text())
    for epoch in range(start + 1, EPOCHS + 1):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "epoch").write_text(str(epoch))
            Path(folder, "weights").write_bytes(bytes(1024 * config["kib"]))
            tune.report(
                {"score": config["lr"] * (1 - 1 / (epoch + 1))}, checkpoint=tune.Checkpoint.from_directory(folder)
            )


class Meter:
    """An observer that prints a line for every tenth of the trials."""

    def __init__(self, out: Path, trials: int) -> None:
        self._out, self._every, self._ended = out, max(trials // 10, 1), 0

    def __call__(self, event: Event) -> None:
        if event["event"] != "end":
            return
        self._ended += 1
        if self._ended % self._every == 0 or self._ended == 1:
            print(f"{self._ended:>7} trials: {describe(self._out)}, driver {resident_mib():.0f} MiB", flush=True)


def describe(folder: Path) -> str:
    files = [path.stat().st_size for path in list(folder.rglob("*")) if path.is_file()]
    return f"folder {sum(files) / 2**20:.1f} MiB in {len(files)} files"


def resident_mib() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--checkpoint-kib", type=int, default=100)
    parser.add_argument("--strategy", default="asha")
    parser.add_argument("--cpus-per-trial", type=float, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        compare(
            trainable=saving,
            space={"lr": tune.loguniform(1e-4, 1e-1), "drop": tune.uniform(0, 1), "kib": arguments.checkpoint_kib},
            strategies=[arguments.strategy],
            seeds=1,
            budget={"trials": arguments.trials},
            metric="score",
            mode="max",
            max_epochs=EPOCHS,
            resources={"cpus_per_trial": arguments.cpus_per_trial},
            out=out,
            observers=(Meter(out, arguments.trials),),
        )
        print(
            f"  done: {describe(out)}; the journal {(out / 'sweeps' / 'journal.jsonl').stat().st_size / 2**20:.1f} MiB"
        )


if __name__ == "__main__":
    main()
