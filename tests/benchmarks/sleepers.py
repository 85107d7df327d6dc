"""How near to the ideal trials run that only sleep, beside plain Ray Tune: Ray's own scalability benchmarks, small.

    python -m tests.benchmarks.sleepers [--workers 16] [--seconds 1] [--trials 400] [--peer-trials 64]

The CPUs are pretended, so that more trials sleep at a time than there are cores; each trial reports once, at its end.
The ideal is trials * seconds / workers. One line of JSON: seconds and share of the ideal of both, and the ratio of the
shares, above 1 where ours is nearer to the ideal. Ray's start is left out, that of the workers is not.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import ray
from ray import tune

from hypertune.tuning import controller
from hypertune.tuning.connect import prepare_environment
from tests.benchmarks.overhead import ours, plain


def sleeper(config: dict[str, Any]) -> None:
    time.sleep(config["seconds"])
    tune.report({"score": config["x"]})


def study(trials: int, trainable: Any, **constants: Any) -> float:
    """Seconds of a study of one random search, its report included."""
    return ours(trials, trainable=trainable, epochs=1, **constants)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=16, help="trials at the same time")
    parser.add_argument("--seconds", type=float, default=1.0, help="that a trial sleeps")
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--peer-trials", type=int, default=64, help="of Ray Tune, which starts a process for each")
    arguments = parser.parse_args()
    prepare_environment()
    # Starting many processes on few cores takes longer than a worker is waited for otherwise.
    controller.WARM_UP_PATIENCE_S = controller.NO_PLACE_S = 600.0
    ray.init(address="local", num_cpus=arguments.workers, include_dashboard=False, log_to_driver=False)
    shares = []
    line: dict[str, Any] = {"name": f"{arguments.workers} workers, trials of {arguments.seconds:g} s"}
    for name, run, trials in (("ours", study, arguments.trials), ("peer", plain, arguments.peer_trials)):
        took = run(trials, sleeper, seconds=arguments.seconds)
        shares.append(trials * arguments.seconds / arguments.workers / took)
        line |= {f"{name}_trials": trials, f"{name}_s": round(took, 1), f"{name}_of_ideal": round(shares[-1], 3)}
    print(json.dumps({**line, "ratio": round(shares[0] / shares[1], 2)}), flush=True)


if __name__ == "__main__":
    main()
