"""The training loop: same seed same numbers, resuming, divergence, and that it learns."""

from __future__ import annotations

import io
import itertools
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hypertune.training import images
from hypertune.training.datasets import ImageData
from hypertune.training.images import device_images
from hypertune.training.loop import TrainingLoop

DROPOUT = {"filters": 6, "dropout": 0.3, "norm": "batch", "lr_schedule": "cosine", "batch_size": 32}


def curve(loop: TrainingLoop, epochs: int) -> list[dict[str, float]]:
    return [loop.train_epoch() for _ in range(epochs)]


def make(data: ImageData, config: dict[str, Any], kind: str = "cnn", **options: Any) -> TrainingLoop:
    torch.set_num_threads(1)
    return TrainingLoop(kind, {"device": "cpu", **config}, data, **options)


def test_it_learns_the_digits(digits: ImageData) -> None:
    loop = make(digits, {"filters": 16, "lr": 0.01, "units1": 64, "units2": 32})
    results = curve(loop, 6)
    assert set(results[-1]) == {"train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "lr"}
    assert results[-1]["valid_accuracy"] > 0.9
    assert results[-1]["train_loss"] < results[0]["train_loss"] / 3
    assert loop.evaluate("test")["test_accuracy"] > 0.9
    assert loop.epoch == 6


def test_it_learns_fashion_mnist(fashion_mnist: ImageData) -> None:
    few = replace(fashion_mnist, train=fashion_mnist.train[:6400], valid=fashion_mnist.valid[:1000])
    (result,) = curve(make(few, {"lr": 0.002}, "mlp"), 1)
    assert result["valid_accuracy"] > 0.7


@pytest.mark.parametrize("kind", ["cnn", "mlp"])
def test_the_same_seed_gives_the_same_curve_whatever_happened_before(few_digits: ImageData, kind: str) -> None:
    config = {"dropout": 0.3, "batch_size": 32}
    first = curve(make(few_digits, config, kind, seed=3), 3)
    torch.manual_seed(99)
    torch.rand(17)
    assert curve(make(few_digits, config, kind, seed=3), 3) == first
    assert curve(make(few_digits, config, kind, seed=4), 3) != first


def test_two_loops_in_turn_do_not_disturb_each_other_nor_the_caller(few_digits: ImageData) -> None:
    alone = curve(make(few_digits, DROPOUT), 3)
    before = torch.get_rng_state()
    one, other = make(few_digits, DROPOUT), make(few_digits, DROPOUT, seed=1)
    interleaved = [(one.train_epoch(), other.train_epoch())[0] for _ in range(3)]
    assert interleaved == alone
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("kind", ["cnn", "mlp"])
def test_resuming_gives_the_same_numbers(few_digits: ImageData, kind: str, optimizer: str) -> None:
    config = {"dropout": 0.3, "norm": "batch", "lr_schedule": "cosine", "optimizer": optimizer}
    whole = make(few_digits, config, kind)
    expected = curve(whole, 4)
    begun = make(few_digits, config, kind)
    curve(begun, 2)
    file = io.BytesIO()
    torch.save(begun.state_dict(), file)
    file.seek(0)
    resumed = make(few_digits, config, kind, seed=5)  # its own random state must not matter
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert curve(resumed, 2) == expected[2:]
    assert resumed.evaluate("test") == whole.evaluate("test")


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(["adam", "adamw", "sgd", "rmsprop"], 2)))
def test_another_optimizer_begins_anew(few_digits: ImageData, before: str, after: str) -> None:
    begun = make(few_digits, {"optimizer": before, "momentum": 0.9}, "mlp")
    curve(begun, 1)
    forked = make(few_digits, {"optimizer": after}, "mlp", seed=1)
    curve(forked, 1)
    forked.load_state_dict(begun.state_dict())
    begun.change({"device": "cpu", "optimizer": after})
    fresh = make(few_digits, {"optimizer": after}, "mlp")
    fresh.load_state_dict({**begun.state_dict(), "optimizer": fresh.state_dict()["optimizer"]})
    assert curve(forked, 2) == curve(begun, 2) == curve(fresh, 2)


def test_an_optimizer_that_returns_before_the_next_epoch_has_not_been_changed(few_digits: ImageData) -> None:
    adam, sgd = ({"device": "cpu", "optimizer": name} for name in ("adam", "sgd"))
    unchanged, loop = make(few_digits, adam, "mlp"), make(few_digits, sgd, "mlp")
    curve(unchanged, 1)
    loop.load_state_dict(unchanged.state_dict())
    loop.load_state_dict(loop.state_dict())
    loop.change(adam)
    assert curve(loop, 1) == curve(unchanged, 1)
    loop.change(sgd)
    curve(loop, 1)
    loop.change(adam)
    assert not loop.optimizer.state


def test_a_state_is_a_copy(few_digits: ImageData) -> None:
    loop = make(few_digits, DROPOUT)
    loop.train_epoch()
    state = loop.state_dict()
    second = loop.train_epoch()
    loop.load_state_dict(state)
    assert loop.train_epoch() == second


def test_the_same_seed_and_shape_give_the_same_initial_weights(few_digits: ImageData) -> None:
    one = make(few_digits, {"lr": 0.1, "optimizer": "sgd"}).model.state_dict()
    other = make(few_digits, {"lr": 0.2, "batch_size": 8}).model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_running_metrics_are_means_over_the_images(few_digits: ImageData) -> None:
    # At a learning rate this low the weights do not change, so the running figures are those of an evaluation.
    loop = make(few_digits, {"lr": 1e-30, "batch_size": 50, "optimizer": "sgd"})
    result = loop.train_epoch()
    expected = loop.evaluate("train")
    assert result["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-5)
    assert result["train_accuracy"] == pytest.approx(expected["train_accuracy"])


def test_a_diverging_epoch_ends_early_with_the_loss_as_it_is(digits: ImageData, monkeypatch: Any) -> None:
    loop = make(digits, {"lr": 1e30, "optimizer": "sgd", "batch_size": 4})
    seen: list[int] = []
    batch = type(loop.images).batch

    def counted(self: Any, index: Any) -> Any:
        seen.append(len(index))
        return batch(self, index)

    monkeypatch.setattr(type(loop.images), "batch", counted)
    result = loop.train_epoch()
    assert not np.isfinite(result["train_loss"])
    assert not np.isfinite(result["valid_loss"])
    assert sum(seen) < len(digits.train) / 2


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_a_last_batch_of_one_image_joins_the_batch_before(few_digits: ImageData, extra: int) -> None:
    data = replace(few_digits, train=few_digits.train[: 64 + extra])
    loop = make(data, {"norm": "batch", "batch_size": 32}, "mlp")
    sizes = [len(batch) for batch in loop._shuffled()]
    assert sizes == {0: [32, 32], 1: [32, 33], 2: [32, 32, 2]}[extra]
    assert sorted(loop._shuffled().order.tolist()) == data.train.tolist()
    assert np.isfinite(loop.train_epoch()["train_loss"])


def test_batches_of_one_image(few_digits: ImageData) -> None:
    data = replace(few_digits, train=few_digits.train[:5])
    assert [len(batch) for batch in make(data, {"batch_size": 1})._shuffled()] == [1] * 5


def test_the_data_are_shared_never_written_and_give_no_warning(few_digits: ImageData) -> None:
    before = few_digits.images.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loops = [make(replace(few_digits), DROPOUT) for _ in range(2)]
    assert all(loop.images.pixels.data_ptr() == few_digits.images.ctypes.data for loop in loops)
    curve(loops[0], 1)
    assert np.array_equal(few_digits.images, before)


def test_constants_are_those_of_the_training_split_and_computed_once(few_digits: ImageData) -> None:
    one, other = make(few_digits, DROPOUT), make(few_digits, {})
    assert one.images is other.images
    train = few_digits.images[few_digits.train] / 1.0
    assert one.images.mean.item() == pytest.approx(train.mean(), rel=1e-5)
    assert one.images.scale.item() == pytest.approx(1 / train.std(), rel=1e-5)


def test_constants_need_no_copy_of_all_images(few_digits: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = device_images(replace(few_digits), torch.device("cpu"))
    largest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            made = func(*args, **(kwargs or {}))
            if isinstance(made, torch.Tensor) and made.is_floating_point():
                largest = max(largest, made.nbytes)
            return made

    monkeypatch.setattr(images, "CHUNK_BYTES", 3000)  # eleven images of 8x8 pixels
    with Watch():
        found = device_images(replace(few_digits), torch.device("cpu"))
    assert largest == 11 * 8 * 8 * 4
    torch.testing.assert_close((found.mean, found.scale), (expected.mean, expected.scale))
    monkeypatch.setattr(images, "CHUNK_BYTES", 1)
    found = device_images(replace(few_digits), torch.device("cpu"))
    torch.testing.assert_close((found.mean, found.scale), (expected.mean, expected.scale))


def test_a_channel_that_never_changes(few_digits: ImageData) -> None:
    constant = np.concatenate((few_digits.images, np.full_like(few_digits.images, 255)), axis=1)
    (result,) = curve(make(replace(few_digits, images=constant), {}), 1)
    assert np.isfinite(result["train_loss"])


def test_bf16(few_digits: ImageData) -> None:
    loop = make(few_digits, {"precision": "bf16", "lr": 0.01})
    results = curve(loop, 3)
    assert results[-1]["train_loss"] < results[0]["train_loss"]
    assert all(parameter.dtype == torch.float32 for parameter in loop.model.parameters())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there(few_digits: ImageData) -> None:
    with pytest.raises(ValueError, match="device = 'cuda': this process sees no such device"):
        TrainingLoop("cnn", {"device": "cuda"}, few_digits)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu(few_digits: ImageData) -> None:
    loop = TrainingLoop("cnn", {"device": "cuda", "lr": 0.01}, few_digits)
    assert loop.images.pixels.is_cuda
    results = curve(loop, 3)
    assert results[-1]["train_loss"] < results[0]["train_loss"]


def test_a_trial_is_freed_at_once(few_digits: ImageData) -> None:
    import gc
    import weakref

    gc.disable()
    try:
        loop = make(few_digits, {})
        loop.train_epoch()
        model = weakref.ref(loop.model)
        del loop
        assert model() is None
    finally:
        gc.enable()


def test_epochs_of_so_many_batches_go_through_the_data_pass_by_pass(few_digits: ImageData) -> None:
    images, config = len(few_digits.train), {"batch_size": 16}
    steps = 3
    loop = make(few_digits, config, "mlp", steps_per_epoch=steps)
    seen = torch.cat([index for _ in range(100) for index in loop._next_batches()])
    passes = -(-images // 16)
    assert len(loop._next_batches()) == steps
    whole = torch.sort(seen[:images]).values
    assert torch.equal(whole, torch.sort(loop.images.splits["train"]).values), "an image came twice before all had come"
    assert passes > steps


def test_as_many_batches_as_a_pass_has_are_the_same_as_a_pass(few_digits: ImageData) -> None:
    batches = -(-len(few_digits.train) // 32)
    assert curve(make(few_digits, DROPOUT, steps_per_epoch=batches), 3) == curve(make(few_digits, DROPOUT), 3)


def test_a_resumed_loop_goes_on_in_the_midst_of_a_pass(few_digits: ImageData) -> None:
    whole = make(few_digits, DROPOUT, steps_per_epoch=2)
    curve(whole, 3)
    buffer = io.BytesIO()
    torch.save(whole.state_dict(), buffer)
    buffer.seek(0)
    resumed = make(few_digits, DROPOUT, steps_per_epoch=2, seed=7)
    resumed.load_state_dict(torch.load(buffer, weights_only=True))
    assert curve(resumed, 4) == curve(whole, 4)
