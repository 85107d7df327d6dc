"""Training images per second of many small trials on one device: one by one, captured, in processes, and together.

    python -m tests.benchmarks.gpu [--device cuda] [--kind cnn] [--images 54000] [--counts 1,4,16,64] [--processes 4,12]
    python -m tests.benchmarks.gpu --steps [--counts 1,16,64]
    python -m tests.benchmarks.gpu --studies [--trials 64] [--epochs 10] [--ways together,auto,quarters]

The built-in model at batch 64 with Adam on random images of Fashion-MNIST's size; validation is on few images. Needs
torch and this package, not Ray. One line of JSON for each way, with its ratio to the tutorial's loop (a DataLoader over
tensors, one configuration). Prints `no GPU` where there is none; `--device cpu` measures a processor instead.

With `--steps`, one training step of as many models together, by how they are convolved: `grouped`, as one grouped
convolution, and in `slices`, as one batched product. A line has the milliseconds of a step and its ratio to `grouped`.

With `--studies`, whole studies on Ray, from the command to the report: random search and asha, with the epochs of so
many full trainings; 64 trials at a time on one GPU `together`, as many as by default (`auto`), or in processes that
have a quarter of it each (`quarters`). A line has the seconds of a sweep, the images that it trained per second, and
the ratio of that to the last way.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from hypertune.training.datasets import ImageData
from hypertune.training.fused.engine import Engine
from hypertune.training.fused.together import Together
from hypertune.training.loop import TrainingLoop

BATCH = 64


def random_images(images: int) -> ImageData:
    """Random images of Fashion-MNIST's shape; a hundredth of them validate."""
    random = np.random.default_rng(0)
    index = np.arange(images + images // 100)
    return ImageData(
        images=random.integers(0, 256, (len(index), 1, 28, 28), dtype=np.uint8),
        labels=random.integers(0, 10, len(index)),
        train=index[:images],
        valid=index[images:],
        test=index[images:],
        classes=tuple("0123456789"),
    )


def loops(kind: str, device: str, precision: str, count: int, data: ImageData) -> list[TrainingLoop]:
    config = {"device": device, "precision": precision, "batch_size": BATCH}
    return [TrainingLoop(kind, {**config, "lr": 1e-3 / (number + 1)}, data, seed=number) for number in range(count)]


def seconds(call: Any, device: str) -> float:
    """Seconds of the second of two calls; the first warms up, and captures."""
    for _ in range(2):
        start = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
    return time.perf_counter() - start


def tutorial(kind: str, device: str, data: ImageData) -> float:
    """Images per second of the loop that tutorials write."""
    (loop,) = loops(kind, device, "fp32", 1, data)
    model, optimizer = loop.model, torch.optim.Adam(loop.model.parameters(), 1e-3)
    images = (torch.from_numpy(data.images[data.train]).float() - 128) / 74
    loader = DataLoader(TensorDataset(images, torch.from_numpy(data.labels[data.train])), BATCH, shuffle=True)

    def epoch() -> None:
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x.to(device)), y.to(device)).backward()
            optimizer.step()

    return len(data.train) / seconds(epoch, device)


def one(kind: str, device: str, precision: str, data: ImageData) -> float:
    (loop,) = loops(kind, device, precision, 1, data)
    return len(data.train) / seconds(loop.train_epoch, device)


def fused(kind: str, device: str, precision: str, count: int, data: ImageData, *, compiled: bool = False) -> float:
    together = Together(compile_after_s=0 if compiled else math.inf)
    trained = loops(kind, device, precision, count, data)
    return count * len(data.train) / seconds(lambda: together.train_epoch(trained), device)


def step_ms(kind: str, device: str, precision: str, count: int, data: ImageData, *, slices: bool) -> float:
    """Milliseconds of a training step of so many models, the median of five times ten."""
    trained = loops(kind, device, precision, count, data)
    rates, batches = zip(*(loop.begin_epoch() for loop in trained), strict=True)
    engine = Engine(trained, count, slices=slices)
    engine.load(trained, rates)
    engine.begin([own[:50] for own in batches])

    def ten(first: int) -> float:
        start = time.perf_counter()
        for number in range(first, first + 10):
            engine.step(number, trained)
        if device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) * 100

    return float(np.median([ten(first) for first in range(0, 50, 10)]))


def steps(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One record for each count, precision and convolution."""
    kind, device, data = arguments.kind, arguments.device, random_images(50 * BATCH)
    for count in arguments.counts:
        for precision in precisions(device):
            both = {slices: step_ms(kind, device, precision, count, data, slices=slices) for slices in (False, True)}
            for slices, taken in both.items():
                yield {
                    "name": f"{kind}: step of {count}, {precision}, {'slices' if slices else 'grouped'}",
                    "step_ms": round(taken, 3), "images_per_s": round(count * BATCH / taken * 1000),
                    "ratio": round(both[False] / taken, 2),
                }  # fmt: skip


def precisions(device: str) -> tuple[str, ...]:
    return ("fp32", "bf16") if device == "cuda" else ("fp32",)


def processes(kind: str, device: str, count: int, images: int) -> float:
    """Images per second of several processes together, each with a loop of its own."""
    context = multiprocessing.get_context("spawn")  # CUDA cannot be used in a forked process
    with context.Pool(count) as pool:
        return sum(pool.starmap(_in_process, [(kind, device, images)] * count, chunksize=1))


def _in_process(kind: str, device: str, images: int) -> float:
    torch.set_num_threads(1)
    return one(kind, device, "fp32", random_images(images))


WAYS: dict[str, dict[str, Any]] = {
    "together": {"trials_per_gpu": 64}, "auto": {"trials_per_gpu": "auto"}, "quarters": {"gpus_per_trial": 0.25}
}  # fmt: skip
"""What each trial of a study asks for."""


def studies(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Runs the studies; one record for each way and strategy."""
    from hypertune import Study, compare
    from hypertune.tuning.connect import prepare_environment

    prepare_environment()
    ray = import_module("ray")
    ray.init(
        address="local",
        num_gpus=None if arguments.device == "cuda" else 1,
        include_dashboard=False,
        log_to_driver=False,
    )
    with tempfile.TemporaryDirectory() as folder:
        data = random_images(arguments.images)
        images, index = data.images[:, 0], np.concatenate((data.train, data.valid))
        np.savez(f"{folder}/images.npz", x_train=images[index], y_train=data.labels[index], x_test=images[:100],
                 y_test=data.labels[:100])  # fmt: skip
        path = Path(folder, "study.toml")
        path.write_text(STUDY.format(kind=arguments.kind, path=f"{folder}/images.npz", epochs=arguments.epochs,
                                     budget=arguments.trials * arguments.epochs))  # fmt: skip
        for way in arguments.ways:
            start = time.perf_counter()
            result = compare(Study.load(path), out=Path(folder, way), resources=WAYS[way], progress=False)
            whole = time.perf_counter() - start
            for sweep in result.records.sweeps.to_dict("records"):
                speed = round(int(sweep["epochs"]) * arguments.images / sweep["wall_s"])
                yield {
                    "name": f"{arguments.kind}: {sweep['strategy']}, {way}", "trials": int(sweep["trials"]),
                    "sweep_s": round(sweep["wall_s"], 1), "images_per_s": speed,
                    "both_with_report_s": round(whole, 1),
                }  # fmt: skip


STUDY = """
[study]
name = "gpu"
strategies = ["random", "asha"]
budget = {{ epochs = {budget} }}
metric = "valid_accuracy"
mode = "max"
retrain = 0
[training]
trainable = "{kind}"
dataset = "npz"
path = "{path}"
max_epochs = {epochs}
validation_fraction = 0.01
[training.config]
batch_size = 64
[space]
lr = {{ loguniform = [1e-4, 1e-2] }}
"""


def measured(arguments: argparse.Namespace) -> Iterator[tuple[str, float]]:
    """Each way, with its images per second."""
    kind, device, data = arguments.kind, arguments.device, random_images(arguments.images)
    yield "tutorial loop", tutorial(kind, device, data)
    for precision in precisions(device):
        yield f"one trial, {precision}", one(kind, device, precision, data)
    for count in arguments.processes:
        yield f"{count} processes, fp32", processes(kind, device, count, arguments.images)
    for count in arguments.counts:
        for precision in precisions(device):
            yield f"{count} together, {precision}", fused(kind, device, precision, count, data)
        if device == "cuda":
            yield f"{count} together, bf16, compiled", fused(kind, device, "bf16", count, data, compiled=True)


def main(given: list[str] | None = None) -> None:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",") if part]

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--kind", choices=["cnn", "mlp"], default="cnn")
    parser.add_argument("--images", type=int, default=54_000, help="training images of an epoch")
    parser.add_argument("--counts", type=numbers, default=[1, 4, 16, 64], help="configurations trained together")
    parser.add_argument("--processes", type=numbers, default=[4, 12], help="processes on the device; empty for none")
    parser.add_argument("--steps", action="store_true", help="one step, by how it convolves")
    parser.add_argument("--studies", action="store_true", help="whole studies, on Ray")
    parser.add_argument("--trials", type=int, default=64, help="full trainings that a study's budget is worth")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of a full training")
    parser.add_argument("--ways", type=lambda text: text.split(","), default=list(WAYS), help=", ".join(WAYS))
    arguments = parser.parse_args(given)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("no GPU", flush=True)
        return
    torch.set_num_threads(1)
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else "one core"
    if arguments.steps:
        for record in steps(arguments):
            print(json.dumps({**record, "device": name}), flush=True)
        return
    if arguments.studies:
        records = list(studies(arguments))
        last = {record["name"].split(",")[0]: record["images_per_s"] for record in records}
        for record in records:
            ratio = record["images_per_s"] / last[record["name"].split(",")[0]]
            print(json.dumps({**record, "device": name, "ratio": round(ratio, 2)}), flush=True)
        return
    base = 0.0
    for way, speed in measured(arguments):
        base = base or speed
        print(json.dumps({
            "name": f"{arguments.kind}: {way}", "device": name, "images_per_s": round(speed),
            "ratio": round(speed / base, 2),
        }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
