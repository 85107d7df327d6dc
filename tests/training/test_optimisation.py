"""Optimizers on the flattened parameters, and schedules."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from hypertune.training.hyperparameters import CNNHyperparameters, Hyperparameters
from hypertune.training.networks import build_model
from hypertune.training.optimisation import flatten_parameters, learning_rate, make_optimizer, plain_step

PLAIN = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": lambda parameters, lr, weight_decay: torch.optim.SGD(
        parameters, lr, momentum=0.9, weight_decay=weight_decay
    ),
    "rmsprop": torch.optim.RMSprop,
}


def model() -> nn.Module:
    torch.manual_seed(0)
    built = build_model("cnn", {"filters": 6, "norm": "layer"}, (3, 12, 12), 5)
    return built.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", list(PLAIN))
def test_the_flat_vector_trains_as_the_parameters_one_by_one(name: str) -> None:
    flat_model, plain_model = model(), model()
    vector = flatten_parameters(flat_model)
    h = Hyperparameters.from_config({"optimizer": name, "lr": 0.01, "weight_decay": 0.1})
    flat = make_optimizer(h, vector)
    plain = PLAIN[name](plain_model.parameters(), lr=0.01, weight_decay=0.1)  # type: ignore[operator]
    for step in range(5):
        images = torch.randn(8, 3, 12, 12, generator=torch.Generator().manual_seed(step))
        vector.grad.zero_()  # type: ignore[union-attr]
        plain.zero_grad()
        for trained, optimizer_step in ((flat_model, plain_step(flat)), (plain_model, plain.step)):
            trained(images).logsumexp(1).sum().backward()
            optimizer_step()
    for one, other in zip(flat_model.parameters(), plain_model.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_flattening_keeps_values_and_layout() -> None:
    flat_model, plain_model = model(), model()
    vector = flatten_parameters(flat_model)
    assert vector.numel() == sum(parameter.numel() for parameter in plain_model.parameters())
    for one, other in zip(flat_model.parameters(), plain_model.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.stride() == other.stride()
        assert one.untyped_storage().data_ptr() == vector.untyped_storage().data_ptr()


def test_a_process_that_trains_does_not_import_torchs_compiler() -> None:
    program = f"""
import sys
from hypertune.training.datasets import load_dataset
from hypertune.training.loop import TrainingLoop
data = load_dataset("digits")
for name in {list(PLAIN)}:
    loop = TrainingLoop("cnn", {{"optimizer": name}}, data, steps_per_epoch=2)
    loop.train_epoch()
    loop.load_state_dict(loop.state_dict())
sys.exit("torch._dynamo" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_schedules() -> None:
    def rates(schedule: str) -> list[float]:
        h = CNNHyperparameters.from_config({"lr": 1.0, "lr_schedule": schedule})
        return [learning_rate(h, epoch, 4) for epoch in range(1, 6)]

    assert rates("none") == [1.0] * 5
    assert rates("step") == pytest.approx([1.0, 1.0, 0.1, 0.01, 0.01])
    assert rates("cosine") == pytest.approx([1.0, 0.853553, 0.5, 0.146447, 0.0], abs=1e-6)
