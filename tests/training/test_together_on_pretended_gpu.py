"""The step that a GPU would run, on tensors that only have a device: no device is mixed with another, none is asked.

A step that reads a number back (`.item()`, a condition on a tensor) cannot be captured in a CUDA graph, and reading one
of these tensors raises. What autograd derives needs a real device, and is not run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from hypertune.training.datasets import ImageData
from hypertune.training.fused.engine import Engine
from hypertune.training.loop import TrainingLoop

CUDA = torch.device("cuda", 0)


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorMode]:
    monkeypatch.setattr(Engine, "_captured", lambda engine: None)
    monkeypatch.setattr(torch.autograd, "grad", _no_gradients)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        yield mode


def _no_gradients(loss: Tensor, leaves: Sequence[Tensor]) -> list[Tensor]:
    assert loss.device == CUDA
    return [torch.zeros_like(leaf) for leaf in leaves]


def moved(loops: Sequence[TrainingLoop]) -> None:
    """Has the loops say that they are on the GPU, with their images and weights there."""
    images = loops[0].images
    there = replace(
        images,
        **{name: getattr(images, name).to(CUDA) for name in ("pixels", "labels", "mean", "scale")},
        splits={name: index.to(CUDA) for name, index in images.splits.items()},
    )
    for loop in loops:
        loop.device, loop.images, loop.vector = CUDA, there, nn.Parameter(loop.vector.to(CUDA))


def loops_of(data: ImageData, kind: str, configs: Sequence[dict[str, Any]]) -> list[TrainingLoop]:
    given = {"device": "cpu", "precision": "fp32", "batch_size": 16, "dropout": 0.2}
    return [TrainingLoop(kind, {**given, **config}, data, seed=seed) for seed, config in enumerate(configs)]


@pytest.mark.parametrize(("kind", "optimizer", "norm"), [
    ("cnn", "adam", "none"), ("cnn", "rmsprop", "batch"), ("cnn", "sgd", "layer"), ("mlp", "adamw", "batch"),
    ("mlp", "sgd", "none"), ("mlp", "adam", "layer"),
])  # fmt: skip
def test_the_step_stays_on_the_gpu(
    few_digits: ImageData, kind: str, optimizer: str, norm: str, request: pytest.FixtureRequest
) -> None:
    widths = [{"filters": 3 + number, "blocks": 1} if kind == "cnn" else {"units1": 8 + number} for number in range(3)]
    loops = loops_of(few_digits, kind, [{"optimizer": optimizer, "norm": norm, **width} for width in widths])
    rates, _ = zip(*(loop.begin_epoch() for loop in loops), strict=True)
    request.getfixturevalue("pretended")
    moved(loops)
    engine = Engine(loops, 4)
    engine.load(loops, rates)
    for _ in range(2):
        engine._train()
    logits = engine.logits(loops[0].images.splits["valid"])
    assert (logits.device, tuple(logits.shape)) == (CUDA, (4, len(few_digits.valid), 10))
    assert {tensor.device for tensor in (engine.weights.flat, engine.loss, engine.hits, engine.images)} == {CUDA}


def test_a_number_that_is_read_back_would_be_noticed(few_digits: ImageData, request: pytest.FixtureRequest) -> None:
    loops = loops_of(few_digits, "mlp", [{}])
    request.getfixturevalue("pretended")
    moved(loops)
    engine = Engine(loops, 1)
    with pytest.raises(DataDependentOutputException):
        float(engine.loss[0])
    with pytest.raises(RuntimeError, match="found at least two devices"):
        engine.loss + torch.ones(1)
