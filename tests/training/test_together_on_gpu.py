"""Loops trained together on a GPU, in captured and compiled steps; skipped where there is none."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from hypertune.training.datasets import ImageData
from hypertune.training.fused import together as module
from hypertune.training.fused.engine import Engine
from hypertune.training.fused.together import Together
from hypertune.training.loop import TrainingLoop
from hypertune.training.trainable import MLP

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
    pytest.mark.filterwarnings("error:training without"),
]

EPOCHS = 3
LOSSES = ("train_loss", "valid_loss")
# Without Adam, dropout and batch norm, whose rounding or random numbers differ from device to device.
ALIKE: list[dict[str, Any]] = [
    {"optimizer": "sgd", "lr": 0.02, "momentum": 0.9},
    {"optimizer": "sgd", "lr": 0.03, "norm": "layer", "units1": 20},
    {"optimizer": "sgd", "lr": 0.01, "weight_decay": 0.01, "lr_schedule": "cosine", "units1": 9},
    {"optimizer": "rmsprop", "lr": 1e-3},
    {"optimizer": "sgd", "lr": 0.02, "batch_size": 11},
]


def make(data: ImageData, kind: str, config: dict[str, Any], seed: int = 0, **options: Any) -> TrainingLoop:
    given = {"device": "cuda", "precision": "fp32", "batch_size": 16, **config}
    return TrainingLoop(kind, given, data, seed=seed, **options)


def losses(results: list[dict[str, float]]) -> list[float]:
    return [result[name] for result in results for name in LOSSES]


def trained(loops: list[TrainingLoop], epochs: int = EPOCHS, together: Together | None = None) -> list[float]:
    """The losses of all loops, trained together, epoch by epoch."""
    together = together or Together(compile_after_s=math.inf)
    return [loss for _ in range(epochs) for loss in losses(together.train_epoch(loops))]


@pytest.fixture
def exact() -> Iterator[None]:
    """Convolutions of a loop alone in all 24 bits of fp32, as those of a stack are."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize("kind", ["cnn", "mlp"])
def test_each_has_the_curve_that_it_has_alone_on_either_device(few_digits: ImageData, kind: str, exact: None) -> None:
    configs = [{"filters": 3 + 2 * number, **config} if kind == "cnn" else config
               for number, config in enumerate(ALIKE)]  # fmt: skip
    fused = trained([make(few_digits, kind, config, seed) for seed, config in enumerate(configs)])
    for device in ("cpu", "cuda"):
        alone = [make(few_digits, kind, {**config, "device": device}, seed) for seed, config in enumerate(configs)]
        expected = [loss for _ in range(EPOCHS) for loss in losses([loop.train_epoch() for loop in alone])]
        assert fused == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", ["cnn", "mlp"])
def test_the_captured_step_is_the_step(few_digits: ImageData, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    configs: list[dict[str, Any]] = [{"lr": 1e-3 * number, "norm": "batch"} for number in (1, 2, 3)]
    captured = trained([make(few_digits, kind, config) for config in configs])
    monkeypatch.setattr(Engine, "_captured", lambda engine: None)
    plain = trained([make(few_digits, kind, config) for config in configs])
    assert captured == pytest.approx(plain, rel=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_compiled_step_is_the_step(few_digits: ImageData, precision: str) -> None:
    configs = [{"optimizer": "sgd", "lr": 0.01 * number, "precision": precision} for number in (1, 2)]
    plain = trained([make(few_digits, "cnn", config) for config in configs])
    loops = [make(few_digits, "cnn", config) for config in configs]
    compiled = trained(loops, together=Together(compile_after_s=0))
    tolerance = 1e-3 if precision == "fp32" else 0.03
    assert compiled == pytest.approx(plain, rel=tolerance)


def test_bf16_learns_as_well(digits: ImageData) -> None:
    accuracy = []
    for precision in ("fp32", "bf16"):
        loops = [make(digits, "cnn", {"lr": 3e-3, "precision": precision}, seed) for seed in range(8)]
        together = Together(compile_after_s=math.inf)
        for _ in range(8):
            results = together.train_epoch(loops)
        accuracy.append(sum(result["valid_accuracy"] for result in results) / len(results))
    assert accuracy[0] > 0.9
    assert accuracy[1] == pytest.approx(accuracy[0], abs=0.02)


def test_trials_come_and_go(few_digits: ImageData) -> None:
    configs: list[dict[str, Any]] = [{"optimizer": "sgd", "lr": 0.02, "units1": 9 + number} for number in range(6)]
    alone = [make(few_digits, "mlp", config, seed) for seed, config in enumerate(configs)]
    loops = [make(few_digits, "mlp", config, seed) for seed, config in enumerate(configs)]
    together = Together(compile_after_s=math.inf)
    for members in ([0, 1, 2], [0, 1, 2, 3, 4], [4, 2], [5], [5, 0, 1], [0, 1, 2, 3, 4, 5]):
        ours = losses(together.train_epoch([loops[number] for number in members]))
        theirs = losses([alone[number].train_epoch() for number in members])
        assert ours == pytest.approx(theirs, rel=1e-3)


def test_a_state_goes_on_where_it_is_taken(few_digits: ImageData) -> None:
    config = {"norm": "batch", "optimizer": "sgd", "lr": 0.02}
    loops = [make(few_digits, "cnn", config, seed) for seed in (0, 1)]
    together = Together(compile_after_s=math.inf)
    trained(loops, 2, together)
    copies = [make(few_digits, "cnn", config, 9), make(few_digits, "cnn", {**config, "device": "cpu"}, 9)]
    for copy in copies:
        copy.load_state_dict(loops[1].state_dict())
    expected = losses(together.train_epoch(loops)[1:])
    assert losses(together.train_epoch(copies[:1])) == pytest.approx(expected, rel=1e-3)
    assert losses([copies[1].train_epoch()]) == pytest.approx(expected, rel=1e-2)


def test_dropout_keeps_the_part_that_it_should(few_digits: ImageData) -> None:
    loops = [make(few_digits, "mlp", {"dropout": dropout, "batch_size": 64}) for dropout in (0.1, 0.25, 0.5)]
    rates, batches = zip(*(loop.begin_epoch() for loop in loops), strict=True)
    engine = Engine(loops, 4)
    engine.load(loops, rates)
    engine.begin(batches)
    seen = []
    for number in range(len(batches[0])):
        engine.step(number, loops)
        seen.append(torch.stack([(mask > 0).double().mean((1, 2)) for mask in engine._masks]).mean(0))
    assert torch.stack(seen).mean(0).tolist()[:3] == pytest.approx([0.9, 0.75, 0.5], abs=0.02)


def test_divergence_harms_no_other(few_digits: ImageData) -> None:
    configs = [{"lr": 0.01}, {"lr": 1e30}, {"lr": 0.02}]
    alone = [make(few_digits, "mlp", {"optimizer": "sgd", **config}) for config in configs]
    loops = [make(few_digits, "mlp", {"optimizer": "sgd", **config}) for config in configs]
    results, expected = Together().train_epoch(loops), [loop.train_epoch() for loop in alone]
    assert losses([results[0], results[2]]) == pytest.approx(losses([expected[0], expected[2]]), rel=1e-3)
    assert not math.isfinite(results[1]["train_loss"])


@pytest.mark.filterwarnings("ignore:the GPU's memory has no room")
def test_what_the_memory_has_no_room_for_is_trained_in_parts(few_digits: ImageData) -> None:
    config = {"optimizer": "sgd", "lr": 0.02, "filters": 48, "batch_size": 128}
    expected = trained([make(few_digits, "cnn", config, seed) for seed in range(2)], 1)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 1.0e9) / total)
    try:
        with pytest.warns(RuntimeWarning, match="the GPU's memory has no room for 32 configurations together"):
            ours = trained([make(few_digits, "cnn", config, seed) for seed in range(32)], 1)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert ours[:4] == pytest.approx(expected, rel=1e-3)


@pytest.mark.filterwarnings("ignore:the GPU's memory has no room")
def test_one_that_is_too_large_even_by_itself_fails_alone(few_digits: ImageData) -> None:
    config = {"optimizer": "sgd", "lr": 0.02}
    small = [make(few_digits, "mlp", config, seed) for seed in (0, 1)]
    expected = trained([make(few_digits, "mlp", config, seed) for seed in (0, 1)], 1)
    large = make(few_digits, "mlp", {**config, "units1": 20_000, "units2": 20_000})  # 1.6 GB of weights
    together = Together(compile_after_s=math.inf)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 1.0e9) / total)
    try:
        first, failed, second = together.outcomes([small[0], large, small[1]])
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert isinstance(failed, torch.OutOfMemoryError)
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert losses([first, second]) == pytest.approx(expected, rel=1e-3)
    assert isinstance(together.outcomes([small[0]])[0], dict)


def test_one_trial_alone_is_captured_and_goes_on_from_its_checkpoint(few_digits: ImageData, tmp_path: Path) -> None:
    config = {"optimizer": "sgd", "lr": 0.02, "device": "cuda", "units1": 16}

    class WithData(MLP):
        def setup(self, config: dict[str, Any], data: ImageData | None = None) -> None:
            super().setup(config, few_digits)

    trial, other = WithData(config), WithData({**config, "lr": 0.5})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = trial.step()
        trial.save_checkpoint(str(tmp_path))
        expected = trial.step()
    other.load_checkpoint(str(tmp_path))
    other.loop.change(config)
    result = other.step()
    alone = make(few_digits, "mlp", {**config, "batch_size": 64})
    curve = [alone.train_epoch() for _ in range(2)]
    assert [first["valid_loss"], expected["valid_loss"]] == pytest.approx([r["valid_loss"] for r in curve], rel=1e-3)
    assert result["valid_loss"] == pytest.approx(expected["valid_loss"], rel=1e-3)
    assert trial._together is not None
    assert all(engine._graph is not None for engine in trial._together._kept.values())


def test_the_engines_kept_are_few(few_digits: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 2)
    together = Together(compile_after_s=math.inf)
    for batch_size in (8, 9, 10, 11):
        together.train_epoch([make(few_digits, "mlp", {"batch_size": batch_size})])
    assert len(together._kept) == 2
