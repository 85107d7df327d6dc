"""The images on the training device: one copy per process, shared by all trials that it trains in turn."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from numpy.typing import NDArray
from torch import Tensor

from hypertune.training.datasets import ImageData

CHUNK, CHUNK_BYTES = 4096, 1 << 26
"""Images, and bytes of their float copies, per step when computing the normalisation constants."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceImages:
    """A data set on one device. On the CPU its tensors share memory with the read-only arrays: never write to them."""

    pixels: Tensor
    """uint8 [n, channels, height, width]."""
    labels: Tensor
    """int64 [n]."""
    splits: dict[str, Tensor]
    """Indices, int64, of `train`, `valid` and `test`."""
    mean: Tensor
    """float32 [1, channels, 1, 1]: mean of the training split, in units of the pixels' 0 to 255."""
    scale: Tensor
    """float32 [1, channels, 1, 1]: 1 / standard deviation of the training split; 1 for a constant channel."""

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised float32 images [b, channels, height, width] in channels_last layout, and their labels [b]."""
        # index_select copies whole images at once; indexing with [] is five times as slow.
        images = self.pixels.index_select(0, index).float().sub_(self.mean).mul_(self.scale)
        return images.contiguous(memory_format=torch.channels_last), self.labels.index_select(0, index)


_cache: WeakKeyDictionary[ImageData, dict[torch.device, DeviceImages]] = WeakKeyDictionary()


def device_images(data: ImageData, device: torch.device) -> DeviceImages:
    """The data set on that device; copied, and its constants computed, once per process."""
    devices = _cache.setdefault(data, {})
    if device not in devices:
        devices[device] = _load(data, device)
    return devices[device]


def _load(data: ImageData, device: torch.device) -> DeviceImages:
    pixels = _shared(data.images)
    train = _shared(data.train)
    mean, scale = _constants(pixels, train)
    return DeviceImages(
        pixels=pixels.to(device),
        labels=_shared(data.labels).to(device),
        splits={"train": train.to(device), "valid": _on(data.valid, device), "test": _on(data.test, device)},
        mean=mean.to(device),
        scale=scale.to(device),
    )


def _on(array: NDArray[Any], device: torch.device) -> Tensor:
    return _shared(array).to(device)


def _shared(array: NDArray[Any]) -> Tensor:
    """The array as a tensor, without a copy."""
    with warnings.catch_warnings():
        # torch warns that writing to it would be undefined; nothing here writes to it.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writ")
        return torch.from_numpy(array)


def _constants(pixels: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    """Mean, and 1 / standard deviation, of each channel over the training split."""
    channels = pixels.shape[1]
    total = torch.zeros(channels, dtype=torch.float64)
    squares = torch.zeros(channels, dtype=torch.float64)
    for index in torch.split(train, min(CHUNK, max(CHUNK_BYTES // (4 * pixels[0].numel()), 1))):
        chunk = pixels.index_select(0, index).float()
        total += chunk.sum((0, 2, 3)).double()
        squares += chunk.square_().sum((0, 2, 3)).double()
    values = train.numel() * pixels[0, 0].numel()
    mean = total / values
    variance = squares / values - mean.square()
    std = variance.clamp(min=0).sqrt()
    scale = torch.where(std < 1e-3, torch.ones_like(std), 1 / std)
    return mean.float().view(1, -1, 1, 1), scale.float().view(1, -1, 1, 1)
