"""Chooses the device and the precision of the training."""

from __future__ import annotations

import torch


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is cuda if available, else mps, else the CPU.

    Raises:
        ValueError: if this machine, or this process, has no such device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    if not available[name]:
        raise ValueError(
            f"hyperparameter device = {name!r}: this process sees no such device; use 'auto', or give each trial a GPU "
            "with gpus_per_trial"
        )
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The type of the arithmetic; `auto` is bf16 on a GPU that supports it, else fp32.

    On CPUs bf16 must be requested: it has not been shown to preserve accuracy.

    Raises:
        ValueError: if the device does not support bf16.
    """
    has_bf16 = device.type == "cpu" or (device.type == "cuda" and torch.cuda.is_bf16_supported())
    if name == "auto":
        return torch.bfloat16 if has_bf16 and device.type == "cuda" else torch.float32
    if name == "bf16" and not has_bf16:
        raise ValueError(f"hyperparameter precision = 'bf16': {device.type} lacks it here; use 'auto' or 'fp32'")
    return torch.bfloat16 if name == "bf16" else torch.float32
