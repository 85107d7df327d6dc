"""Makes the data behind `hypertune advise STUDY` without curves. Run by hand:

    python -m tests.benchmarks.public_tables simulate --lcbench FILE --taskset DIR --deepobs DIR --raw raw.csv
    python -m tests.benchmarks.public_tables write    --lcbench FILE --taskset DIR --deepobs DIR --raw raw.csv

`simulate` runs every strategy on every public table in virtual time and appends the incumbents at each budget to a
file; started again it goes on where it stopped. `write` averages the seeds that all tables have into
`hypertune/comparison/public_tables.csv`. `--lcbench` takes YAHPO Gym's surrogate of version 1, `lcbench/model.onnx`,
with `encoding.json` and `config_space.json` beside it (https://github.com/slds-lmu/yahpo_data), `--taskset` the folder
`data/taskset` of https://github.com/releaunifreiburg/DPL, and `--deepobs`
https://github.com/fsschneider/DeepOBS_Baselines.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hypertune.comparison.anytime import incumbents
from hypertune.comparison.public_tables import BUDGETS, FILE, KINDS, WORKERS, kinds
from hypertune.records.records import Records
from hypertune.simulation.costs import Costs
from hypertune.simulation.lookup import Source
from hypertune.simulation.published import read_json
from hypertune.simulation.recordings import Recordings, from_frame
from hypertune.simulation.runner import Job, Setting, simulate_sweep
from hypertune.simulation.surrogate import LOOKUPS
from hypertune.simulation.yahpo import read_onnx
from hypertune.space.space import Space
from hypertune.study.study import MARGIN_OF_ACCURACY, Budget, Study, Training

STRATEGIES = (
    "random", "sobol", "asha", "pasha", "hyperband", "one-epoch", "median", "bohb", "hyperopt", "optuna",
    "optuna-cmaes", "bayes", "optuna+asha", "optuna-cmaes+asha",
)  # fmt: skip
EPOCHS = 50
"""Epochs of a full training at most; longer curves are thinned out."""
LOSS_MARGIN = 0.01
"""The margin of a loss, as a share of the table's best one."""
LCBENCH = {
    "batch_size": {"lograndint": [16, 513]},
    "learning_rate": {"loguniform": [1e-4, 0.1]},
    "momentum": {"uniform": [0.1, 0.99]},
    "weight_decay": {"uniform": [1e-5, 0.1]},
    "num_layers": {"randint": [1, 6]},
    "max_units": {"lograndint": [64, 1025]},
    "max_dropout": {"uniform": [0.0, 1.0]},
}
FIXED = {"momentum": 0.545, "num_layers": 3, "max_units": 256, "max_dropout": 0.5}
"""The surrogate's own defaults, in spaces of three hyperparameters."""
TASKSET = {
    "learning_rate": {"loguniform": [1e-8, 10.0]},
    "beta1_complement": {"loguniform": [1e-4, 1.0]},
    "beta2_complement": {"loguniform": [1e-6, 1.0]},
    "epsilon": {"loguniform": [1e-10, 1e3]},
    "l1": {"loguniform": [1e-8, 10.0]},
    "l2": {"loguniform": [1e-8, 10.0]},
    "linear_decay": {"loguniform": [1e-7, 1e-4]},
    "exponential_decay": {"loguniform": [1e-6, 1e-3]},
}
DEEPOBS = {
    "optimizer": {"choice": ["AdamOptimizer", "GradientDescentOptimizer", "MomentumOptimizer"]},
    "lr": {"loguniform": [1e-5, 100.0]},
}


@dataclass(frozen=True)
class Public:
    """A public table: how it is read, and the space that its study searches."""

    name: str
    collection: str
    space: dict[str, Any]
    metric: str
    mode: Any
    read: Callable[[Study], pd.DataFrame]


def lcbench(model: Path) -> Iterator[Public]:
    """Every second data set, in turn with all seven hyperparameters and with three of them."""
    names = json.loads((model.parent / "config_space.json").read_text())["hyperparameters"][0]["choices"]
    for i, task in enumerate(names[::2]):
        kept = {name: domain for name, domain in LCBENCH.items() if i % 2 == 0 or name not in FIXED}
        fixed = {name: value for name, value in FIXED.items() if name not in kept}
        yield Public(f"lcbench/{task}", "LCBench", kept, "valid_accuracy", "max", _lcbench(model, task, fixed))


def _lcbench(model: Path, task: str, fixed: dict[str, float]) -> Callable[[Study], pd.DataFrame]:
    def read(study: Study) -> pd.DataFrame:
        # To this version of the surrogate, epoch 1 is the untrained network.
        whole = Space.parse({**study.space.to_toml(), **{name: {"choice": [value]} for name, value in fixed.items()}})
        frame = read_onnx(model, task, study.replace(space=whole, training=_training(EPOCHS + 1)))
        frame = frame[frame["epoch"] > 1].drop(columns=[f"config/{name}" for name in fixed])
        return frame.assign(epoch=frame["epoch"] - 1, valid_accuracy=frame["valid_accuracy"] / 100)

    return read


def taskset(folder: Path) -> Iterator[Public]:
    for file in sorted(folder.glob("*.json")):
        yield Public(f"taskset/{file.stem}", "TaskSet", TASKSET, "valid_loss", "min", _taskset(file))


def _taskset(file: Path) -> Callable[[Study], pd.DataFrame]:
    def read(study: Study) -> pd.DataFrame:
        frame = read_json(file, None)
        for name in ("beta1", "beta2"):
            frame[f"config/{name}_complement"] = 1 - frame.pop(f"config/{name}")
        frame = frame[frame["epoch"] > 1]  # the first entry is the untrained network
        return frame.assign(epoch=frame["epoch"] - 1)

    return read


def deepobs(folder: Path) -> Iterator[Public]:
    for problem in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        first = json.loads(next(problem.rglob("*.json")).read_text())
        metric, mode = ("valid_accuracy", "max") if "test_accuracies" in first else ("valid_loss", "min")
        yield Public(f"deepobs/{problem.name}", "DeepOBS", DEEPOBS, metric, mode, _deepobs(problem, metric))


def _deepobs(problem: Path, metric: str) -> Callable[[Study], pd.DataFrame]:
    def read(study: Study) -> pd.DataFrame:
        parts = []
        for number, file in enumerate(sorted(problem.rglob("*random_seed__42__*.json"))):
            run = json.loads(file.read_text())
            values = run["test_accuracies" if metric == "valid_accuracy" else "test_losses"][1:]
            every = -(-len(values) // EPOCHS)
            values = values[every - 1 :: every]
            about = {"config/optimizer": run["optimizer"], "config/lr": run["learning_rate"], "config_id": number}
            epochs = range(1, len(values) + 1)
            parts.append(
                pd.DataFrame({metric: values, "epoch": epochs, "elapsed_s": map(float, epochs)}).assign(**about)
            )
        return pd.concat(parts, ignore_index=True)

    return read


def _training(epochs: int) -> Training:
    return Training(trainable="recorded", max_epochs=epochs)


def study_of(table: Public, epochs: int) -> Study:
    return Study(
        name="public", strategies=STRATEGIES, seeds=(0,), budget=Budget(epochs=max(BUDGETS) * epochs),
        metric=table.metric, mode=table.mode, training=_training(epochs), space=Space.parse(table.space), retrain=0,
    )  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """A table that has been read: its study, its curves, and the best value of any configuration at any epoch."""

    study: Study
    source: Source
    best: float


def opened(table: Public) -> Opened:
    frame = table.read(study_of(table, EPOCHS))
    epochs = min(EPOCHS, int(frame["epoch"].max()))
    study = study_of(table, epochs)
    recordings = from_frame(frame, study, source=table.name)
    return Opened(study, LOOKUPS["auto"](recordings, study), _best(recordings, study))


def _best(recordings: Recordings, study: Study) -> float:
    values = recordings.values[:, :, recordings.names.index(study.metric)]
    finite = values[np.isfinite(values)]
    return float(finite.max() if study.mode == "max" else finite.min())


def rows_of(table: Public, here: Opened, facts: Records, job: Job) -> list[dict[str, Any]]:
    """The incumbent's distance from the table's best value at each budget, in margins."""
    found = incumbents(facts)
    epochs = here.study.training.max_epochs
    margin = MARGIN_OF_ACCURACY if table.metric == "valid_accuracy" else LOSS_MARGIN * abs(here.best)
    sign = 1.0 if table.mode == "max" else -1.0
    rows = []
    for budget in BUDGETS:
        reached = found[found["epochs"] <= budget * epochs]["value"]
        # Estimated curves may be a little better than any recorded one.
        regret = sign * (here.best - float(reached.iloc[-1])) / margin if len(reached) else np.inf
        rows.append(
            {
                "table": table.name, "collection": table.collection, "workers": job.workers, "budget": budget,
                "strategy": job.strategy, "seed": job.seed, "regret": round(regret, 4),
            }
        )  # fmt: skip
    return rows


def _tables(args: argparse.Namespace) -> list[Public]:
    """All tables, the collections in turn, so that a run that is cut short has some of each."""
    collections = [list(lcbench(args.lcbench)), list(taskset(args.taskset)), list(deepobs(args.deepobs))]
    return [table for some in zip_longest(*collections) for table in some if table is not None]


def simulate(args: argparse.Namespace) -> None:
    tables = _tables(args)
    done = set()
    if args.raw.exists():
        known = pd.read_csv(args.raw, usecols=["table", "workers", "strategy", "seed"]).drop_duplicates()
        done = set(known.itertuples(index=False, name=None))
    began = time.monotonic()
    for number, table in enumerate(tables):
        jobs = [Job(name, seed, workers) for seed in range(args.seeds) for workers in WORKERS for name in STRATEGIES]
        jobs = [job for job in jobs if (table.name, job.workers, job.strategy, job.seed) not in done]
        if not jobs:
            continue
        here = opened(table)
        for job in jobs:
            study = here.study.replace(strategies=(job.strategy,))
            facts = simulate_sweep(Setting(study, here.source, Costs()), job)
            frame = pd.DataFrame(rows_of(table, here, facts, job))
            frame.to_csv(args.raw, mode="a", header=not args.raw.exists(), index=False)
        print(f"{number + 1}/{len(tables)} {table.name}: {time.monotonic() - began:.0f} s", flush=True)


def write(args: argparse.Namespace) -> None:
    """One row per table, number of workers and budget, one column per strategy: mean regret in margins."""
    spaces = pd.DataFrame({table.name: kinds(Space.parse(table.space)) for table in _tables(args)}, index=KINDS).T
    raw = pd.read_csv(args.raw).join(spaces, on="table", how="inner")
    seeds = [set(part["seed"]) for _, part in raw.groupby(["table", "workers", "strategy"])]
    common = set.intersection(*seeds)
    raw = raw[raw["seed"].isin(common)]
    keys = ["collection", "table", *KINDS, "workers", "budget"]
    wide = raw.pivot_table(index=keys, columns="strategy", values="regret", aggfunc="mean")[list(STRATEGIES)]
    wide.round(3).reset_index().to_csv(FILE, index=False, lineterminator="\n")
    print(f"{FILE}: {raw['table'].nunique()} tables, seeds {sorted(common)}, {FILE.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("simulate", "write"):
        options = commands.add_parser(command)
        for name in ("lcbench", "taskset", "deepobs", "raw"):
            options.add_argument(f"--{name}", type=Path, required=True)
    commands.choices["simulate"].add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    (simulate if args.command == "simulate" else write)(args)


if __name__ == "__main__":
    main()
