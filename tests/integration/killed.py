"""Run as a process of its own, to be killed: `python -m tests.integration.killed OUT [resume]`."""

from __future__ import annotations

import sys

from ray import tune
from rich.console import Console

from hypertune.api import compare
from hypertune.storage.storage import Place, as_place
from tests.integration import trainables

STRATEGIES = ("random", "hyperband", "hyperopt+asha")


def main(out: Place, resume: bool) -> int:
    result = compare(
        trainable=trainables.checkpointing,
        space={"lr": tune.loguniform(1e-4, 1e-1), "width": tune.randint(1, 9), "sleep": 0.05},
        strategies=STRATEGIES,
        seeds=1,
        budget={"epochs": 40},
        metric="score",
        mode="max",
        max_epochs=9,
        # One worker, so that the order of events does not depend on which of two is faster.
        resources={"cpus_per_trial": 2},
        out=out,
        resume=resume,
    )
    Console().print("interrupted" if result.interrupted else "finished")
    return 130 if result.interrupted else 0


if __name__ == "__main__":
    sys.exit(main(as_place(sys.argv[1]), "resume" in sys.argv))
