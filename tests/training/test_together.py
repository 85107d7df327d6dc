"""Loops trained together: each has the curve that it has alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from hypertune.training.datasets import ImageData
from hypertune.training.fused.engine import Engine
from hypertune.training.fused.network import grouped, sliced
from hypertune.training.fused.together import Together
from hypertune.training.fused.together import _validate as validate
from hypertune.training.loop import TrainingLoop

EPOCHS = 3


def make(data: ImageData, kind: str, config: dict[str, Any], seed: int = 0, **options: Any) -> TrainingLoop:
    torch.set_num_threads(1)
    return TrainingLoop(kind, {"device": "cpu", "batch_size": 16, **config}, data, seed=seed, **options)


def close(fused: list[dict[str, float]], alone: list[dict[str, float]]) -> None:
    for ours, theirs in zip(fused, alone, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)


def close_enough(mix: str, kind: str, fused: list[dict[str, float]], alone: list[dict[str, float]]) -> None:
    """Within rounding; with batch norm, rounding can decide which pixel of a pooled square is the largest.

    A loop whose initial weights are changed in their last digit then differs by 3e-4 after three epochs of the digits.
    """
    if (mix, kind) != ("norms", "cnn"):
        return close(fused, alone)
    for ours, theirs in zip(fused, alone, strict=True):
        losses = [name for name in theirs if name.endswith("_loss")]
        assert [ours[name] for name in losses] == pytest.approx([theirs[name] for name in losses], rel=3e-3)
    return None


MIXES: dict[str, list[dict[str, Any]]] = {
    "optimizers": [{"optimizer": o, "lr": lr, "weight_decay": wd} for o in ("adam", "adamw", "sgd", "rmsprop")
                   for lr, wd in ((1e-3, 0.0), (3e-3, 0.01))],
    "momentum": [{"optimizer": "sgd", "lr": 0.01, "momentum": m} for m in (0.0, 0.5, 0.9)],
    "schedules": [{"lr_schedule": s} for s in ("none", "cosine", "step")],
    "dropout": [{"dropout": d} for d in (0.0, 0.2, 0.5)],
    "widths": [{"units1": a, "units2": b} for a, b in ((8, 24), (32, 5), (17, 17))],
    # Not with Adam: a bias before a batch norm has a gradient of rounding errors only, which Adam scales to full steps.
    "norms": [{"norm": n, "units1": u, "optimizer": "sgd", "lr": 0.01} for n in ("none", "batch", "layer")
              for u in (9, 16)],
    "batches": [{"batch_size": b} for b in (16, 11, 5)],
}  # fmt: skip


@pytest.mark.parametrize("kind", ["cnn", "mlp"])
@pytest.mark.parametrize("mix", MIXES)
def test_each_has_the_curve_that_it_has_alone(few_digits: ImageData, kind: str, mix: str) -> None:
    configs = MIXES[mix]
    if kind == "cnn":
        configs = [{"filters": 3 + 2 * number, **config} for number, config in enumerate(configs)]
    alone = [make(few_digits, kind, config, seed) for seed, config in enumerate(configs)]
    loops = [make(few_digits, kind, config, seed) for seed, config in enumerate(configs)]
    together = Together()
    for _ in range(EPOCHS):
        close_enough(mix, kind, together.train_epoch(loops), [loop.train_epoch() for loop in alone])
    close_enough(mix, kind, [loop.evaluate("test") for loop in loops], [loop.evaluate("test") for loop in alone])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_a_trial_goes_on_alone_or_in_other_company_from_its_state(few_digits: ImageData, optimizer: str) -> None:
    norm = "batch" if optimizer == "sgd" else "layer"
    config = {"optimizer": optimizer, "norm": norm, "dropout": 0.3, "lr_schedule": "cosine"}
    alone = make(few_digits, "mlp", config, 3)
    expected = [alone.train_epoch() for _ in range(4)]
    together, ours, other = Together(), make(few_digits, "mlp", config, 3), make(few_digits, "mlp", config, 4)
    close([together.train_epoch([other, ours])[1], together.train_epoch([ours])[0]], expected[:2])
    resumed = make(few_digits, "mlp", config, 9)
    resumed.load_state_dict(ours.state_dict())
    close([resumed.train_epoch()], expected[2:3])
    again = make(few_digits, "mlp", config, 9)
    again.load_state_dict(resumed.state_dict())
    close([together.train_epoch([other, make(few_digits, "mlp", config, 5), again])[2]], expected[3:])


@pytest.mark.parametrize("after", ["adam", "sgd", "rmsprop"])
def test_another_optimizer_begins_anew_as_it_does_alone(few_digits: ImageData, after: str) -> None:
    """As under a scheduler that perturbs choices: a trial goes on from another's state, with another optimizer."""
    before = "adam" if after == "sgd" else "sgd"
    alone, ours = ([make(few_digits, "mlp", {"optimizer": before, "lr": 0.01}, seed) for seed in (0, 1)] for _ in "ab")
    together = Together()
    close(together.train_epoch(ours), [loop.train_epoch() for loop in alone])
    for first, second in (alone, ours):
        second.load_state_dict(first.state_dict())
        second.change({"device": "cpu", "batch_size": 16, "optimizer": after, "lr": 0.001})
    for _ in range(2):
        close(together.train_epoch(ours), [loop.train_epoch() for loop in alone])


def test_passes_that_end_at_different_steps(few_digits: ImageData) -> None:
    options = {"steps_per_epoch": 4}
    alone = [make(few_digits, "mlp", {"norm": "batch", "optimizer": "sgd"}, seed, **options) for seed in (0, 1)]
    loops = [make(few_digits, "mlp", {"norm": "batch", "optimizer": "sgd"}, seed, **options) for seed in (0, 1)]
    together = Together()
    close(together.train_epoch(loops[:1]), [alone[0].train_epoch()])
    for _ in range(4):
        close(together.train_epoch(loops), [loop.train_epoch() for loop in alone])


def test_with_adam_and_batch_norm_rounding_grows_but_stays_small(few_digits: ImageData) -> None:
    alone, ours = (make(few_digits, "cnn", {"norm": "batch", "filters": 7}) for _ in range(2))
    together = Together()
    for _ in range(EPOCHS):
        assert together.train_epoch([ours])[0] == pytest.approx(alone.train_epoch(), rel=1e-3)


@pytest.mark.filterwarnings("error:training without")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cnn", "mlp"])
def test_the_compiler_takes_the_whole_step_and_changes_no_number(few_digits: ImageData, kind: str) -> None:
    """Traced and differentiated by torch's compiler, but not made into kernels, which takes a minute on a processor."""
    configs: list[dict[str, Any]] = [{"norm": "batch", "optimizer": "sgd"}, {"norm": "layer", "dropout": 0.3}]
    small = {"filters": 3, "blocks": 1} if kind == "cnn" else {}
    for config in configs[: None if kind == "mlp" else 1]:
        losses = []
        for compiled in (False, True):
            loops = [make(few_digits, kind, {**config, **small, "lr": 0.01 * (seed + 1)}, seed) for seed in (0, 1)]
            rates, batches = zip(*(loop.begin_epoch() for loop in loops), strict=True)
            engine = Engine(loops, 2, slices=True)
            if compiled:
                engine.compile("aot_eager")
            engine.load(loops, rates)
            engine.begin([own[:2] for own in batches])
            engine.step(0, loops)
            engine.step(1, loops)
            losses.append((engine.loss.tolist(), engine.hits.tolist()))
        assert losses[0] == losses[1]


@pytest.mark.filterwarnings("ignore:training without torch's compiler")
def test_what_cannot_be_compiled_is_trained_as_before(few_digits: ImageData) -> None:
    def broken(graph: Any, inputs: Any) -> Any:
        raise OSError("no compiler here\nat all")

    loops = [make(few_digits, "mlp", {})]
    engine = Engine(loops, 1)
    with pytest.warns(RuntimeWarning, match="training without torch's compiler, which is slower: .*no compiler here"):
        engine.compile(broken)
    (rate,), (batches,) = zip(*(loop.begin_epoch() for loop in loops), strict=True)
    engine.load(loops, [rate])
    engine.begin([batches])
    engine.step(0, loops)
    assert engine.images.tolist() == [16]
    assert math.isfinite(float(engine.loss))


def test_divergence_harms_no_other(digits: ImageData) -> None:
    configs = [{"lr": 0.01}, {"lr": 1e30}, {"lr": 0.02}]
    alone = [make(digits, "mlp", {"optimizer": "sgd", **config}) for config in configs]
    loops = [make(digits, "mlp", {"optimizer": "sgd", **config}) for config in configs]
    results, expected = Together().train_epoch(loops), [loop.train_epoch() for loop in alone]
    close([results[0], results[2]], [expected[0], expected[2]])
    assert not math.isfinite(results[1]["train_loss"])
    assert results[1]["train_accuracy"] == expected[1]["train_accuracy"]


@pytest.mark.parametrize("kind", ["cnn", "mlp"])
def test_a_kept_stack_passes_nothing_on_to_the_next_models(few_digits: ImageData, kind: str) -> None:
    """As on a GPU, where an engine stays; a narrower model takes the place of one that diverged."""
    wide = {"norm": "batch", "optimizer": "sgd", "units1": 16, **({"filters": 6} if kind == "cnn" else {})}
    narrow = {**wide, "units1": 6, **({"filters": 3} if kind == "cnn" else {})}

    def epoch(engine: Engine, loops: list[TrainingLoop]) -> list[dict[str, float]]:
        rates, batches = zip(*(loop.begin_epoch() for loop in loops), strict=True)
        engine.load(loops, rates)
        engine.begin(batches)
        for number in range(len(batches[0])):
            engine.step(number, loops)
        return validate(engine, loops)

    first, diverging, healthy, twin = (
        make(few_digits, kind, config) for config in (wide, {**wide, "lr": 1e30}, narrow, narrow)
    )
    engine = Engine([first, diverging], 2)
    assert math.isnan(epoch(engine, [first, diverging])[1]["valid_loss"])
    expected = twin.train_epoch()
    found = epoch(engine, [first, healthy])[1]
    assert found == pytest.approx({name: expected[name] for name in found}, rel=3e-3)


def test_both_convolutions_are_the_same() -> None:
    x, weight, bias = torch.randn(3, 4, 2, 7, 6), torch.randn(3, 5, 2, 3, 3), torch.randn(3, 5)
    for padding in (0, 1):
        torch.testing.assert_close(
            grouped(x, weight, bias, padding), sliced(x, weight, bias, padding), rtol=1e-4, atol=1e-5
        )
