"""Do the published single runs of the Fashion-MNIST CNN come out again?

    python -m tests.benchmarks.published_runs --data-dir DIR

Trains each published configuration as a study does (10 full epochs of the training split, which is 54,000 images,
batch 64, Adam, units 128 and 64) and scores it on the test split. Seed noise is about 0.02. It is not published whether
those runs kept a validation split apart; with `--all` none is, which is a tenth more steps per epoch. Prints one JSON
line for each run and, last, one for the mean; `ours` and `peer` are test accuracies, `difference` is ours less theirs.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from hypertune.training.datasets import ImageData, load_dataset
from hypertune.training.loop import TrainingLoop

EPOCHS = 10
PUBLISHED = (
    ({"filters": 14, "lr": 0.000548}, 0.857),
    ({"filters": 15, "lr": 0.001909}, 0.885),
    ({"filters": 4, "lr": 0.000309}, 0.720),
)


def test_accuracy(config: dict[str, float], data: ImageData, seed: int) -> float:
    """Test accuracy after all epochs."""
    fixed = {"batch_size": 64, "units1": 128, "units2": 64, "optimizer": "adam"}
    loop = TrainingLoop("cnn", fixed | config, data, seed=seed, max_epochs=EPOCHS)
    for _ in range(EPOCHS):
        loop.train_epoch()
    return loop.evaluate("test")["test_accuracy"]


def report(name: str, ours: float, published: float) -> None:
    """One JSON line."""
    line = {
        "name": name,
        "ours": round(ours, 4),
        "peer": round(published, 4),
        "ratio": round(ours / published, 4),
        "unit": "test accuracy",
        "difference": round(ours - published, 4),
    }
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="folder with FashionMNIST/raw")
    parser.add_argument("--seeds", type=int, default=1, help="seeds per run, of which the mean counts")
    parser.add_argument("--all", action="store_true", help="train on the validation split, too")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    data = load_dataset("fashion_mnist", data_dir=arguments.data_dir)
    if arguments.all:
        data = replace(data, train=np.union1d(data.train, data.valid))
    ours = []
    for config, published in PUBLISHED:
        scores = [test_accuracy(config, data, seed) for seed in range(arguments.seeds)]
        print(f"{config}: {', '.join(map(str, scores))}", flush=True)
        ours.append(fmean(scores))
        report(f"published run: {config}", ours[-1], published)
    report("published runs: mean", fmean(ours), fmean(accuracy for _, accuracy in PUBLISHED))


if __name__ == "__main__":
    main()
