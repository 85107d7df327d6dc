"""Do the model-based searchers beat random search? Run by hand: `python -m tests.benchmarks.searchers --help`.

Each searcher minimises analytic functions with a fixed number of trials, once per seed; its final best values are
compared with those of `random` on the same seeds by a one-sided paired Wilcoxon test. With `--epochs` above 1 they are
strategies, trials may train for fewer epochs on another function, and the budget is that of the given number of full
trainings. `--library` runs the library of a searcher in a process alone, too, and compares both by a two-sided
Mann-Whitney test. With several searchers, each is also compared with the first one, by a two-sided paired Wilcoxon
test. Prints a table and, last, one line of JSON. `--keep FILE` keeps what each seed has found, so that a run that was
interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from ray.tune.search import Searcher
from scipy.stats import mannwhitneyu, wilcoxon

from hypertune.space.space import Config, Space
from hypertune.strategies.conversation import THREADS
from hypertune.strategies.random import draw
from hypertune.strategies.registry import searchers
from hypertune.study.prior import read_prior
from hypertune.study.study import Budget, Training
from tests.benchmarks.functions import DOMAINS, FUNCTIONS, GUESSES
from tests.sweep.scripted import Runner, make_study

SIGNIFICANT = 0.01


LIBRARIES = {
    "hebo": "hebo_alone.py", "cfo": "flaml_alone.py", "blendsearch": "flaml_alone.py", "dehb": "dehb_alone.py",
    "priorband": "neps_alone.py",
}  # fmt: skip
"""Searcher to the program that runs its library alone."""


def _domain(kind: str, *rest: Any) -> dict[str, Any]:
    if kind == "choice":
        return {"choice": rest[0]}
    if kind == "integer":
        return {"randint": [rest[0], rest[1] + 1]}
    return {{"float": "uniform", "log": "loguniform", "log steps": "qlograndint"}[kind]: list(rest)}


SPACES = {
    problem: Space.parse({name: _domain(*about) for name, about in domains.items()})
    for problem, domains in DOMAINS.items()
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
    function, space = FUNCTIONS[problem], SPACES[problem]
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
    getattr(searcher, "close", lambda: None)()  # ends the process of one that has its own
    return min([best, *(loss for _, loss in running)])


def sweep(name: str, problem: str, seed: int, trials: int, workers: int, *, epochs: int, prior: bool) -> float:
    """The best value of a full training, within the epochs of `trials` of them."""
    at_the_end = [math.inf]

    def curve(config: Config, epoch: int) -> float:
        loss = FUNCTIONS[problem](config, epoch / epochs)
        if epoch == epochs:
            at_the_end.append(loss)
        return loss

    study = make_study(
        strategies=(name,), mode="min", budget=Budget(epochs=trials * epochs), space=SPACES[problem],
        training=Training(trainable="cnn", dataset="digits", max_epochs=epochs),
        prior=read_prior({key: {"guess": value} for key, value in GUESSES[problem].items()}) if prior else {},
    )  # fmt: skip
    Runner(study, name, seed, workers, curve).run()
    return min(at_the_end)


class Kept:
    """What has been found, by searcher, function, seed and settings; in a file of JSON lines, if one is given."""

    def __init__(self, file: Path | None) -> None:
        self.file, self.found = file, dict[str, list[float]]()
        if file is not None and file.exists():
            for line in file.read_text().splitlines():
                key, values = json.loads(line)
                self.found[key] = values

    def __contains__(self, key: list[Any]) -> bool:
        return json.dumps(key) in self.found

    def get(self, key: list[Any], make: Callable[[], list[float]]) -> list[float]:
        """The numbers found for the key; made, and appended to the file, if they are not known."""
        name = json.dumps(key)
        if name not in self.found:
            self.found[name] = make()
            if self.file is not None:
                with self.file.open("a") as file:
                    file.write(json.dumps([name, self.found[name]]) + "\n")
        return self.found[name]


def measure(name: str, problem: str, args: argparse.Namespace, kept: Kept) -> Outcome:
    run = partial(sweep, epochs=args.epochs, prior=args.prior) if args.epochs > 1 else search

    def one(seed: int) -> list[float]:
        start = time.perf_counter()
        best = run(name, problem, seed, args.trials, args.workers)
        return [best, time.perf_counter() - start]

    settings = [args.trials, args.workers, args.epochs, args.prior]
    found = np.array([kept.get([name, problem, *settings, seed], partial(one, seed)) for seed in range(args.seeds)])
    return Outcome(found[:, 0], float(found[:, 1].mean()) / args.trials)


def alone(name: str, problem: str, args: argparse.Namespace, kept: Kept) -> np.ndarray:
    """The best values that the searcher's library finds by itself, by seed."""
    keys = {seed: [f"{name} alone", problem, args.trials, args.epochs, args.prior, seed] for seed in range(args.seeds)}
    made = _alone(name, problem, args, [seed for seed, key in keys.items() if key not in kept])
    return np.array([kept.get(key, lambda: [next(made)])[0] for key in keys.values()])


def _alone(name: str, problem: str, args: argparse.Namespace, seeds: list[int]) -> Iterator[float]:
    """The best value of each seed, as soon as the library's program has found it."""
    script = Path(__file__).parent / "libraries" / LIBRARIES[name]
    asked = {key: getattr(args, key) for key in ("trials", "epochs", "prior")}
    task = json.dumps({"problem": problem, "searcher": name, "seeds": seeds, **asked})
    command = ["uv", "run", "--quiet", "--no-project", "--script", str(script), task]
    one_thread = {**os.environ, **dict.fromkeys(THREADS, "1")}  # as a searcher in a process has
    with TemporaryFile("w+") as log:
        with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=log, env=one_thread) as program:
            assert program.stdout is not None
            yield from map(float, program.stdout)
        log.seek(0)
        if program.returncode:
            raise RuntimeError(f"{script.name} has ended with exit code {program.returncode}:\n{log.read()}")


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
    cases = {"5 mixed dimensions": (FUNCTIONS["mixed"], SPACES["mixed"]), "20 dimensions": (sphere, wide)}
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


def between(outcome: Outcome, first: Outcome) -> dict[str, float]:
    """The share of seeds on which a searcher beats the first one, and the p-value of a difference either way."""
    difference = outcome.best - first.best
    p = float(wilcoxon(difference).pvalue) if difference.any() else 1.0
    return {"wins_over_first": float((difference < 0).mean()), "first_p": p}


def beside(outcome: Outcome, library: np.ndarray) -> dict[str, float]:
    """The library's median, and the p-value of a difference from ours in either direction."""
    p = float(mannwhitneyu(outcome.best, library, alternative="two-sided").pvalue)
    return {"library_median": float(np.median(library)), "library_p": p}


def shown(problem: str, name: str, row: dict[str, float]) -> str:
    figures = f"{row['median']:9.4f} {row['random_median']:9.4f} {row['wins']:5.0%} {row['p']:9.2g}"
    library = f" {row['library_median']:9.4f} {row['library_p']:9.2g}" if "library_p" in row else f"{'':20}"
    first = f" {row['wins_over_first']:5.0%} {row['first_p']:9.2g}" if "first_p" in row else f"{'':16}"
    verdict = "" if row["p"] < SIGNIFICANT else "  not better than random"
    return f"{problem:10} {name:13} {figures} {row['seconds_per_suggestion']:9.4f}{first}{library}{verdict}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--searchers", default="bayes,hyperopt,optuna,optuna-cmaes,bohb")
    parser.add_argument("--problems", default=",".join(FUNCTIONS))
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=1, help="epochs of a full training; more than 1: strategies")
    parser.add_argument("--prior", action="store_true", help="give guesses that are near the minimum")
    parser.add_argument("--workers", type=int, default=1, help="pending trials")
    parser.add_argument("--library", action="store_true", help="run the libraries of searchers in processes alone, too")
    parser.add_argument("--keep", type=Path, help="file that keeps what each seed has found, to go on later")
    args = parser.parse_args()
    rows: dict[str, Any] = {}
    ours, others = ("median", "random", "wins", "p", "s/suggest"), ("first", "p", "library", "p")
    titles = " ".join(f"{title:>{5 if title in ('wins', 'first') else 9}}" for title in (*ours, *others))
    print(f"{'function':10} {'searcher':13} {titles}")
    kept, names = Kept(args.keep), args.searchers.split(",")
    for problem in args.problems.split(","):
        baseline = measure("random", problem, args, kept)
        first = None
        for name in names:
            outcome = measure(name, problem, args, kept)
            row = rows[f"{name} on {problem}"] = compare(outcome, baseline)
            if first is not None:
                row |= between(outcome, first)
            first = first or outcome
            if args.library and name in LIBRARIES:
                row |= beside(outcome, alone(name, problem, args, kept))
            print(shown(problem, name, row), flush=True)
    settings = {key: getattr(args, key) for key in ("seeds", "trials", "epochs", "prior", "workers")}
    if "bayes" not in names:
        print(json.dumps({**settings, "rows": rows}))
        return
    times = suggestion_times([200, 1000])
    for case, seconds in times.items():
        told = ", ".join(f"after {size} trials {took:.3f} s" for size, took in seconds.items())
        print(f"bayes, {case}: one suggestion {told}")
    print(json.dumps({**settings, "rows": rows, "bayes_suggestion_seconds": times}))


if __name__ == "__main__":
    main()
