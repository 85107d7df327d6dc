"""Calls what `kernels.c` computes; it is compiled when the package is installed (`hatch_build.py`)."""

from __future__ import annotations

import ctypes
import functools
import platform
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from hypertune.training import KERNELS

LIBRARY = Path(__file__).with_name(KERNELS)
FUNCTIONS = {"convolve_and_pool": (5, 7), "convolve_and_pool_backward": (7, 6)}
"""How many pointers and how many numbers they take, in this order."""


@functools.cache
def available() -> bool:
    """Whether this machine can run them: any with an Arm processor, and on x86 those with AVX2."""
    if platform.machine() in ("x86_64", "AMD64") and torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        return False
    try:
        _library()
    except OSError as error:
        reason = f"the kernels cannot be used, so CNNs train at half the speed: {error}"
        warnings.warn(f"{reason}; install hypertune anew on this machine", stacklevel=2)
        return False
    return True


def convolve_and_pool(
    images: Tensor, weight: Tensor, bias: Tensor, padding: int, rectify: bool
) -> tuple[Tensor, Tensor]:
    """3x3 convolution, 2x2 max-pooling and, if told so, ReLU.

    Args:
        images: float32 [n, height, width, channels], as all tensors here without gaps.
        weight: float32 [filters, 3, 3, channels].
        bias: float32 [filters].
        padding: zeros on each side.
        rectify: whether negative values become zero.

    Returns:
        The pooled images, float32 [n, h, w, filters], and, as uint8, which position of its square each value came from;
        4 where rectification left nothing of it.
    """
    n, height, width, channels = images.shape
    shape = (n, (height + 2 * padding - 2) // 2, (width + 2 * padding - 2) // 2, len(weight))
    out, top = torch.empty(shape), torch.empty(shape, dtype=torch.uint8)
    sizes = (height, width, channels, len(weight), padding, rectify)

    def run(part: slice, _: int) -> None:
        _call("convolve_and_pool", [images[part], weight, bias, out[part], top[part]], len(images[part]), *sizes)

    _in_threads(n, run)
    return out, top


def convolve_and_pool_backward(
    gradient: Tensor, top: Tensor, images: Tensor, weight: Tensor, padding: int, *, of_images: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gradients of the weights, the bias and, if told so, the images, given that of the pooled images."""
    n, height, width, channels = images.shape
    threads = _threads(n)
    weights, biases = torch.zeros(threads, *weight.shape), torch.zeros(threads, len(weight))
    back = torch.empty_like(images) if of_images else None
    sizes = (height, width, channels, len(weight), padding)

    def run(part: slice, number: int) -> None:
        tensors = [gradient[part], top[part], images[part], weight, weights[number], biases[number]]
        to = back[part] if back is not None else None
        _call("convolve_and_pool_backward", [*tensors, to], len(images[part]), *sizes)

    _in_threads(n, run)
    return weights.sum(0), biases.sum(0), back


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(LIBRARY))
    for name, (pointers, numbers) in FUNCTIONS.items():
        getattr(library, name).argtypes = [ctypes.c_void_p] * pointers + [ctypes.c_long] * numbers
    return library


def _call(name: str, tensors: list[Tensor | None], *numbers: int) -> None:
    pointers = (None if tensor is None else tensor.data_ptr() for tensor in tensors)
    if not getattr(_library(), name)(*pointers, *numbers):
        raise MemoryError(f"{name}: no memory for one image and the weights")


def _threads(images: int) -> int:
    """As many as torch may use, and no more than there are images. The sums of a gradient depend on it."""
    return max(1, min(torch.get_num_threads(), images))


def _in_threads(images: int, run: Callable[[slice, int], None]) -> None:
    """Calls `run` with the part of the images and the number of each thread; it lets go of Python's lock."""
    threads = _threads(images)
    if threads == 1:
        return run(slice(None), 0)
    size = -(-images // threads)
    parts = [slice(start, start + size) for start in range(0, images, size)]
    list(_pool(threads).map(run, parts, range(len(parts))))
    return None


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "hypertune-kernels")
