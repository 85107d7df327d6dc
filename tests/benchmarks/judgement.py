"""How often the judgement claims something false, how soon it decides, and how well the intervals cover.

`python -m tests.benchmarks.judgement [error|equality|ranks|power|coverage]` prints one JSON line per setting. The peer
in the same run is the habit that it replaces: paired t-tests with Holm's correction, looked at after each seed; for the
ranks over several tasks, Iman and Davenport's F.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from hypertune.comparison.judgement import BEST, EQUAL, WORSE, judge_table
from hypertune.comparison.sequence import decide_table
from hypertune.comparison.several import Several, compare_tasks
from hypertune.comparison.statistics import FEWEST_SEEDS, grid_step, holm, interval

Floats = NDArray[np.float64]
SEEDS = 30
SCALES = {
    "equal": lambda k: np.ones(k),
    "half three times as noisy": lambda k: np.where(np.arange(k) < k // 2, 3.0, 1.0),
    "one four times as noisy": lambda k: np.where(np.arange(k) == 0, 4.0, 1.0),
    "from 1 to 4": lambda k: np.geomspace(1, 4, k),
}


def noise(kind: str, generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Noise with mean 0 and standard deviation 1, shape (seeds, strategies)."""
    if kind == "exponential":
        return generator.exponential(size=shape) - 1
    if kind == "negative exponential":
        return 1 - generator.exponential(size=shape)
    if kind == "one failure in ten":
        return (generator.standard_normal(shape) - 4 * (generator.random(shape) < 0.1) + 0.4) / 1.562
    if kind == "rounded to one":
        return np.round(generator.standard_normal(shape) + generator.random())
    return generator.standard_normal(shape)


KINDS = ("normal", "exponential", "negative exponential", "one failure in ten", "rounded to one")


def false_claim(table: Floats, means: Floats, margin: float | None) -> bool:
    """Whether any verdict on the table is false, given the true means."""
    names = tuple(f"s{i}" for i in range(table.shape[1]))
    verdicts = judge_table(table, names, step=grid_step(table), margin=margin).verdicts.values()
    top, ties = means.max(), int((means == means.max()).sum())
    return any(
        (verdict == BEST and (mean < top or ties > 1))
        or (verdict == WORSE and mean == top)
        or (verdict == EQUAL and mean < top - (margin or 0.0) - 1e-12)
        for verdict, mean in zip(verdicts, means, strict=True)
    )


def peer_claim(table: Floats) -> bool:
    """Whether paired t-tests with Holm's correction find any difference."""
    pairs = list(itertools.combinations(range(table.shape[1]), 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        p = [float(stats.ttest_1samp(table[:, i] - table[:, j], 0).pvalue) for i, j in pairs]
    return bool((holm(np.nan_to_num(p, nan=1.0)) < 0.05).any())


def errors(repeats: int, seed: int) -> Iterator[dict[str, object]]:
    """Studies of equal strategies, looked at after each of seeds 3 to 30: how many ever get a false verdict."""
    for k, kind, (scale, sizes) in itertools.product((2, 4, 6, 14), KINDS, SCALES.items()):
        generator = np.random.default_rng(seed)
        ours = peers = 0
        for _ in range(repeats):
            table = noise(kind, generator, (SEEDS, k)) * sizes(k)
            looks = range(FEWEST_SEEDS, SEEDS + 1)
            ours += any(false_claim(table[:n], np.zeros(k), 1.0) for n in looks)
            peers += any(peer_claim(table[:n]) for n in looks[::3])
        yield {
            "benchmark": "error", "strategies": k, "noise": kind, "scale": scale, "repeats": repeats,
            "false": ours / repeats, "false_t_test_every_third_seed": peers / repeats,
        }  # fmt: skip


def equality(repeats: int, seed: int) -> Iterator[dict[str, object]]:
    """Studies whose strategies are worse than the first by the margin and a little, looked at after each of seeds 3 to
    30: how many ever get a false verdict, which is mostly that one of them is practically equal."""
    scales: dict[str, Callable[[int], Floats]] = {
        **SCALES, "the first four times as quiet": lambda k: np.where(np.arange(k) == 0, 0.25, 1.0)
    }  # fmt: skip
    sizes_of_margin = (0.25, 1.0)
    for k, kind, (scale, sizes), margin in itertools.product((2, 4, 6), KINDS, scales.items(), sizes_of_margin):
        generator = np.random.default_rng(seed)
        spread = sizes(k)
        apart = margin * float(np.sqrt(np.mean(spread**2)))
        means = np.where(np.arange(k) == 0, 0.0, -apart * (1 + 1e-9))
        false = 0
        for _ in range(repeats):
            table = means + noise(kind, generator, (SEEDS, k)) * spread
            false += any(false_claim(table[:n], means, apart) for n in range(FEWEST_SEEDS, SEEDS + 1))
        yield {
            "benchmark": "equality", "strategies": k, "noise": kind, "scale": scale, "margin": margin,
            "repeats": repeats, "false": false / repeats,
        }  # fmt: skip


def ranks(repeats: int, seed: int) -> Iterator[dict[str, object]]:
    """Tables of several tasks and equal strategies: how many get any claim."""
    sizes = [(2, 2), (2, 3), (2, 5), (2, 6), (2, 30), (3, 2), (3, 3), (3, 4), (3, 10), (4, 2), (4, 3), (5, 2), (5, 5),
             (6, 2), (6, 10), (10, 2), (10, 5), (10, 30)]  # fmt: skip
    for (k, tasks), kind in itertools.product(sizes, ("normal", "rounded to one", "one four times as noisy")):
        generator = np.random.default_rng(seed)
        ours = peers = 0
        for _ in range(repeats):
            values = noise(kind, generator, (tasks, k))
            values[:, 0] *= 4 if kind.startswith("one") else 1
            facts = compare_tasks(pd.DataFrame(values).add_prefix("s"), "max")
            ours += facts.friedman.significant or any(verdict in (BEST, WORSE) for verdict in facts.verdicts().values())
            peers += by_iman_davenport(facts)
        yield {
            "benchmark": "ranks", "strategies": k, "tasks": tasks, "values": kind, "repeats": repeats,
            "false": ours / repeats, "false_iman_davenport": peers / repeats,
        }  # fmt: skip


def by_iman_davenport(facts: Several) -> bool:
    """Whether Iman and Davenport's F (Demšar 2006, 3.2.2) finds that strategies differ."""
    n, k = facts.ranks.shape
    chi_square = facts.friedman.chi_square
    rest = n * (k - 1) - chi_square
    f = np.inf if rest <= 1e-9 else (n - 1) * chi_square / rest
    return bool(stats.f.sf(f, k - 1, (k - 1) * (n - 1)) < 0.05)


def power(repeats: int, seed: int) -> Iterator[dict[str, object]]:
    """Sweeps until decided, as a share of those of a fixed twenty-seed study; the margin is the noise's deviation."""
    for k, case in itertools.product((2, 4, 6), ("one ahead by two", "all equal", "spread over the margin")):
        means = {
            "one ahead by two": np.where(np.arange(k) == 0, 2.0, 0.0),
            "all equal": np.zeros(k),
            "spread over the margin": np.linspace(1, 0, k),
        }[case]
        generator = np.random.default_rng(seed)
        sweeps = decided = wrong = 0
        for _ in range(repeats):
            table = means + generator.standard_normal((20, k))
            outcome = decide_table(table, tuple(map(str, range(k))), margin=1.0)
            sweeps += sum(outcome.seeds_used.values())
            taken = outcome.judgement.recommended
            decided += taken is not None
            wrong += taken is not None and means[int(taken)] < means.max() - 1 - 1e-12
        yield {
            "benchmark": "power", "strategies": k, "case": case, "repeats": repeats, "decided": decided / repeats,
            "sweeps_of_twenty_seeds": sweeps / repeats / 20 / k, "wrong": wrong / repeats,
        }  # fmt: skip


def coverage(repeats: int, seed: int) -> Iterator[dict[str, object]]:
    """How often the interval of a mean covers it; the peer is the percentile bootstrap."""
    for kind, n in itertools.product(KINDS[:4], (3, 5, 10, 30)):
        generator = np.random.default_rng(seed)
        ours = peers = 0
        for _ in range(repeats):
            sample = noise(kind, generator, (n, 1)).ravel()
            low, high = interval(sample)
            ours += low <= 0 <= high
            means = generator.choice(sample, (999, n)).mean(axis=1)
            low, high = np.percentile(means, [2.5, 97.5])
            peers += low <= 0 <= high
        yield {
            "benchmark": "coverage", "noise": kind, "seeds": n, "repeats": repeats, "covered": ours / repeats,
            "covered_bootstrap": peers / repeats,
        }  # fmt: skip


PARTS = {"error": errors, "equality": equality, "ranks": ranks, "power": power, "coverage": coverage}


def main() -> None:
    """Prints a JSON line per setting."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=[*PARTS, []], nargs="*", help="default: all")
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for part in arguments.part or PARTS:
        for line in PARTS[part](arguments.repeats, arguments.seed):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
