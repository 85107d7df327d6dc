"""Do the model-based searchers beat random search? Run by hand: `python tests/benchmarks/searchers.py --help`.

Each searcher minimises analytic functions with a fixed number of trials, once per seed; its final best values are
compared with those of `random` on the same seeds by a one-sided paired Wilcoxon test. Prints a table and, last, one
line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray.tune.search import Searcher
from scipy.stats import wilcoxon

from hypertune.space.space import Config, Space
from hypertune.strategies.random import draw
from hypertune.strategies.registry import searchers

SIGNIFICANT = 0.01


def branin(config: Config) -> float:
    """Branin (Dixon and Szego, 1978); minimum 0.397887."""
    x, y = config["x"], config["y"]
    bowl = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return float(bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


_HARTMANN_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_HARTMANN_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann6(config: Config) -> float:
    """Hartmann's function in six dimensions; minimum -3.32237."""
    x = np.array([config[f"x{i}"] for i in range(6)])
    return -float(_HARTMANN_ALPHA @ np.exp(-(_HARTMANN_A * (x - _HARTMANN_P) ** 2).sum(axis=1)))


def mixed(config: Config) -> float:
    """Learning rate, layers, units, optimiser and activation, as a network might depend on them; minimum 0."""
    best_rate = {"sgd": -1.0, "adam": -3.0, "rmsprop": -3.5}[config["optimizer"]]
    rate = (math.log10(config["lr"]) - best_rate) ** 2
    size = 0.1 * (config["layers"] - 4) ** 2 + (math.log2(config["units"]) - 7) ** 2 / 4
    kind = {"sgd": 0.4, "adam": 0.0, "rmsprop": 0.2}[config["optimizer"]]
    activation = {"relu": 0.1, "tanh": 0.5, "gelu": 0.0, "sigmoid": 1.0}[config["activation"]]
    return float(rate + size + kind + activation)


PROBLEMS: dict[str, tuple[Callable[[Config], float], Space]] = {
    "branin": (branin, Space.parse({"x": {"uniform": [-5.0, 10.0]}, "y": {"uniform": [0.0, 15.0]}})),
    "hartmann6": (hartmann6, Space.parse({f"x{i}": {"uniform": [0.0, 1.0]} for i in range(6)})),
    "mixed": (
        mixed,
        Space.parse(
            {
                "lr": {"loguniform": [1e-5, 1.0]},
                "layers": {"randint": [1, 11]},
                "units": {"qlograndint": [16, 1024, 16]},
                "optimizer": {"choice": ["sgd", "adam", "rmsprop"]},
                "activation": {"choice": ["relu", "tanh", "gelu", "sigmoid"]},
            }
        ),
    ),
}


@dataclass(frozen=True)
class Outcome:
    """One searcher on one function: final best values by seed, and seconds per suggestion."""

    best: np.ndarray
    seconds: float


def make(name: str, space: Space, seed: int) -> Searcher:
    return searchers()[name](space, metric="loss", mode="min", seed=seed, max_epochs=1)


def search(name: str, problem: str, seed: int, trials: int, workers: int) -> float:
    """The best value after `trials` trials, of which up to `workers` are pending at a time."""
    function, space = PROBLEMS[problem]
    searcher, running, best = make(name, space, seed), [], math.inf
    for i in range(trials):
        config = searcher.suggest(f"t{i}")
        assert isinstance(config, dict)
        running.append((f"t{i}", function(config)))
        if len(running) == workers:
            trial_id, loss = running.pop(0)
            searcher.on_trial_result(trial_id, {"loss": loss, "epoch": 1})
            searcher.on_trial_complete(trial_id, {"loss": loss, "epoch": 1})
            best = min(best, loss)
    return min([best, *(loss for _, loss in running)])


def measure(name: str, problem: str, args: argparse.Namespace) -> Outcome:
    start = time.perf_counter()
    best = np.array([search(name, problem, seed, args.trials, args.workers) for seed in range(args.seeds)])
    return Outcome(best, (time.perf_counter() - start) / args.trials / args.seeds)


def compare(outcome: Outcome, baseline: Outcome) -> dict[str, float]:
    """Medians, the share of seeds on which random lost, and the p-value of better final values than random's."""
    difference = outcome.best - baseline.best
    same = not difference.any()
    return {
        "median": float(np.median(outcome.best)),
        "random_median": float(np.median(baseline.best)),
        "wins": float((difference < 0).mean()),
        "p": 1.0 if same else float(wilcoxon(outcome.best, baseline.best, alternative="less").pvalue),
        "seconds_per_suggestion": outcome.seconds,
    }


def sphere(config: Config) -> float:
    """A bowl; minimum 0 at 0.3 everywhere."""
    return float(sum((value - 0.3) ** 2 for value in config.values()))


def suggestion_times(sizes: list[int]) -> dict[str, dict[str, float]]:
    """Seconds for one suggestion of `bayes` after that many random trials, the refit included: in 5 dimensions of any
    kind, and in 20 of numbers."""
    wide = Space.parse({f"x{i}": {"uniform": [0.0, 1.0]} for i in range(20)})
    cases = {"5 mixed dimensions": PROBLEMS["mixed"], "20 dimensions": (sphere, wide)}
    return {
        name: {str(size): _suggestion_time(function, space, size) for size in sizes}
        for name, (function, space) in cases.items()
    }


def _suggestion_time(function: Callable[[Config], float], space: Space, size: int) -> float:
    searcher, rng = make("bayes", space, 0), np.random.default_rng(0)
    for i in range(size):
        _tell(searcher, f"t{i}", draw(space, rng), function)
    start = time.process_time()  # the searcher has one thread, and others may be using the machine
    searcher.suggest("timed")
    return time.process_time() - start


def _tell(searcher: Any, trial_id: str, config: Config, function: Callable[[Config], float]) -> None:
    """A trial the searcher did not suggest itself, so that a long history costs nothing to make."""
    searcher.adopt(trial_id, config)
    searcher.on_trial_complete(trial_id, {"loss": function(config), "epoch": 1})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--searchers", default="bayes,hyperopt,optuna,optuna-cmaes,bohb")
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--workers", type=int, default=1, help="pending trials")
    args = parser.parse_args()
    rows: dict[str, Any] = {}
    print(f"{'function':10} {'searcher':13} {'median':>9} {'random':>9} {'wins':>5} {'p':>9} {'s/suggest':>9}")
    for problem in args.problems.split(","):
        baseline = measure("random", problem, args)
        for name in args.searchers.split(","):
            row = rows[f"{name} on {problem}"] = compare(measure(name, problem, args), baseline)
            figures = f"{row['median']:9.4f} {row['random_median']:9.4f} {row['wins']:5.0%} {row['p']:9.2g}"
            verdict = "" if row["p"] < SIGNIFICANT else "  not better than random"
            print(f"{problem:10} {name:13} {figures} {row['seconds_per_suggestion']:9.4f}{verdict}", flush=True)
    times = suggestion_times([200, 1000])
    for case, seconds in times.items():
        told = ", ".join(f"after {size} trials {took:.3f} s" for size, took in seconds.items())
        print(f"bayes, {case}: one suggestion {told}")
    settings = {"seeds": args.seeds, "trials": args.trials, "workers": args.workers}
    print(json.dumps({**settings, "rows": rows, "bayes_suggestion_seconds": times}))


if __name__ == "__main__":
    main()
