"""States as bytes: nothing is lost, and nothing in them is executed."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hypertune.tuning.packing import packed, unpacked

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 99), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_values(value: Any) -> None:
    assert unpacked(packed(value)) == value


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "int64", "uint8", "bool", "complex64"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4)])
def test_arrays_and_tensors(kind: str, shape: tuple[int, ...]) -> None:
    array = (np.random.default_rng(0).random(shape) * 9).astype(kind)
    found = unpacked(packed({"deep": [array, torch.from_numpy(np.array(array))]}))["deep"]
    assert found[0].dtype == array.dtype
    np.testing.assert_array_equal(found[0], array)
    assert found[1].dtype == getattr(torch, kind)
    assert found[1].shape == torch.Size(shape)
    np.testing.assert_array_equal(found[1].numpy(), array)
    found[0][...] = 0  # both can be changed
    found[1].zero_()


def test_bfloat16_views_and_weights() -> None:
    weights = torch.arange(12.0).reshape(3, 4).t().to(torch.bfloat16).requires_grad_()
    found = unpacked(packed(weights))
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, weights)
    assert math.isnan(unpacked(packed(math.nan)))


@pytest.mark.parametrize("value", [2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 2**127, 2**128, -(2**127), 3**400])
def test_whole_numbers_of_any_size(value: int) -> None:
    assert unpacked(packed(value)) == value
    assert unpacked(packed({"a": [value, (value, torch.ones(2))]}))["a"][1][0] == value


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_numpys_generators_go_on(kind: Any) -> None:
    ours, restored = np.random.Generator(kind(3)), np.random.Generator(kind(4))
    ours.random(7)
    restored.bit_generator.state = unpacked(packed(ours.bit_generator.state))
    assert restored.random(5).tolist() == ours.random(5).tolist()


@pytest.mark.parametrize("value", [object(), {"a": {1, 2}.__iter__()}, np.array(["text"]), lambda: None])
def test_what_is_neither_is_named(value: Any) -> None:
    with pytest.raises(TypeError, match="is neither a plain value nor an array of numbers"):
        packed(value)


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\xc7\x03\x01abc", pickle.dumps({"x": 1}), packed([1.5, "x"])[:-1]])
def test_damaged_bytes(content: bytes) -> None:
    with pytest.raises(ValueError, match="no saved state, or a damaged one"):
        unpacked(content)
