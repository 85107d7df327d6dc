"""A whole sweep over the Fashion-MNIST CNN, start-up included, against the same written as in the tutorials.

    python -m tests.benchmarks.sweep --data-dir DIR [--four]

The same configurations, epochs and data, each program a process of its own, one after the other; nothing is retrained
but, once, the winner for its weights. With `--four`, a study of four strategies against four calls of `tune.run`, whose
other three searches draw from the same space. Prints the best accuracies, and last one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hypertune.records import records
from hypertune.study.study import Study

FOUR = ("random", "bayes", "hyperband", "hyperopt")


def ours(data_dir: Path, strategies: tuple[str, ...], trials: int, epochs: int) -> tuple[float, records.Records]:
    """Seconds of `hypertune compare`, and its records."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder, "study.toml")
        study.write_text(Study.load("fashion_mnist_cnn").replace(retrain=0).to_toml())
        out = Path(folder, "out")
        began = time.monotonic()
        options = ["--strategies", ",".join(strategies), "--budget", f"trials={trials}", "--max-epochs", str(epochs)]
        command = [sys.executable, "-m", "hypertune", "compare", str(study), *options, "--seeds", "1"]
        subprocess.run([*command, "--data-dir", str(data_dir), "--out", str(out), "--quiet"], check=True)
        return time.monotonic() - began, records.read(out)


def tutorial(
    data_dir: Path, searches: tuple[str, ...], configs: list[dict[str, Any]], epochs: int
) -> tuple[float, dict[str, float]]:
    """Seconds of the tutorial's script with these configurations for random search, and each search's best accuracy."""
    options = ["--search", ",".join(searches), "--trials", str(len(configs)), "--epochs", str(epochs)]
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder, "configs.json")
        drawn.write_text(json.dumps(configs))
        command = [sys.executable, "-m", "tests.benchmarks.tutorial", "--data-dir", str(data_dir), *options]
        began = time.monotonic()
        answer = subprocess.run([*command, "--configs", drawn], check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds = time.monotonic() - began
    best: dict[str, float] = json.loads(answer.strip().splitlines()[-1])["best"]
    return seconds, best


def drawn_by_random_search(facts: records.Records) -> list[dict[str, Any]]:
    """Its configurations: the hyperparameters of the space."""
    rows = facts.trials[facts.trials["strategy"] == "random"]
    return [facts.configs[trial_id] for trial_id in rows["trial_id"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="folder with FashionMNIST/raw")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--four", action="store_true", help="four strategies instead of random search alone")
    arguments = parser.parse_args()
    strategies = FOUR if arguments.four else ("random",)
    mine, facts = ours(arguments.data_dir, strategies, arguments.trials, arguments.epochs)
    searches = tuple("optuna" if name == "bayes" else name for name in strategies)
    theirs, best = tutorial(arguments.data_dir, searches, drawn_by_random_search(facts), arguments.epochs)
    print("best accuracy, ours:", facts.trials.groupby("strategy")["valid_accuracy"].max().to_dict(), "theirs:", best)
    ledger = facts.sweeps
    print(f"workers busy: {ledger['busy_s'].sum() / (ledger['busy_s'].sum() + ledger['idle_s'].sum()):.0%}")
    name = f"{len(strategies)} sweep(s) of {arguments.trials} trials, peer: tutorial"
    print(json.dumps({
        "name": name, "ours": round(mine, 1), "peer": round(theirs, 1), "ratio": round(theirs / mine, 2), "unit": "s",
    }))  # fmt: skip


if __name__ == "__main__":
    main()
