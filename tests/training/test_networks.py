"""The built-in networks: shapes, sizes, numbers of parameters."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from hypertune.training.networks import build_model


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def feature_maps(model: nn.Module, size: int, channels: int = 1) -> list[int]:
    """Width of the image after each convolution, with its pooling."""
    seen: list[int] = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[3]))
    model(torch.zeros(2, channels, size, size))
    return seen


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 9, 16, 28, 32, 48, 64])
def test_the_cnn_takes_images_of_8_to_64_pixels(size: int, channels: int, norm: str) -> None:
    for blocks in (1, 2, 3, 5):
        config = {"filters": 5, "blocks": blocks, "norm": norm, "dropout": 0.1}
        model = build_model("cnn", config, (channels, size, size), 7)
        assert model(torch.randn(3, channels, size, size)).shape == (3, 7)


@pytest.mark.parametrize("shape", [(1, 8, 64), (3, 40, 9), (4, 3, 3), (1, 1, 1)])
def test_other_shapes(shape: tuple[int, int, int]) -> None:
    for kind in ("cnn", "mlp"):
        assert build_model(kind, {}, shape, 4)(torch.randn(2, *shape)).shape == (2, 4)


def test_only_the_first_convolution_is_padded_where_the_image_is_large_enough() -> None:
    assert feature_maps(build_model("cnn", {}, (1, 28, 28), 10), 28) == [14, 6, 2]
    assert feature_maps(build_model("cnn", {}, (1, 64, 64), 10), 64) == [32, 15, 6]
    assert feature_maps(build_model("cnn", {}, (1, 8, 8), 10), 8) == [4, 2, 1]
    assert feature_maps(build_model("cnn", {"blocks": 5}, (1, 8, 8), 10), 8) == [4, 2, 1, 1, 1]


@pytest.mark.parametrize(("filters", "channels", "classes"), [(14, 1, 10), (2, 1, 10), (33, 3, 3)])
def test_parameters_of_the_cnn(filters: int, channels: int, classes: int) -> None:
    convolutions = (9 * channels * filters + filters) + 2 * (9 * filters * filters + filters)
    dense = (filters * 128 + 128) + (128 * 64 + 64) + (64 * classes + classes)
    config = {"filters": filters, "units1": 128, "units2": 64}
    assert count(build_model("cnn", config, (channels, 28, 28), classes)) == convolutions + dense
    # Normalisation has a scale and a shift per filter.
    with_norm = build_model("cnn", config | {"norm": "batch"}, (channels, 28, 28), classes)
    assert count(with_norm) == convolutions + dense + 3 * 2 * filters


def test_the_published_cnn_has_14522_parameters() -> None:
    assert count(build_model("cnn", {"filters": 14, "units1": 128, "units2": 64}, (1, 28, 28), 10)) == 14_522


@pytest.mark.parametrize(("depth", "widths"), [(1, [20]), (2, [20, 5]), (4, [20, 5, 5, 5])])
def test_widths_of_the_mlp(depth: int, widths: list[int]) -> None:
    config = {"units1": 20, "units2": 5, "depth": depth, "norm": "layer", "dropout": 0.5}
    model = build_model("mlp", config, (3, 4, 4), 6)
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    assert [layer.in_features for layer in layers] == [48, *widths]
    assert layers[-1].out_features == 6
    assert sum(isinstance(module, nn.Dropout) for module in model.modules()) == depth


def test_max_pooling_before_relu_is_the_published_order() -> None:
    model = build_model("cnn", {}, (1, 28, 28), 10)
    images = torch.randn(4, 1, 28, 28)
    x = images
    for layer in [module for module in model.modules() if isinstance(module, nn.Conv2d)]:
        convolved = nn.functional.conv2d(x, layer.weight, layer.bias, padding=layer.padding)
        x = nn.functional.max_pool2d(nn.functional.relu(convolved), 2)
    x = x.mean((2, 3))
    first, second, last = (module for module in model.modules() if isinstance(module, nn.Linear))
    torch.testing.assert_close(model(images), last(second(first(x).relu()).relu()))


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [("rnn", {}, "unknown kind of model 'rnn'; known are cnn, mlp"), ("cnn", {"depth": 2}, "unknown hyperparameter")],
)
def test_bad_input(kind: str, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_model(kind, config, (1, 8, 8), 10)
