"""Training images per second of many small trials on one device: one by one, captured, in processes, and together.

    python -m tests.benchmarks.gpu [--device cuda] [--kind cnn] [--images 54000] [--counts 1,4,16,64] [--processes 4,12]

The built-in model at batch 64 with Adam on random images of Fashion-MNIST's size; validation is on few images. Needs
torch and this package, not Ray. One line of JSON for each way, with its ratio to the tutorial's loop (a DataLoader over
tensors, one configuration). Prints `no GPU` where there is none; `--device cpu` measures a processor instead.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from hypertune.training.datasets import ImageData
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


def fused(kind: str, device: str, precision: str, count: int, data: ImageData) -> float:
    trained, together = loops(kind, device, precision, count, data), Together()
    return count * len(data.train) / seconds(lambda: together.train_epoch(trained), device)


def processes(kind: str, device: str, count: int, images: int) -> float:
    """Images per second of several processes together, each with a loop of its own."""
    context = multiprocessing.get_context("spawn")  # CUDA cannot be used in a forked process
    with context.Pool(count) as pool:
        return sum(pool.starmap(_in_process, [(kind, device, images)] * count, chunksize=1))


def _in_process(kind: str, device: str, images: int) -> float:
    torch.set_num_threads(1)
    return one(kind, device, "fp32", random_images(images))


def measured(arguments: argparse.Namespace) -> Iterator[tuple[str, float]]:
    """Each way, with its images per second."""
    kind, device, data = arguments.kind, arguments.device, random_images(arguments.images)
    yield "tutorial loop", tutorial(kind, device, data)
    precisions = ("fp32", "bf16") if device == "cuda" else ("fp32",)
    for precision in precisions:
        yield f"one trial, {precision}", one(kind, device, precision, data)
    for count in arguments.processes:
        yield f"{count} processes, fp32", processes(kind, device, count, arguments.images)
    for count in arguments.counts:
        for precision in precisions:
            yield f"{count} together, {precision}", fused(kind, device, precision, count, data)


def main(given: list[str] | None = None) -> None:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",") if part]

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--kind", choices=["cnn", "mlp"], default="cnn")
    parser.add_argument("--images", type=int, default=54_000, help="training images of an epoch")
    parser.add_argument("--counts", type=numbers, default=[1, 4, 16, 64], help="configurations trained together")
    parser.add_argument("--processes", type=numbers, default=[4, 12], help="processes on the device; empty for none")
    arguments = parser.parse_args(given)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("no GPU", flush=True)
        return
    torch.set_num_threads(1)
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else "one core"
    base = 0.0
    for way, speed in measured(arguments):
        base = base or speed
        print(json.dumps({
            "name": f"{arguments.kind}: {way}", "device": name, "images_per_s": round(speed),
            "ratio": round(speed / base, 2),
        }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
