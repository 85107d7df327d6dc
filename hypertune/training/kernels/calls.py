"""Calls what `kernels.c` computes; it is compiled when the package is installed (`build.py`)."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from hypertune.installed import DISTRIBUTION
from hypertune.training.kernels import LIBRARY_NAME, SWITCH

Result = TypeVar("Result")
LIBRARY = Path(__file__).with_name(LIBRARY_NAME)
SOURCE = Path(__file__).with_name("kernels.c")
FUNCTIONS = {"convolve_and_pool": (5, 7), "convolve_and_pool_backward": (7, 6)}
"""Number of pointers and of numbers that each function takes."""


@functools.cache
def available() -> bool:
    """Whether this machine can run them: any Arm processor, or x86 with AVX2.

    Otherwise, or if `HYPERTUNE_KERNELS=0` disables them, torch's own operations are used.
    """
    if os.environ.get(SWITCH) == "0":
        return False
    if platform.machine() in ("x86_64", "AMD64") and torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        return False
    try:
        _library()
    except OSError as error:
        reason = f"the kernels cannot be used, so CNNs train at less than half the speed: {error}"
        remedy = f"`uv sync --reinstall-package {DISTRIBUTION}` compiles them, {SWITCH}=0 silences this"
        warnings.warn(f"{reason}; {remedy}", stacklevel=2)
        return False
    return True


def convolve_and_pool(
    images: Tensor, weight: Tensor, bias: Tensor, padding: int, rectify: bool
) -> tuple[Tensor, Tensor]:
    """3x3 convolution, 2x2 max-pooling and optional ReLU.

    Args:
        images: float32 [n, channels, height, width]; like all images and weights here, in channels_last layout.
        weight: float32 [filters, channels, 3, 3].
        bias: float32 [filters].
        padding: zeros on each side.
        rectify: whether negative values become zero.

    Returns:
        The pooled images, float32 [n, filters, h, w], and as uint8 the position in its 2x2 square that each value came
        from, or 4 if ReLU made it zero.
    """
    n, channels, height, width = images.shape
    filters = len(weight)
    shape = (n, filters, (height + 2 * padding - 2) // 2, (width + 2 * padding - 2) // 2)
    out = torch.empty(shape, memory_format=torch.channels_last)
    top = torch.empty(shape, dtype=torch.uint8, memory_format=torch.channels_last)
    weights = weight.data_ptr(), bias.data_ptr()

    def run(images: Tensor, out: Tensor, top: Tensor) -> None:
        pointers = images.data_ptr(), *weights, out.data_ptr(), top.data_ptr()
        sizes = len(images), height, width, channels, filters, padding, rectify
        _check(_library().convolve_and_pool(*pointers, *sizes))

    _in_threads(run, images, out, top)
    return out, top


def convolve_and_pool_backward(
    gradient: Tensor, top: Tensor, images: Tensor, weight: Tensor, padding: int, *, of_images: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gradients of the weights, the bias and optionally the images, given the gradient of the pooled images."""
    _, channels, height, width = images.shape
    filters = len(weight)

    def run(gradient: Tensor, top: Tensor, images: Tensor, back: Tensor | None = None) -> tuple[Tensor, Tensor]:
        weights, bias = torch.zeros_like(weight), torch.zeros(filters)
        inputs = gradient.data_ptr(), top.data_ptr(), images.data_ptr(), weight.data_ptr()
        outputs = weights.data_ptr(), bias.data_ptr(), None if back is None else back.data_ptr()
        sizes = len(images), height, width, channels, filters, padding
        _check(_library().convolve_and_pool_backward(*inputs, *outputs, *sizes))
        return weights, bias

    back = torch.empty_like(images) if of_images else None
    sums = _in_threads(run, gradient, top, images, *([] if back is None else [back]))
    if len(sums) == 1:
        return *sums[0], back
    weights, biases = zip(*sums, strict=True)
    return torch.stack(weights).sum(0), torch.stack(biases).sum(0), back


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(LIBRARY))
    # In an editable installation the library may be older than its source.
    library.kernels_version.restype = ctypes.c_uint
    if library.kernels_version() != zlib.crc32(SOURCE.read_bytes()):
        raise OSError(f"{LIBRARY} was compiled from another version of {SOURCE.name}")
    for name, (pointers, numbers) in FUNCTIONS.items():
        getattr(library, name).argtypes = [ctypes.c_void_p] * pointers + [ctypes.c_long] * numbers
    return library


def _check(done: int) -> None:
    if not done:
        raise MemoryError("not enough memory to convolve one image")


def _in_threads(run: Callable[..., Result], *tensors: Tensor) -> list[Result]:
    """Calls `run` without Python's lock on the tensors' images, split among as many threads as torch may use.

    The results are in the order of the images, so that the same number of threads gives the same sums.
    """
    threads = min(torch.get_num_threads(), len(tensors[0]))
    if threads <= 1:
        return [run(*tensors)]
    return list(_pool(threads).map(run, *(tensor.chunk(threads) for tensor in tensors)))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "hypertune-kernels")
