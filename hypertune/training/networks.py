"""The built-in networks; they map normalised images [n, channels, height, width] to logits [n, classes]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from hypertune.training.hyperparameters import CNNHyperparameters, MLPHyperparameters, read_hyperparameters
from hypertune.training.kernels.pooled import PooledConvolution

UNPADDED_FROM = 6
"""Least height and width at which a convolution after the first is not padded."""


class GlobalAverage(nn.Module):
    """Mean over height and width: [n, channels, height, width] to [n, channels]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def cnn(h: CNNHyperparameters, image_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """Blocks of convolution, pooling, normalisation and ReLU; global average; two hidden dense layers.

    A block is a 3x3 convolution to `filters` channels and 2x2 max-pooling. The first convolution is padded by 1. A
    later one is padded by 1 only if its input is smaller than 6x6. Pooling is skipped once the image is one pixel. So
    28x28 becomes 14, 12, 6, 4, 2 (three blocks, as published for Fashion-MNIST) and 8x8 becomes 4, 2, 1.

    Normalisation and ReLU come after the pooling: ReLU gives the same result there at a quarter of the cost, and
    normalising pooled values works as well. `norm` applies to the convolutions, `dropout` to the hidden dense layers.
    """
    return nn.Sequential(
        *_blocks(h, image_shape),
        GlobalAverage(),
        *_dense(h.filters, (h.units1, h.units2), "none", h.dropout),
        nn.Linear(h.units2, classes),
    )


def mlp(h: MLPHyperparameters, image_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """`depth` hidden dense layers, each with normalisation, ReLU and dropout, on the flattened image."""
    channels, height, width = image_shape
    widths = [h.units1, *[h.units2] * (h.depth - 1)]
    return nn.Sequential(
        nn.Flatten(),
        *_dense(channels * height * width, widths, h.norm, h.dropout),
        nn.Linear(widths[-1], classes),
    )


def _blocks(h: CNNHyperparameters, image_shape: tuple[int, int, int]) -> Iterator[nn.Module]:
    channels, *size = image_shape
    for block in range(h.blocks):
        padding = 1 if block == 0 or min(size) < UNPADDED_FROM else 0
        size = [side - 2 + 2 * padding for side in size]
        pooled = min(size) >= 2
        rectified = pooled and h.norm == "none"
        if pooled:
            yield PooledConvolution(channels, h.filters, padding=padding, rectify=rectified)
            size = [side // 2 for side in size]
        else:
            yield nn.Conv2d(channels, h.filters, 3, padding=padding)
        yield from _norm(h.norm, h.filters, images=True)
        if not rectified:
            yield nn.ReLU(inplace=True)
        channels = h.filters


def _dense(inputs: int, widths: Sequence[int], norm: str, dropout: float) -> Iterator[nn.Module]:
    for width in widths:
        yield nn.Linear(inputs, width)
        yield from _norm(norm, width, images=False)
        yield nn.ReLU(inplace=True)
        if dropout:
            yield nn.Dropout(dropout)
        inputs = width


def _norm(kind: str, width: int, *, images: bool) -> list[nn.Module]:
    if kind == "batch":
        return [nn.BatchNorm2d(width) if images else nn.BatchNorm1d(width)]
    if kind == "layer":
        # One group over channels, height and width, with a scale and shift per channel.
        return [nn.GroupNorm(1, width) if images else nn.LayerNorm(width)]
    return []


BUILDERS: dict[str, Callable[..., nn.Module]] = {"cnn": cnn, "mlp": mlp}


def build_model(kind: str, config: Mapping[str, Any], image_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Builds a model with fresh weights, which depend only on torch's global random state.

    Args:
        kind: `cnn` or `mlp`; see the functions of that name.
        config: its hyperparameters; those of the optimisation are checked as well.
        image_shape: channels, height and width.
        classes: number of classes.

    Returns:
        A module that maps normalised images [n, channels, height, width] to logits [n, classes].

    Raises:
        ValueError: as `read_hyperparameters`.
    """
    hyperparameters = read_hyperparameters(kind, config)
    return BUILDERS[kind](hyperparameters, image_shape, classes)


def fill(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Loads a state by the order of its tensors, since layers without weights shift the names of later layers.

    Raises:
        RuntimeError: if the number or the shape of the tensors differs.
    """
    names = list(model.state_dict())
    if len(names) != len(state):
        raise RuntimeError(f"{len(state)} tensors for a model of {len(names)}")
    model.load_state_dict(dict(zip(names, state.values(), strict=True)))
