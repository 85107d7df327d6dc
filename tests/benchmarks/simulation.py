"""How fast is the simulator, and does it agree with the literature? Run by hand:

    python -m tests.benchmarks.simulation speed --curves lcbench_fashion_mnist.parquet
    python -m tests.benchmarks.simulation literature --curves lcbench_fashion_mnist.parquet

    python -m tests.benchmarks.simulation speedup --curves lcbench_fashion_mnist.parquet
    python -m tests.benchmarks.simulation faithful

Each prints a table and, last, one line of JSON. `literature` gives mean ranks at a quarter of the budget and at its
end, to be set beside YAHPO Gym's; `speedup`, how many fewer epochs than random search each multi-fidelity strategy
takes to where random search ends; `faithful`, the wall-clock of a real run of the digits study, one trial at a time,
and of its simulation from the curves it recorded. For comparison with `speed`, measured on the same machine: Syne
Tune's simulator does 1,100 to 1,500 trial-epochs a second for ASHA at 4 to 100 workers and 480 at 1,000.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from hypertune.comparison.anytime import incumbents
from hypertune.comparison.target import to_target
from hypertune.records import records
from hypertune.records.records import Book, Records
from hypertune.simulation.costs import Costs
from hypertune.simulation.engine import Simulation, VirtualCluster
from hypertune.simulation.lookup import Source
from hypertune.simulation.recordings import read
from hypertune.simulation.runner import Setting, cores, processes, simulate_all
from hypertune.simulation.surrogate import LOOKUPS
from hypertune.study.study import Budget, Resources, Study

STUDY = "lcbench_fashion_mnist"
FULL = 50
"""Epochs of a full training."""
YAHPO_BUDGET = 126 * FULL
"""YAHPO Gym (Pfisterer et al., AutoML-Conf 2022) gives 20 + 40 sqrt(d) full trainings; LCBench has d = 7."""
RANKED = ("random", "hyperband", "asha", "bohb", "hyperopt", "optuna")
"""Those whose ranks are set beside YAHPO Gym's."""
MULTI_FIDELITY = ("asha", "hyperband", "bohb", "median")
SLOW = ("hyperopt+asha", "optuna+asha", "hyperopt+hyperband")
"""Multi-fidelity, too, but their searchers think for half a minute in each sweep."""


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
                simulation = Simulation(
                    study, name, 0, cluster=VirtualCluster(source, workers, Costs()), emit=book.apply
                )
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


def simulated(curves: Path, strategies: tuple[str, ...], seeds: int, lookup: str) -> Records:
    """The sweeps of `literature` and `speedup`."""
    study = study_of(strategies, YAHPO_BUDGET, seeds)
    setting = Setting(study, source_of(curves, study, lookup), Costs())
    with processes(setting, cores()) as pool:
        return simulate_all(setting, 1, pool)


def mean_ranks(facts: Records, share: float) -> dict[str, float]:
    """Mean rank of each strategy's incumbent over the seeds once that share of the budget is spent, 1 the best."""
    changes = incumbents(facts)
    reached = changes[changes["epochs"] <= share * YAHPO_BUDGET]
    values = reached.groupby(["seed", "strategy"])["value"].last().unstack()[list(RANKED)]
    ranks = values.rank(axis=1, ascending=False).mean()
    return {str(name): float(ranks[name]) for name in ranks.sort_values().index}


def literature(curves: Path, seeds: int, lookup: str) -> dict[str, dict[str, float]]:
    """Mean ranks at a quarter of the budget and at its end."""
    facts = simulated(curves, RANKED, seeds, lookup)
    found = {f"{share:.0%}": mean_ranks(facts, share) for share in (0.25, 1.0)}
    for share, ranks in found.items():
        print(f"{share:>5}", "  ".join(f"{name} {rank:.2f}" for name, rank in ranks.items()))
    return found


def speedup(curves: Path, strategies: tuple[str, ...], seeds: int, lookup: str) -> list[dict[str, object]]:
    """Epochs that random search takes to its final mean over the epochs that each strategy takes to it, with the ends
    of the 95 % interval over seeds."""
    reached = to_target(simulated(curves, ("random", *strategies), seeds, lookup), "epochs")
    assert reached is not None
    table = reached.table.loc[list(strategies)].round(4)
    print(table.to_string())
    return [{str(k): v for k, v in row.items()} for row in table.reset_index().to_dict("records")]


def faithful() -> dict[str, object]:
    """A real run of the digits study on one worker against its simulation, for each of its strategies."""
    study = Study.load("digits_cnn").replace(seeds=(0,), retrain=0)
    study = study.replace(resources=Resources(cpus_per_trial=cores()))
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder, "study.toml"), Path(folder, "out")
        file.write_text(study.to_toml())
        subprocess.run([sys.executable, "-m", "hypertune", "compare", file, "--out", out, "--quiet"], check=True)
        real = records.read(out)
        source = LOOKUPS["nearest"](read(out, study), study)
    virtual = simulate_all(Setting(study, source, Costs()), 1, None)
    kept = ["trial_id", "status", "epochs", "best_epoch", study.metric]
    assert virtual.trials[kept].equals(real.trials[kept]), "the simulation decided otherwise"
    table = pd.DataFrame({"real_s": real.sweeps["wall_s"], "virtual_s": virtual.sweeps["wall_s"]})
    table = table.assign(ratio=table["virtual_s"] / table["real_s"]).set_index(real.sweeps["strategy"])
    print(table.round(3).to_string())
    ours, peer = float(table["virtual_s"].sum()), float(table["real_s"].sum())
    return {
        "name": "virtual wall-clock, peer: the real run", "ours": round(ours, 2), "peer": round(peer, 2),
        "ratio": round(ours / peer, 3), "unit": "s",
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "literature", "speedup", "faithful"))
    parser.add_argument("--curves", type=Path, help="lcbench_fashion_mnist.parquet; not of faithful")
    parser.add_argument("--strategies", help="of speed and speedup, separated by commas")
    parser.add_argument("--workers", default="1,10,100,1000,10000", help="of speed")
    parser.add_argument("--seeds", type=int, default=30, help="of literature and speedup")
    parser.add_argument("--lookup", default="auto", choices=LOOKUPS)
    arguments = parser.parse_args()
    if arguments.curves is None and arguments.what != "faithful":
        parser.error("--curves is needed")
    curves, seeds, lookup = arguments.curves, arguments.seeds, arguments.lookup
    asked = tuple(arguments.strategies.split(",")) if arguments.strategies else None
    if arguments.what == "speed":
        counts = [int(count) for count in arguments.workers.split(",")]
        result: object = speed(curves, asked or ("random", "asha", "hyperband"), counts, lookup)
    elif arguments.what == "faithful":
        result = faithful()
    elif arguments.what == "speedup":
        result = speedup(curves, asked or (*MULTI_FIDELITY, *SLOW), seeds, lookup)
    else:
        result = literature(curves, seeds, lookup)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
