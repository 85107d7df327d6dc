"""Trains the next epoch of several loops at once, with the numbers that each would have alone."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from hypertune.training.batches import Batches
from hypertune.training.fused.engine import Engine, mixable
from hypertune.training.fused.layout import largest
from hypertune.training.loop import EVALUATION_BATCH, SETTLE_EVERY, TrainingLoop

EVALUATED_AT_ONCE = 8192
"""Images times models in one batch of an evaluation on a GPU; more is hardly faster and takes gigabytes."""
MOST_KEPT = 8
"""Engines that are kept for the next epoch on a GPU, where capturing a step takes seconds."""
COMPILE_AFTER_S = 15.0
"""Seconds of training after which a step is compiled, on a GPU: about what that takes on an H100, where 64 models then
train twice as fast. So it never doubles a group's time, whatever the number of epochs to come."""

Begun = tuple[float, Batches]
"""What `TrainingLoop.begin_epoch` returns."""
Outcome = dict[str, float] | torch.OutOfMemoryError
"""What becomes of a loop's epoch."""


class Together:
    """Trains loops together; keeps what was built for an epoch while the group stays the same.

    In fp32 on a CPU, a loop's results differ from those of `TrainingLoop.train_epoch` by rounding only: weights, order
    of the images and dropout are the same. Rounding decides, for instance, which of two equal pixels is the larger of a
    pooled square, or Adam's step for a bias before a batch norm, whose gradient is zero but for rounding; then results
    differ as those of two loops do whose initial weights differ in the last digit. On CUDA dropout comes from torch's
    global generator, for all loops at once, and the epoch of a loop that diverges does not end early.

    Args:
        compile_after_s: see `COMPILE_AFTER_S`.
    """

    def __init__(self, compile_after_s: float = COMPILE_AFTER_S) -> None:
        self._compile_after_s = compile_after_s
        self._kept: dict[Any, Engine] = {}
        self._most: dict[Any, int] = {}
        """How many of a group the GPU's memory has room for, where that has been found out."""

    def train_epoch(self, loops: Sequence[TrainingLoop]) -> list[dict[str, float]]:
        """Trains one epoch of each loop; the results are those of `TrainingLoop.train_epoch`, in the same order.

        Raises:
            torch.OutOfMemoryError: if a loop is too large for the GPU even by itself.
        """
        return [_metrics(outcome) for outcome in self.outcomes(loops)]

    def outcomes(self, loops: Sequence[TrainingLoop]) -> list[Outcome]:
        """As `train_epoch`, but with the exception in place of the results of a loop that is too large.

        That loop cannot go on; the others can.
        """
        begun = [loop.begin_epoch() for loop in loops]
        groups: dict[Any, list[int]] = {}
        for number, (loop, (_, batches)) in enumerate(zip(loops, begun, strict=True)):
            groups.setdefault(mixable(loop, len(batches)), []).append(number)
        results: dict[int, Outcome] = {}
        for key, members in groups.items():
            trained = self._train_parts(key, [loops[n] for n in members], [begun[n] for n in members])
            results.update(zip(members, trained, strict=True))
        return [results[number] for number in range(len(loops))]

    def _train_parts(self, key: Any, loops: Sequence[TrainingLoop], begun: Sequence[Begun]) -> list[Outcome]:
        """Trains a group, in as few parts as the GPU's memory has room for."""
        results: list[Outcome] = []
        while left := len(loops) - len(results):
            part = slice(len(results), len(results) + min(self._most.get(key, left), left))
            trained = self._tried(key, loops[part], begun[part])
            if isinstance(trained, str):
                if (count := part.stop - part.start) > 1:
                    self._halve(key, count)
                    continue
                trained = self._tried(key, loops[part], begun[part])  # the kept engines of other groups are gone now
            if isinstance(trained, str):
                self._most.pop(key, None)  # it tells nothing of the others, which may be much smaller
                reason = f"the GPU's memory has no room for this configuration, even by itself: {trained}"
                results.append(torch.OutOfMemoryError(reason))
            else:
                results += trained
        return results

    def _tried(self, key: Any, loops: Sequence[TrainingLoop], begun: Sequence[Begun]) -> list[dict[str, float]] | str:
        """What `_train` returns, or torch's message if the memory has no room; the loops are then as they were."""
        try:
            return self._train(key, loops, *zip(*begun, strict=True))
        except torch.OutOfMemoryError as error:
            reason = str(error)
        # Only now, since the exception holds on to the memory.
        self._kept.clear()
        torch.cuda.empty_cache()
        return reason

    def _halve(self, key: Any, count: int) -> None:
        """Trains half of a group at a time from now on."""
        self._most[key] = count // 2
        warnings.warn(
            f"the GPU's memory has no room for {count} configurations together; {count // 2} are trained at a time",
            RuntimeWarning,
            stacklevel=2,
        )

    def _train(
        self, key: Any, loops: Sequence[TrainingLoop], rates: Sequence[float], batches: Sequence[Batches]
    ) -> list[dict[str, float]]:
        begun = time.perf_counter()
        engine = self._engine(key, loops)
        if engine.device.type == "cuda" and not engine.compiled and engine.seconds >= self._compile_after_s:
            engine.compile()  # now that its weights are still in the loops
        engine.load(loops, rates)
        ended: dict[int, tuple[float, float]] = {}
        engine.begin(batches)
        for number in range(1, len(batches[0]) + 1):
            engine.step(number - 1, loops)
            if number % SETTLE_EVERY == 0 and engine.device.type != "cuda":
                self._settle(engine, loops, ended)
                if len(ended) == len(loops):
                    break
        validated = _validate(engine, loops)
        results = []
        for number, (loop, rate) in enumerate(zip(loops, rates, strict=True)):
            if number not in ended:
                engine.store(number, loop)
            loss, accuracy = ended.get(number) or _means(engine, number)
            results.append({"train_loss": loss, "train_accuracy": accuracy, **validated[number], "lr": rate})
        engine.seconds += time.perf_counter() - begun
        return results

    def _settle(self, engine: Engine, loops: Sequence[TrainingLoop], ended: dict[int, tuple[float, float]]) -> None:
        """Ends the epoch of loops whose loss is no longer finite, with the state that they have now."""
        for number in (~torch.isfinite(engine.loss[: len(loops)])).nonzero().flatten().tolist():
            if number not in ended:
                ended[number] = _means(engine, number)
                engine.store(number, loops[number])

    def _engine(self, key: Any, loops: Sequence[TrainingLoop]) -> Engine:
        if loops[0].device.type != "cuda":
            return Engine(loops, len(loops))
        capacity = 2 ** math.ceil(math.log2(len(loops)))
        shapes = tuple(largest([loop.model for loop in loops]))
        engine = self._kept.pop((key, capacity, shapes), None) or Engine(loops, capacity)
        self._kept[key, capacity, shapes] = engine  # the last used is last
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return engine


def _validate(engine: Engine, loops: Sequence[TrainingLoop]) -> list[dict[str, float]]:
    images = loops[0].images
    index = images.splits["valid"]
    loss = torch.zeros(len(engine.share), dtype=torch.float64, device=engine.device)
    hits = torch.zeros_like(loss)
    at_once = EVALUATED_AT_ONCE if engine.device.type == "cuda" else EVALUATION_BATCH
    size = max(at_once // len(engine.share), 32)
    for part in torch.split(index, size):
        labels = images.labels.index_select(0, part)
        logits = engine.logits(part)
        every = labels.expand(len(logits), -1)
        losses = F.cross_entropy(logits.flatten(0, 1), every.flatten(), reduction="none").view_as(every)
        loss += losses.double().sum(1)
        hits += (logits.argmax(2) == every).sum(1)
    return [
        {"valid_loss": a, "valid_accuracy": b}
        for a, b in zip((loss / len(index)).tolist(), (hits / len(index)).tolist(), strict=True)
    ][: len(loops)]


def _metrics(outcome: Outcome) -> dict[str, float]:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _means(engine: Engine, number: int) -> tuple[float, float]:
    images = int(engine.images[number])
    return float(engine.loss[number]) / images, int(engine.hits[number]) / images
