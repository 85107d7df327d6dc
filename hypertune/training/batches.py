"""The batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Batches:
    """Some images in order, divided into batches.

    One tensor rather than one for each batch, of which an epoch of many models together has tens of thousands.

    Attributes:
        order: indices of the images, int64.
        sizes: how many of them each batch has.
    """

    order: Tensor
    sizes: list[int]

    @staticmethod
    def largest(images: int, size: int) -> int:
        """How many images the largest batch has if so many are divided by `cut`."""
        return size + 1 if images % size == 1 < size < images else min(size, images)

    @classmethod
    def cut(cls, order: Tensor, size: int) -> Batches:
        """Batches of `size` images; the last may be smaller, but has two at least unless all have one."""
        sizes = [size] * (len(order) // size)
        if rest := len(order) % size:
            sizes.append(rest)
        if len(sizes) > 1 and sizes[-1] == 1 < size:
            # Batch normalisation cannot train on a single image, so it joins the previous batch.
            sizes[-2:] = [size + 1]
        return cls(order, sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(torch.split(self.order, self.sizes))

    def __getitem__(self, part: slice) -> Batches:
        ends = [0, *accumulate(self.sizes)]
        first, last, _ = part.indices(len(self))
        return Batches(self.order[ends[first] : ends[max(first, last)]], self.sizes[first:last])

    def __add__(self, other: Batches) -> Batches:
        return Batches(torch.cat((self.order, other.order)), self.sizes + other.sizes)
