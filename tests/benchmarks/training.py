"""Images per second on one core: our training loop against the tutorial loop and against a bare loop.

    python -m tests.benchmarks.training --data-dir DIR

The model is the Fashion-MNIST CNN (filters 14, units 128 and 64, batch 64, Adam), and the MLP with the defaults. The
tutorial loop is torchvision's data set with ToTensor, a DataLoader and the default layout. The bare loop is our model
with every setting known to help, indexing an array in memory, and nothing around it: what is missing to it is our
loop's overhead. All take turns, in rounds of 6,400 images; what counts is the median round. Time is processor time of
the one thread, so that a machine shared with others disturbs less.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, RandomSampler
from torchvision.datasets import FashionMNIST
from torchvision.transforms import ToTensor

from hypertune.training.datasets import ImageData, load_dataset
from hypertune.training.images import device_images
from hypertune.training.loop import TrainingLoop
from hypertune.training.memory import keep_freed_memory
from hypertune.training.networks import build_model
from hypertune.training.optimisation import flatten_parameters

IMAGES = 6400
BATCH = 64
CONFIG = {"filters": 14, "lr": 5.48e-4, "units1": 128, "units2": 64, "batch_size": BATCH, "optimizer": "adam"}
MLP_CONFIG = {"lr": 1e-3, "batch_size": BATCH}
Round = Callable[[], Any]
"""Trains on `IMAGES` images."""
Timed = Callable[[], float]
"""Does so and returns the seconds it took."""


def tutorial_loop(model: nn.Module, images: FashionMNIST) -> Round:
    """As in the tutorials; evaluation left out, as in all loops here."""
    loader = DataLoader(images, batch_size=BATCH, sampler=RandomSampler(images, num_samples=IMAGES))
    optimizer = torch.optim.Adam(model.parameters(), lr=CONFIG["lr"])  # type: ignore[arg-type]

    def train() -> None:
        running = 0.0
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            running += loss.item()

    return train


def bare_loop(kind: str, config: dict[str, Any], data: ImageData, *, bf16: bool = False) -> Round:
    """Only what the arithmetic needs."""
    images = device_images(data, torch.device("cpu"))
    model = build_model(kind, config, (1, 28, 28), 10).to(memory_format=torch.channels_last)
    vector = flatten_parameters(model)
    optimizer = torch.optim.Adam([vector], lr=config["lr"], fused=True)
    pixels, targets, train_split = images.pixels, images.labels, images.splits["train"]
    mean, scale = float(images.mean), float(images.scale)

    def train() -> None:
        for index in torch.split(train_split[torch.randperm(len(train_split))], BATCH):
            inputs = pixels.index_select(0, index).float().sub_(mean).mul_(scale)
            with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
                loss = F.cross_entropy(model(inputs), targets.index_select(0, index))
            vector.grad.zero_()  # type: ignore[union-attr]
            loss.backward()
            optimizer.step()

    return train


def our_loop(kind: str, config: dict[str, Any], data: ImageData) -> Round:
    """The loop that every trial runs."""
    return TrainingLoop(kind, config, data).train_epoch


def tutorial_cnn(filters: int = 14) -> nn.Module:
    """The published CNN as one would write it: ReLU before pooling."""
    return nn.Sequential(
        *(nn.Conv2d(1, filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(filters, filters, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(filters, filters, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        *(nn.Linear(filters, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)),
    )


def tutorial_mlp() -> nn.Module:
    """The MLP as one would write it."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def measure(loops: dict[str, Timed], rounds: int) -> dict[str, float]:
    """Images per second of each, the median over rounds in which all take turns, after one round to warm up."""
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(rounds + 1):
        for name, timed in loops.items():
            seconds = timed()
            if number:
                speeds[name].append(IMAGES / seconds)
    return {name: statistics.median(values) for name, values in speeds.items()}


def timed(train: Round) -> Timed:
    """Processor seconds of a round."""

    def run() -> float:
        start = time.process_time()
        train()
        return time.process_time() - start

    return run


def pin() -> None:
    """One thread on one core; with two processes taking turns, the same core."""
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def serve_tutorial(connection: Connection, kind: str, data_dir: Path) -> None:
    """Runs a round of the tutorial loop whenever asked to, and answers with the seconds, until told to end.

    In a process with nothing else in it, as a tutorial's script is: how fast it is depends much on how the C library
    manages the memory of the process, and our loop changes that for all of it.
    """
    pin()
    with tempfile.TemporaryDirectory() as scratch:
        images = torchvision_images(data_dir, scratch)
        run = timed(tutorial_loop({"cnn": tutorial_cnn, "mlp": tutorial_mlp}[kind](), images))
        while connection.recv():
            connection.send(run())


def start_tutorial(kind: str, data_dir: Path) -> tuple[Timed, Callable[[], None]]:
    """A round of the tutorial loop in a process of its own, and how to end that."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve_tutorial, args=(there, kind, data_dir))
    process.start()

    def run() -> float:
        here.send(True)
        return float(here.recv())

    def end() -> None:
        here.send(False)
        process.join()

    return run, end


def torchvision_images(data_dir: Path, scratch: str) -> FashionMNIST:
    """The data set as torchvision has it, unpacked in a folder of its own."""
    raw = Path(scratch, "FashionMNIST", "raw")
    raw.mkdir(parents=True)
    for file in (data_dir / "FashionMNIST" / "raw").iterdir():
        os.symlink(file.resolve(), raw / file.name)
    return FashionMNIST(scratch, train=True, download=True, transform=ToTensor())


def report(name: str, ours: float, peer: float) -> None:
    """One JSON line."""
    line = {"name": name, "ours": round(ours), "peer": round(peer), "ratio": round(ours / peer, 3), "unit": "images/s"}
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="folder with FashionMNIST/raw")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    pin()
    data = load_dataset("fashion_mnist", data_dir=arguments.data_dir)
    data = replace(data, train=data.train[:: len(data.train) // IMAGES][:IMAGES], valid=data.valid[:BATCH])
    keep_freed_memory()
    tutorials = {kind: start_tutorial(kind, arguments.data_dir) for kind in ("cnn", "mlp")}
    bf16 = CONFIG | {"precision": "bf16"}
    loops = {
        "cnn": timed(our_loop("cnn", CONFIG, data)),
        "bare cnn": timed(bare_loop("cnn", CONFIG, data)),
        "tutorial cnn": tutorials["cnn"][0],
        "cnn bf16": timed(our_loop("cnn", bf16, data)),
        "bare cnn bf16": timed(bare_loop("cnn", bf16, data, bf16=True)),
        "mlp": timed(our_loop("mlp", MLP_CONFIG, data)),
        "bare mlp": timed(bare_loop("mlp", MLP_CONFIG, data)),
        "tutorial mlp": tutorials["mlp"][0],
    }
    speeds = measure(loops, arguments.rounds)
    for _, end in tutorials.values():
        end()
    for name in ("mlp", "cnn bf16", "cnn"):
        report(f"training: {name}, peer: bare loop", speeds[name], speeds[f"bare {name}"])
    report("training: mlp, peer: tutorial loop", speeds["mlp"], speeds["tutorial mlp"])
    report("training: cnn, peer: tutorial loop", speeds["cnn"], speeds["tutorial cnn"])


if __name__ == "__main__":
    main()
