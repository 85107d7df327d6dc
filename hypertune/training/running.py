"""Accumulates the loss and accuracy of an epoch during training, without a second pass over the images."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Running:
    """Collects the loss and accuracy of batches and sums them now and then.

    Summing waits for a GPU, and on a CPU costs as much for one batch as for many.
    """

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._logits: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._loss = self._hits = 0.0
        self._images = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Adds a batch: its mean loss, logits [n, classes] and labels [n]."""
        self._losses.append(loss.detach())
        self._logits.append(logits.detach())
        self._labels.append(labels)

    def settle(self) -> bool:
        """Sums what was collected since the last call; returns whether the loss is still finite."""
        sizes = torch.tensor([len(labels) for labels in self._labels], dtype=torch.float64)
        self._loss += float((torch.stack(self._losses).cpu() * sizes).sum())
        self._hits += int((torch.cat(self._logits).argmax(1) == torch.cat(self._labels)).sum())
        self._images += int(sizes.sum())
        for collected in (self._losses, self._logits, self._labels):
            collected.clear()
        return math.isfinite(self._loss)

    def means(self) -> tuple[float, float]:
        """Loss and accuracy, means over the images."""
        if self._labels:
            self.settle()
        return self._loss / self._images, self._hits / self._images
