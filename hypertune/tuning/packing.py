"""Plain values, arrays and tensors as bytes that can be read without executing anything that they hold."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import msgspec
import numpy as np

ARRAY, TENSOR, INTEGER = 1, 2, 3
"""Codes of what MessagePack has no word for. Of an array or a tensor another message follows: type, shape, bytes; of a
whole number of more than 64 bits its bytes, the lowest first."""


def packed(value: Any) -> bytes:
    """`value`, of plain values, numpy arrays, torch tensors, and whatever else numpy takes for an array, as bytes.

    Raises:
        TypeError: if a part of it is neither a plain value nor an array of numbers.
        OverflowError: for a whole number of more than 64 bits that is a key or a part of an object of a class.
    """
    try:
        return msgspec.msgpack.encode(value, enc_hook=_array)
    except OverflowError:  # only then, since most states have no such number, as those of numpy's generators do
        return msgspec.msgpack.encode(_narrow(value), enc_hook=_array)


def unpacked(content: bytes) -> Any:
    """What `packed` was given; tuples have become lists, and arrays of other libraries numpy's.

    Raises:
        ValueError: if `packed` did not write it.
    """
    try:
        return msgspec.msgpack.decode(content, ext_hook=_restored)
    except (msgspec.DecodeError, msgspec.ValidationError, TypeError, AttributeError) as error:
        raise ValueError(f"no saved state, or a damaged one ({error})") from None


def _narrow(value: Any) -> Any:
    """`value` without whole numbers of more than 64 bits, for which it has their bytes."""
    if isinstance(value, dict):
        return {key: _narrow(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_narrow(part) for part in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return msgspec.msgpack.Ext(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))
    return value


def _array(value: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        plain = value.detach().cpu().contiguous()
        kind = str(plain.dtype).removeprefix("torch.")
        # As bytes, since numpy has no bfloat16; a tensor without dimensions cannot be seen as another type.
        raw = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        return msgspec.msgpack.Ext(TENSOR, msgspec.msgpack.encode([kind, list(plain.shape), raw]))
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"a {type(value).__name__} is neither a plain value nor an array of numbers")
    return msgspec.msgpack.Ext(ARRAY, msgspec.msgpack.encode([array.dtype.str, list(array.shape), array.tobytes()]))


def _restored(code: int, content: memoryview) -> Any:
    if code == INTEGER:
        return int.from_bytes(content, "little", signed=True)
    kind, shape, raw = msgspec.msgpack.decode(content)
    if code == TENSOR:
        torch: Any = import_module("torch")
        flat = torch.frombuffer(bytearray(raw), dtype=getattr(torch, kind)) if raw else torch.empty(0)
        return flat.to(getattr(torch, kind)).reshape(shape)
    return np.frombuffer(bytearray(raw), dtype=np.dtype(kind)).reshape(shape)
