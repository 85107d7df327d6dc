"""A sweep over the Fashion-MNIST CNN as the tutorials write it: the peer of `tests.benchmarks.sweep`.

    python -m tests.benchmarks.tutorial --data-dir DIR --search random --trials 6 --epochs 1

torchvision's data set with ToTensor read by every trial, a DataLoader, a function trainable, plain `tune.run` with its
defaults. With `--configs FILE`, a JSON list, random search runs these configurations instead of drawing its own.
Prints one line of JSON: the seconds of every search and the best accuracy.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune
from ray.tune.schedulers import HyperBandScheduler
from ray.tune.search.hyperopt import HyperOptSearch
from ray.tune.search.optuna import OptunaSearch
from torch.nn import functional as F
from torch.utils.data import DataLoader, random_split

from tests.benchmarks.training import BATCH, torchvision_images, tutorial_cnn

SPACE = {"filters": tune.randint(2, 16), "lr": tune.loguniform(1e-4, 3e-3)}
METRIC: dict[str, Any] = {"metric": "valid_accuracy", "mode": "max"}


def train(config: dict[str, Any]) -> None:
    """One trial: everything anew, as a script that was wrapped in a function does it."""
    config = config | config.get("drawn", {})
    with tempfile.TemporaryDirectory() as scratch:
        images = torchvision_images(Path(config["data_dir"]), scratch)
    train_split, valid_split = random_split(images, [54_000, 6_000], torch.Generator().manual_seed(0))
    model = tutorial_cnn(config["filters"])
    optimizer = torch.optim.Adam(model.parameters(), lr=config["lr"])
    for epoch in range(1, config["epochs"] + 1):
        for inputs, labels in DataLoader(train_split, batch_size=BATCH, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
        with torch.no_grad():
            hits = sum(
                int((model(inputs).argmax(1) == labels).sum())
                for inputs, labels in DataLoader(valid_split, batch_size=BATCH)
            )
        tune.report({"valid_accuracy": hits / len(valid_split), "epoch": epoch})


SEARCHES: dict[str, dict[str, Any]] = {
    "random": {},
    # Ray's BayesOptSearch does not run with a current bayesian-optimization; Optuna stands for it.
    "optuna": {"search_alg": OptunaSearch(**METRIC)},
    "hyperband": {"scheduler": HyperBandScheduler(time_attr="epoch", max_t=10, **METRIC)},
    "hyperopt": {"search_alg": HyperOptSearch(**METRIC)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="folder with FashionMNIST/raw")
    parser.add_argument("--search", default="random", help=f"some of {','.join(SEARCHES)}")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--configs", type=Path, help="what random search runs, in place of --trials")
    arguments = parser.parse_args()
    drawn: list[dict[str, Any]] = json.loads(arguments.configs.read_text()) if arguments.configs else []
    ray.init(address="local", num_cpus=2, log_to_driver=False, logging_level=logging.ERROR)
    constants = {"epochs": arguments.epochs, "data_dir": str(arguments.data_dir.resolve())}
    seconds, best = {}, {}
    for name in arguments.search.split(","):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            given = bool(drawn) and name == "random"
            space: dict[str, Any] = {"drawn": tune.grid_search(drawn)} if given else SPACE
            analysis = tune.run(
                train, config={**space, **constants}, num_samples=1 if given else arguments.trials,
                storage_path=folder, verbose=0, raise_on_failed_trial=True, **SEARCHES[name],
            )  # fmt: skip
            best[name] = float(analysis.dataframe("valid_accuracy", "max")["valid_accuracy"].max())
        seconds[name] = round(time.monotonic() - began, 1)
    print(json.dumps({"seconds": seconds, "best": best}))


if __name__ == "__main__":
    main()
