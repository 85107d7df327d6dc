"""A convolution and the following pooling as one operation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from hypertune.training.kernels.calls import available, convolve_and_pool, convolve_and_pool_backward


class PooledConvolution(nn.Conv2d):
    """A 3x3 convolution, 2x2 max-pooling and optional ReLU; halves height and width.

    On a CPU it takes a quarter of the time of the separate operations: unpooled values are not stored, and backward
    visits only the one position of each pooled square that has a gradient.
    """

    def __init__(self, channels: int, filters: int, *, padding: int, rectify: bool) -> None:
        super().__init__(channels, filters, 3, padding=padding)
        self.rectify = rectify

    def forward(self, x: Tensor) -> Tensor:
        if self._by_kernels(x):
            out: Tensor = _Pooled.apply(x, self.weight, self.bias, self.padding[0], self.rectify)
            return out
        out = F.max_pool2d(super().forward(x), 2)
        return out.relu_() if self.rectify else out

    def _by_kernels(self, x: Tensor) -> bool:
        """Whether the kernels apply. Wrong input goes to torch, which reports it; so does a graph being exported,
        which must consist of torch's own operations.
        """
        if torch.jit.is_tracing() or torch.compiler.is_compiling():
            return False
        right = x.dim() == 4 and x.shape[1] == self.in_channels and min(x.shape[2:]) + 2 * int(self.padding[0]) >= 4
        tensors: tuple[Any, ...] = (x, self.weight, self.bias)
        # No subclasses of Tensor: some, such as torch's fake tensors, have no memory to read.
        plain = all(type(t) in (Tensor, nn.Parameter) and t.is_cpu and t.dtype == torch.float32 for t in tensors)
        return right and plain and not torch.is_autocast_enabled("cpu") and available()


class _Pooled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, padding: int, rectify: bool) -> Tensor:
        # Does not copy channels_last tensors, as a loop's model and images are.
        images, weight = (
            x.contiguous(memory_format=torch.channels_last),
            weight.contiguous(memory_format=torch.channels_last),
        )
        out, top = convolve_and_pool(images, weight, bias.contiguous(), padding, rectify)
        ctx.save_for_backward(images, weight, top)
        ctx.padding = padding
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, top = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_images: bool = ctx.needs_input_grad[0]
        weights, bias, back = convolve_and_pool_backward(
            gradient, top, images, weight, ctx.padding, of_images=of_images
        )
        return back, weights, bias, None, None
