"""Batches: none of a single image unless all are, and parts of them."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from hypertune.training.batches import Batches


@given(images=st.integers(1, 200), size=st.integers(1, 70))
def test_every_image_is_in_one_batch(images: int, size: int) -> None:
    batches = Batches.cut(torch.arange(images), size)
    assert torch.cat(list(batches)).tolist() == list(range(images))
    assert [len(batch) for batch in batches] == batches.sizes
    assert max(batches.sizes) == Batches.largest(images, size)
    assert min(batches.sizes) > 1 or size == 1 or images == 1


@given(first=st.integers(1, 40), second=st.integers(1, 40), size=st.integers(1, 9), at=st.integers(0, 50))
def test_batches_are_joined_and_parted_where_they_end(first: int, second: int, size: int, at: int) -> None:
    one, other = Batches.cut(torch.arange(first), size), Batches.cut(torch.arange(100, 100 + second), size)
    both = one + other
    expected = [batch.tolist() for batch in [*one, *other]]
    begun, rest = both[:at], both[at:]
    assert [batch.tolist() for batch in begun] == expected[:at]
    assert [batch.tolist() for batch in rest] == expected[at:]


def test_there_may_be_none() -> None:
    none = Batches.cut(torch.arange(0), 4)
    assert not none
    assert [batch.tolist() for batch in none + Batches.cut(torch.arange(3), 2)] == [[0, 1, 2]]
    assert list(none) == []
