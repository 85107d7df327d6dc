"""The training loop: one model, one data set, one epoch at a time. Independent of Ray."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from hypertune.training.batches import Batches
from hypertune.training.datasets import ImageData
from hypertune.training.hardware import choose_device, choose_precision
from hypertune.training.hyperparameters import read_hyperparameters
from hypertune.training.images import device_images
from hypertune.training.memory import keep_freed_memory
from hypertune.training.networks import build_model, fill
from hypertune.training.optimisation import flatten_parameters, learning_rate, make_optimizer, plain_step
from hypertune.training.randomness import Randomness
from hypertune.training.running import Running

SETTLE_EVERY = 16
"""Batches between two checks that the loss is still finite."""
EVALUATION_BATCH = 512
"""Images per batch of an evaluation; larger batches do not fit a CPU's cache and are slower."""


class TrainingLoop:
    """Trains one configuration.

    On a CPU the same arguments and number of threads give the same numbers, regardless of earlier work in the process.

    Attributes:
        hyperparameters: the configuration, checked and with defaults filled in.
        device: the device it trains on.
        model: maps normalised images to logits.
        images: the data set on the device.
        epoch: epochs trained so far.
        dtype: type of the arithmetic; weights are float32.
        randomness: random state of dropout and of the order of the images.
        vector: all parameters of the model, which are views of it.
        optimizer: of torch, for `vector`.
    """

    def __init__(
        self,
        kind: str,
        config: Mapping[str, Any],
        data: ImageData,
        *,
        seed: int = 0,
        max_epochs: int = 10,
        steps_per_epoch: int | None = None,
        many: bool = False,
    ) -> None:
        """
        Args:
            kind: kind of model, `cnn` or `mlp`.
            config: hyperparameters; see `hypertune.training.hyperparameters`.
            data: the data set; never modified.
            seed: seed of the initial weights, the order of the images, and dropout.
            max_epochs: horizon of the learning rate schedule; training may continue beyond it.
            steps_per_epoch: batches per epoch; each epoch continues in the training data where the last one ended.
                None makes every epoch one pass.
            many: whether it is one of many that are trained together; see `choose_precision`.

        Raises:
            ValueError: for a hyperparameter that is unknown or not allowed, or a device that does not exist.
        """
        self.kind = kind
        self.hyperparameters = h = read_hyperparameters(kind, config)
        self.data = data
        self.max_epochs = max_epochs
        self.steps_per_epoch = steps_per_epoch
        self.epoch = 0
        self._unused: dict[str, Any] | None = None  # a loaded state of another optimizer, until the next epoch
        self.device = choose_device(h.device)
        self.dtype = choose_precision(h.precision, self.device, many=many)
        keep_freed_memory()
        self.images = device_images(data, self.device)
        # The batches of the current pass that are left for the next epoch.
        self._ahead = self._cut(self.images.splits["train"][:0])
        self.randomness = Randomness(seed, self.device)
        self._build(config)

    def _build(self, config: Mapping[str, Any]) -> None:
        with self.randomness.active():
            shape = self.data.images.shape
            model = build_model(self.kind, config, (shape[1], shape[2], shape[3]), len(self.data.classes))
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.vector = flatten_parameters(self.model)
        self.optimizer = make_optimizer(self.hyperparameters, self.vector)
        self._step = plain_step(self.optimizer)

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return self.vector.numel()

    def train_epoch(self) -> dict[str, float]:
        """Trains one epoch, then validates.

        An epoch ends early when the loss is no longer finite, and reports that loss.

        Returns:
            `train_loss` and `train_accuracy`, measured on each batch just before its step, `valid_loss`,
            `valid_accuracy` and `lr`.
        """
        lr, batches = self.begin_epoch()
        self.model.train()
        with self.randomness.active():
            loss, accuracy = self._train(batches)
        return {"train_loss": loss, "train_accuracy": accuracy, **self.evaluate("valid"), "lr": lr}

    def begin_epoch(self) -> tuple[float, Batches]:
        """Begins the next epoch without training it; returns its learning rate and its batches."""
        self.epoch += 1
        self._unused = None
        lr = learning_rate(self.hyperparameters, self.epoch, self.max_epochs)
        self.optimizer.param_groups[0]["lr"] = lr
        return lr, self._next_batches()

    def evaluate(self, split: str) -> dict[str, float]:
        """Mean loss and accuracy on the `train`, `valid` or `test` split, as `<split>_loss` and `<split>_accuracy`."""
        self.model.eval()
        index = self.images.splits[split]
        loss = hits = 0.0
        with torch.inference_mode():
            for part in torch.split(index, EVALUATION_BATCH):
                images, labels = self.images.batch(part)
                logits = self._logits(images)
                loss += F.cross_entropy(logits, labels, reduction="sum").item()
                hits += logits.argmax(1).eq(labels).sum().item()
        return {f"{split}_loss": loss / len(index), f"{split}_accuracy": hits / len(index)}

    def state_dict(self) -> dict[str, Any]:
        """The state from which training continues with identical numbers; a copy, in plain values and tensors."""
        return {
            "epoch": self.epoch,
            "model": {name: value.clone() for name, value in self.model.state_dict().items()},
            "optimizer": copy.deepcopy(self._unused or self._optimizer_state()),
            "randomness": self.randomness.state_dict(),
            "ahead": self._ahead.order.cpu() if self._ahead else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the state of `state_dict`, but keeps this loop's own hyperparameters.

        Those of the optimisation (optimizer, learning rate, decay, momentum, dropout) may differ from the saved ones.
        Another optimizer than the saved one begins anew, without moments, from the saved weights.

        Raises:
            ValueError, RuntimeError: if the model has a different shape.
        """
        self.epoch = state["epoch"]
        fill(self.model, state["model"])
        saved, own = state["optimizer"], self._optimizer_state()
        same = saved.get("kind", own["kind"]) == own["kind"]  # checkpoints of earlier versions lack it
        # Kept where it is of no use, since `change` may return to that optimizer before the next epoch.
        self._unused = None if same else copy.deepcopy(saved)
        # The groups hold hyperparameters, and the saved ones must not replace this loop's.
        self.optimizer.load_state_dict({**own, "state": saved["state"] if same else {}})
        self.randomness.load_state_dict(state["randomness"])
        ahead = state["ahead"]
        self._ahead = self._cut(self.images.splits["train"][:0] if ahead is None else ahead.to(self.device))

    def change(self, config: Mapping[str, Any]) -> None:
        """Changes the hyperparameters; the shape of the model must stay the same.

        Another optimizer begins anew, as in `load_state_dict`.

        Raises:
            ValueError, RuntimeError: if one is not allowed, or would change the model's shape.
        """
        state = self.state_dict()
        self.hyperparameters = read_hyperparameters(self.kind, config)
        self._build(config)
        self.load_state_dict(state)

    def _optimizer_state(self) -> dict[str, Any]:
        """The state of torch's optimizer, and which one it is."""
        return {"kind": self.hyperparameters.optimizer, **self.optimizer.state_dict()}

    def _next_batches(self) -> Batches:
        """The batches of the next epoch."""
        if self.steps_per_epoch is None:
            return self._shuffled()
        while len(self._ahead) < self.steps_per_epoch:
            self._ahead += self._shuffled()
        batches, self._ahead = self._ahead[: self.steps_per_epoch], self._ahead[self.steps_per_epoch :]
        return batches

    def _shuffled(self) -> Batches:
        """The training split's indices in random order, divided into batches."""
        train = self.images.splits["train"]
        # Drawn on the CPU whatever the device, so that a seed gives the same order everywhere.
        return self._cut(train[torch.randperm(len(train), generator=self.randomness.order).to(self.device)])

    def _cut(self, order: Tensor) -> Batches:
        return Batches.cut(order, self.hyperparameters.batch_size)

    def _train(self, batches: Batches) -> tuple[float, float]:
        """Loss and accuracy, both means over the images."""
        running = Running()
        for number, index in enumerate(batches, 1):
            images, labels = self.images.batch(index)
            logits = self._logits(images)
            loss = F.cross_entropy(logits, labels)
            self.vector.grad.zero_()  # type: ignore[union-attr]
            torch.autograd.backward(loss)
            self._step()
            running.add(loss, logits, labels)
            if number % SETTLE_EVERY == 0 and not running.settle():
                break
        return running.means()

    def _logits(self, images: Tensor) -> Tensor:
        with arithmetic(self.device, self.dtype):
            logits: Tensor = self.model(images)
        return logits.float()


def arithmetic(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """A context in which layers compute in `dtype`."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)
