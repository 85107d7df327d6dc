"""Run as a process of its own, to be watched: `python -m tests.integration.watched OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

from ray import tune

from hypertune.api import compare
from hypertune.records.records import Event
from tests.integration import trainables


def tell(event: Event) -> None:
    if event["event"] == "connected":
        print(event["dashboard"], flush=True)


if __name__ == "__main__":
    compare(
        trainable=trainables.objective,
        space={"lr": tune.loguniform(1e-4, 1e-1), "width": tune.randint(1, 9), "sleep": 0.1},
        strategies=["random", "hyperopt+asha"],
        seeds=50,
        budget={"epochs": 20},
        metric="score",
        mode="max",
        max_epochs=9,
        name="watched",
        out=Path(sys.argv[1]),
        observers=(tell,),
    )
