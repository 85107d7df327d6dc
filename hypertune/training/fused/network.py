"""The built-in networks with stacked weights: [models, batch, ...] to logits [models, batch, classes]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hypertune.training.fused.layout import Weights
from hypertune.training.kernels.pooled import PooledConvolution
from hypertune.training.networks import GlobalAverage

Convolve = Callable[[Tensor, Tensor, Tensor, int], Tensor]


@dataclass(frozen=True, eq=False)
class Batch:
    """What a forward pass needs besides weights and images.

    Attributes:
        share: 1 / images of the model's own batch, [models, batch]; 0 for padding.
        masks: for each dropout layer a factor for every unit, [models, batch, units]; empty in an evaluation.
        statistics: for each batch norm its running mean and variance, each [models, channels].
        training: whether batch norm uses and updates the statistics of this batch.
    """

    share: Tensor
    masks: Sequence[Tensor]
    statistics: Sequence[tuple[Tensor, Tensor]]
    training: bool


class StackedNetwork:
    """Follows the layers of one model, which stands for all: they differ in widths only.

    Args:
        models: all of them, `nn.Sequential`s of the same layers.
        slices: whether a convolution is a batched product over nine shifted slices, faster on a GPU, instead of a
            grouped convolution.
    """

    def __init__(self, models: Sequence[nn.Module], device: torch.device, *, slices: bool) -> None:
        self._layers = list(models[0].children())
        self._convolve: Convolve = sliced if slices else grouped
        self._widths = [torch.ones(len(models), device=device) for _ in _normalised(models[0])]
        self.set_widths(models)

    def set_widths(self, models: Sequence[nn.Module]) -> None:
        """Tells layer norms the true number of channels of each model."""
        for widths, each in zip(self._widths, zip(*map(_normalised, models), strict=True), strict=True):
            widths[: len(each)] = torch.tensor(each, dtype=torch.float32)

    def __call__(self, weights: Weights, x: Tensor, batch: Batch) -> Tensor:
        """Logits of images [models, batch, channels, height, width]."""
        given, masks = iter(weights), iter(batch.masks)
        statistics, widths = iter(batch.statistics), iter(self._widths)
        for layer in self._layers:
            match layer:
                case PooledConvolution() | nn.Conv2d():
                    x = self._convolved(layer, x, given)
                case nn.Linear():
                    weight, bias = next(given), next(given)
                    x = torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))
                case nn.BatchNorm1d() | nn.BatchNorm2d():
                    x = _scaled(batch_norm(x.float(), batch, *next(statistics), layer), given)
                case nn.GroupNorm() | nn.LayerNorm():
                    x = _scaled(layer_norm(x.float(), next(widths), layer.eps), given)
                case nn.ReLU():
                    x = F.relu(x)
                case nn.Dropout():
                    x = x * next(masks) if batch.training else x
                case nn.Flatten():
                    x = x.flatten(2)
                case GlobalAverage():
                    x = x.mean((3, 4))
                case _:
                    raise AssertionError(f"no stacked form of {type(layer).__name__}")
        return x.float()

    def _convolved(self, layer: nn.Module, x: Tensor, given: Iterator[Tensor]) -> Tensor:
        padding = layer.padding[0] if isinstance(layer.padding, tuple) else layer.padding
        x = self._convolve(x, next(given), next(given), int(padding))  # type: ignore[arg-type]
        if isinstance(layer, PooledConvolution):
            x = F.max_pool2d(x.flatten(0, 1), 2).unflatten(0, x.shape[:2])
            x = F.relu(x) if layer.rectify else x
        return x


def _normalised(model: nn.Module) -> list[int]:
    """Channels of each layer norm."""
    return [layer.weight.numel() for layer in model.children() if isinstance(layer, nn.LayerNorm | nn.GroupNorm)]


def grouped(x: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
    """3x3 convolution of [models, batch, channels, height, width] as one grouped convolution (Wang et al., 2021)."""
    models = len(weight)
    x = x.transpose(0, 1).flatten(1, 2)
    x = F.conv2d(x, weight.flatten(0, 1), bias.flatten(), padding=padding, groups=models)
    out: Tensor = x.unflatten(1, (models, -1)).transpose(0, 1)
    return out


def sliced(x: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
    """The same as one batched product over nine shifted slices of the images.

    Channels come last in memory, so that slices are copied as they lie; the result has that layout, too.
    """
    x = F.pad(_as_computed(x).permute(0, 1, 3, 4, 2), (0, 0, *(padding,) * 4))
    models, batch, height, width = len(x), x.shape[1], x.shape[2] - 2, x.shape[3] - 2
    patches = torch.cat([x[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)], -1)
    kernels = weight.permute(0, 3, 4, 2, 1).flatten(1, 3)  # models, slice and channel, filters
    out = torch.baddbmm(bias[:, None], patches.view(models, batch * height * width, -1), kernels)
    return out.view(models, batch, height, width, -1).permute(0, 1, 4, 2, 3)


def _as_computed(x: Tensor) -> Tensor:
    """In the type that the next product computes in; cast before the slices, of which there are nine times as many."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


def batch_norm(x: Tensor, batch: Batch, mean: Tensor, variance: Tensor, layer: nn.Module) -> Tensor:
    """Normalises [models, batch, channels, ...] per channel over the images of each model's own batch."""
    if not batch.training:
        return (x - _per_channel(mean, x)) * _per_channel((variance + layer.eps).rsqrt(), x)  # type: ignore[operator]
    pixels = x[0, 0, 0].numel()
    share = (batch.share / pixels).view(*batch.share.shape, *(1,) * (x.dim() - 2))
    over = (1, *range(3, x.dim()))
    own = (x * share).sum(over, keepdim=True)
    spread = ((x - own).square() * share).sum(over, keepdim=True)
    with torch.no_grad():
        images = (batch.share > 0).sum(1, keepdim=True) * pixels
        momentum = float(layer.momentum)  # type: ignore[arg-type]
        unbiased = spread.flatten(1) * (images / (images - 1).clamp(min=1))
        mean.lerp_(own.flatten(1).detach(), momentum)
        variance.lerp_(unbiased, momentum)
    normalised: Tensor = (x - own) * (spread + layer.eps).rsqrt()  # type: ignore[operator]
    return normalised


def layer_norm(x: Tensor, widths: Tensor, eps: float) -> Tensor:
    """Normalises [models, batch, channels, ...] per image over each model's true number of channels.

    Padded channels are cut off before the mean, or its gradient would reach them and their weights.
    """
    shape = (len(x), 1, 1, *(1,) * (x.dim() - 3))
    values = widths.view(shape) * x[0, 0, 0].numel()
    over = tuple(range(2, x.dim()))
    true = torch.arange(x.shape[2], device=x.device).view(1, 1, -1, *shape[3:]) < widths.view(shape)
    x = x * true
    centred = (x - x.sum(over, keepdim=True) / values) * true
    return centred * (centred.square().sum(over, keepdim=True) / values + eps).rsqrt()


def _scaled(x: Tensor, given: Iterator[Tensor]) -> Tensor:
    weight, bias = next(given), next(given)
    return x * _per_channel(weight, x) + _per_channel(bias, x)


def _per_channel(values: Tensor, x: Tensor) -> Tensor:
    """Values [models, channels] in a shape that fits x [models, batch, channels, ...]."""
    return values.reshape(len(values), 1, -1, *(1,) * (x.dim() - 3))
