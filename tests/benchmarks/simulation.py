"""How fast is the simulator, and does it agree with the literature? Run by hand:

    python tests/benchmarks/simulation.py speed --curves lcbench_fashion_mnist.parquet
    python tests/benchmarks/simulation.py literature --curves lcbench_fashion_mnist.parquet

Both print a table and, last, one line of JSON. For comparison, measured on the same machine: Syne Tune's simulator does
1,100 to 1,500 trial-epochs a second for ASHA at 4 to 100 workers and 480 at 1,000.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from hypertune.comparison.anytime import incumbents
from hypertune.records import Book, Records
from hypertune.simulation.costs import Costs
from hypertune.simulation.engine import Simulation
from hypertune.simulation.lookup import Source
from hypertune.simulation.recordings import read
from hypertune.simulation.runner import Setting, cores, processes, simulate_all
from hypertune.simulation.surrogate import LOOKUPS
from hypertune.study import Budget, Study

STUDY = "lcbench_fashion_mnist"
FULL = 50
"""Epochs of a full training."""
YAHPO_BUDGET = 126 * FULL
"""YAHPO Gym (Pfisterer et al., AutoML-Conf 2022) gives 20 + 40 sqrt(d) full trainings; LCBench has d = 7."""
STRATEGIES = ("random", "hyperband", "asha", "bohb", "hyperopt", "optuna")


def study_of(strategies: tuple[str, ...], epochs: int, seeds: int = 1) -> Study:
    study = Study.load(STUDY)
    return study.replace(strategies=strategies, seeds=tuple(range(seeds)), budget=Budget(epochs=epochs))


def source_of(curves: Path, study: Study, lookup: str) -> Source:
    return LOOKUPS[lookup](read(curves, study), study)


def speed(curves: Path, strategies: tuple[str, ...], counts: list[int], lookup: str) -> list[dict[str, object]]:
    """Trial-epochs per second of processor time, the best of three runs; more epochs for more workers."""
    rows: list[dict[str, object]] = []
    for name in strategies:
        for workers in counts:
            study = study_of((name,), max(20_000, 30 * workers))
            source = source_of(curves, study, lookup)
            best, row = float("inf"), {}
            for _ in range(3):
                book = Book(study)
                simulation = Simulation(study, name, 0, source=source, workers=workers, costs=Costs(), emit=book.apply)
                with threadpool_limits(1):
                    began = time.process_time()
                    simulation.run()
                    best = min(best, time.process_time() - began)
                row = book.sweeps[name, 0]
            rows.append(
                {
                    "strategy": name, "workers": workers, "epochs": row["epochs"], "trials": row["trials"],
                    "epochs_per_s": round(row["epochs"] / best), "trials_per_s": round(row["trials"] / best),
                    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                }
            )  # fmt: skip
            print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)
    return rows


def simulated(curves: Path, seeds: int, lookup: str) -> Records:
    """The sweeps of `literature`."""
    study = study_of(STRATEGIES, YAHPO_BUDGET, seeds)
    setting = Setting(study, source_of(curves, study, lookup), Costs())
    with processes(setting, cores()) as pool:
        return simulate_all(setting, 1, pool)


def mean_ranks(facts: Records, share: float) -> dict[str, float]:
    """Mean rank of each strategy's incumbent over the seeds once that share of the budget is spent, 1 the best."""
    changes = incumbents(facts)
    reached = changes[changes["epochs"] <= share * YAHPO_BUDGET]
    values = reached.groupby(["seed", "strategy"])["value"].last().unstack()
    ranks = values.rank(axis=1, ascending=False).mean()
    return {str(name): float(ranks[name]) for name in ranks.sort_values().index}


def literature(curves: Path, seeds: int, lookup: str) -> dict[str, dict[str, float]]:
    """Mean ranks at a quarter of the budget and at its end."""
    began = time.monotonic()
    facts = simulated(curves, seeds, lookup)
    print(f"{len(facts.sweeps)} sweeps, {len(facts.curves)} epochs in {time.monotonic() - began:.0f} s")
    found = {f"{share:.0%}": mean_ranks(facts, share) for share in (0.25, 1.0)}
    for share, ranks in found.items():
        print(f"{share:>5}", "  ".join(f"{name} {rank:.2f}" for name, rank in ranks.items()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "literature"))
    parser.add_argument("--curves", type=Path, required=True, help="lcbench_fashion_mnist.parquet")
    parser.add_argument("--strategies", default="random,asha,hyperband", help="of speed")
    parser.add_argument("--workers", default="1,10,100,1000,10000", help="of speed")
    parser.add_argument("--seeds", type=int, default=30, help="of literature")
    parser.add_argument("--lookup", default="auto", choices=LOOKUPS)
    arguments = parser.parse_args()
    if arguments.what == "speed":
        counts = [int(count) for count in arguments.workers.split(",")]
        result: object = speed(arguments.curves, tuple(arguments.strategies.split(",")), counts, arguments.lookup)
    else:
        result = literature(arguments.curves, arguments.seeds, arguments.lookup)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
