"""One group of configurations that are trained by the same steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hypertune.training.batches import Batches
from hypertune.training.fused.layout import Stack, corner, largest
from hypertune.training.fused.network import Batch, StackedNetwork
from hypertune.training.fused.updates import STATE, Settings, update
from hypertune.training.loop import TrainingLoop, arithmetic

WARM_UP_STEPS = 3
"""Steps before a capture, as torch's notes on CUDA graphs require."""

MOST_COMPILED = 256
"""Engines of a process whose step may be compiled; torch's own limit for all compilations is as high."""


class Engine:
    """Stacked weights and one step that trains them; on CUDA the step is captured in a graph.

    Args:
        loops: one for each configuration; they agree in `mixable`.
        capacity: number of models in the stack; those without a loop are zeros and learn nothing.
        slices: how to convolve; see `StackedNetwork`. None for slices on CUDA.
    """

    def __init__(self, loops: Sequence[TrainingLoop], capacity: int, *, slices: bool | None = None) -> None:
        first = loops[0]
        self.device, self._dtype, self._images = first.device, first.dtype, first.images
        self._kind = first.hyperparameters.optimizer
        self.batch = largest_batch(first)
        models: list[nn.Module] = [loop.model for loop in loops]
        models += [first.model] * (capacity - len(loops))
        shapes = largest(models)
        self.weights = Stack(shapes, capacity, self.device)
        self._state = [Stack(shapes, capacity, self.device) for _ in STATE[self._kind]]
        self._known: dict[Any, Tensor] = {}
        self._places: list[Tensor] = []
        self._leaves = [part.detach().requires_grad_() for part in self.weights.parts]
        self._settings = Settings(capacity, self.device)
        on_cuda = self.device.type == "cuda"
        self._network = StackedNetwork(models, self.device, slices=on_cuda if slices is None else slices)
        channels = [max(each) for each in zip(*(_batch_normalised(model) for model in models), strict=True)]
        self._statistics = [_pair(capacity, count, self.device) for count in channels]
        units = [max(each) for each in zip(*(dropped(model) for model in models), strict=True)]
        self._masks = [torch.ones(capacity, self.batch, count, device=self.device) for count in units]
        self._keep = torch.ones(capacity, 1, 1, device=self.device)
        self.index = torch.zeros(capacity, self.batch, dtype=torch.long, device=self.device)
        self.share = torch.zeros(capacity, self.batch, device=self.device)
        self._order = self._shares = torch.empty(0, device=self.device)
        self._longest: list[int] = []
        self._sizes: list[list[int]] = []
        self.loss = torch.zeros(capacity, dtype=torch.float64, device=self.device)
        self.hits = torch.zeros(capacity, dtype=torch.long, device=self.device)
        self.images = torch.zeros(capacity, dtype=torch.long, device=self.device)
        self._losses = self._plain_losses
        self.seconds = 0.0
        """Seconds that were spent with this engine, as the caller counts them."""
        self.compiled = False
        self._graph: Any = None
        if on_cuda:
            try:
                self._graph = self._captured()
            except RuntimeError as error:
                if any(isinstance(one, torch.OutOfMemoryError) for one in (error, error.__context__)):
                    raise torch.OutOfMemoryError(str(error)) from error  # which the end of the capture may hide
                warnings.warn(f"training without a CUDA graph, which is slower: {error}", RuntimeWarning, stacklevel=2)

    def compile(self, backend: str | Callable[..., Any] = "inductor") -> None:
        """Has torch's compiler make fewer and larger kernels of the step, which takes it 11 to 16 s on an H100.

        Forgets the state of the stack: `load` comes next. If the step cannot be compiled, a warning says so, and it
        stays as it is.

        Args:
            backend: of `torch.compile`.
        """
        self.compiled = True  # also if it fails: it would fail again
        self._losses = torch.compile(self._plain_losses, dynamic=False, fullgraph=True, backend=backend)
        try:
            # The compiler counts what it made of this function for all engines, and gives up after eight.
            with torch.compiler.config.patch(recompile_limit=MOST_COMPILED):  # type: ignore[attr-defined]
                if self._graph:
                    self._graph = self._captured()
                else:
                    self._train()
        except Exception as error:  # noqa: BLE001 -- the compiler, triton and the C compiler raise all kinds
            self._losses = self._plain_losses
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            warnings.warn(f"training without torch's compiler, which is slower: {reason}", RuntimeWarning, stacklevel=2)

    def load(self, loops: Sequence[TrainingLoop], rates: Sequence[float]) -> None:
        """Copies the state of the loops into the stack.

        Args:
            rates: their learning rates in this epoch.
        """
        for tensor in (self.weights.flat, *(s.flat for s in self._state), self.loss, self.hits, self.images):
            tensor.zero_()
        for mean, variance in self._statistics:  # a NaN of an earlier model is one in the padding of a narrower model
            mean.zero_()
            variance.fill_(1)
        self._places = self._places_of([loop.model for loop in loops])
        for number, (loop, places) in enumerate(zip(loops, self._places, strict=True)):
            self.weights.flat[number].index_copy_(0, places, loop.vector.detach())
            state = loop.optimizer.state.get(loop.vector, {})
            for stack, name in zip(self._state, STATE[self._kind], strict=True):
                if state.get(name) is not None:
                    stack.flat[number].index_copy_(0, places, state[name])
            for (mean, variance), layer in zip(self._statistics, _batch_norms(loop.model), strict=True):
                corner(mean[number], layer.running_mean).copy_(layer.running_mean)
                corner(variance[number], layer.running_var).copy_(layer.running_var)
        hyperparameters = [loop.hyperparameters for loop in loops]
        self._settings.set(hyperparameters, rates, [steps_of(loop) for loop in loops])
        self._keep[: len(loops), 0, 0] = torch.tensor([1 - h.dropout for h in hyperparameters])
        self._network.set_widths([loop.model for loop in loops])

    def store(self, number: int, loop: TrainingLoop) -> None:
        """Copies a model's state from the stack into its loop, as if the loop had been trained by itself."""
        places = self._places[number]
        with torch.no_grad():
            loop.vector.copy_(self.weights.flat[number].index_select(0, places))
        steps = float(self._settings.steps[number])
        state: dict[str, Any] = dict(loop.optimizer.state.get(loop.vector, {}))
        for stack, name in zip(self._state, STATE[self._kind], strict=True):
            if name == "momentum_buffer" and not loop.hyperparameters.momentum:
                continue  # torch keeps none
            state[name] = stack.flat[number].index_select(0, places)
        if self._kind != "sgd":
            state["step"] = torch.tensor(steps, device=self.device if self._kind != "rmsprop" else "cpu")
        trained = steps - steps_of(loop)
        for (mean, variance), layer in zip(self._statistics, _batch_norms(loop.model), strict=True):
            layer.running_mean.copy_(corner(mean[number], layer.running_mean))
            layer.running_var.copy_(corner(variance[number], layer.running_var))
            layer.num_batches_tracked.add_(int(trained))
        loop.optimizer.state[loop.vector] = state

    def begin(self, batches: Sequence[Batches]) -> None:
        """Lays out the batches of an epoch, as many for each loop."""
        sizes = torch.tensor([own.sizes for own in batches])
        starts, within = sizes.cumsum(1) - sizes, torch.arange(int(sizes.max()))
        capacity, (loops, steps) = len(self.loss), sizes.shape
        width = self.batch if self.device.type == "cuda" else len(within)
        self._order = torch.zeros(steps, capacity, width, dtype=torch.long, device=self.device)
        self._shares = torch.zeros(steps, capacity, width, device=self.device)
        for number, own in enumerate(batches):
            place = (starts[number, :, None] + within).clamp(max=len(own.order) - 1).to(self.device)
            self._order[:, number, : len(within)] = own.order[place]
        share = torch.where(within < sizes[..., None], 1 / sizes[..., None], 0.0)
        self._shares[:, :loops, : len(within)] = share.transpose(0, 1).to(self.device)
        self._longest = sizes.amax(0).tolist()
        self._sizes = sizes.tolist()

    def step(self, number: int, loops: Sequence[TrainingLoop]) -> None:
        """Trains every model on its batch of that number, from 0."""
        if self.device.type == "cuda":
            self.index.copy_(self._order[number])
            self.share.copy_(self._shares[number])
        else:
            longest = self._longest[number]
            self.index, self.share = self._order[number, :, :longest], self._shares[number, :, :longest]
            if self._masks:
                self._masks = [mask.new_ones(len(mask), longest, mask.shape[2]) for mask in self._masks]
                for model, loop in enumerate(loops):
                    self._draw(model, loop, self._sizes[model][number])
        if self._graph:
            self._graph.replay()
        else:
            self._train()

    def logits(self, index: Tensor) -> Tensor:
        """Logits [models, images, classes] of the same images for all models, without dropout."""
        images, _ = self._images.batch(index)
        with torch.inference_mode():
            batch = Batch(self.share, (), self._statistics, training=False)
            return self._forward(images.expand(len(self.share), *images.shape), batch, self.weights.parts)

    def _places_of(self, models: Sequence[nn.Module]) -> list[Tensor]:
        """See `Stack.places`; one tensor for all models of a shape, kept while there is such a model."""
        known, self._known = self._known, {}
        found = []
        for model in models:
            parameters = list(model.parameters())
            shape = tuple((parameter.size(), parameter.stride()) for parameter in parameters)
            if shape not in self._known:
                self._known[shape] = known[shape] if shape in known else self.weights.places(parameters)
            found.append(self._known[shape])
        return found

    def _draw(self, number: int, loop: TrainingLoop, images: int) -> None:
        """Draws dropout as the loop does alone; the caller has made its random state the current one."""
        with loop.randomness.active():
            for mask, units in zip(self._masks, dropped(loop.model), strict=True):
                drawn = F.dropout(torch.ones(images, units, device=self.device), loop.hyperparameters.dropout)
                mask[number, :images, :units] = drawn

    def _train(self) -> None:
        models, batch = self.index.shape
        if self.device.type == "cuda":  # one kernel for all; drawn in the order of the stack
            for mask in self._masks:
                mask.copy_((torch.rand_like(mask) < self._keep) / self._keep)
        images, labels = self._images.batch(self.index.flatten())
        given = Batch(self.share, self._masks, self._statistics, training=True)
        losses, hits = self._losses(images.unflatten(0, (models, batch)), labels.view(models, batch), given)
        gradients = torch.autograd.grad(losses.sum(), self._leaves)
        with torch.no_grad():
            gradient = torch.cat([part.flatten(1) for part in gradients], 1)
            update(self._kind, self.weights.flat, gradient, [stack.flat for stack in self._state], self._settings)
            images_each = (self.share > 0).sum(1)
            self.loss.add_(losses.detach().double() * images_each)
            self.hits.add_(hits)
            self.images.add_(images_each)

    def _plain_losses(self, images: Tensor, labels: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean loss of each model over its own batch, and how many of its images it classifies rightly."""
        logits = self._forward(images, batch, self._leaves)
        losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)
        hits = ((logits.argmax(2) == labels) & (batch.share > 0)).sum(1)
        return (losses * batch.share).sum(1), hits

    def _forward(self, images: Tensor, batch: Batch, weights: list[Tensor]) -> Tensor:
        with arithmetic(self.device, self._dtype):
            return self._network(weights, images, batch)

    def _captured(self) -> Any:
        """The step as a CUDA graph; trains the stack a few steps to warm up.

        Raises:
            RuntimeError: if it cannot be captured.
        """
        stream = torch.cuda.Stream(self.device)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                self._train()
        torch.cuda.current_stream(self.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._train()
        return graph


def mixable(loop: TrainingLoop, batches: int) -> tuple[Any, ...]:
    """What configurations must have in common to be trained by the same steps.

    Args:
        batches: of the epoch.
    """
    h = loop.hyperparameters
    layers = tuple(type(layer).__name__ for layer in loop.model.children())
    return id(loop.images), loop.device, loop.dtype, h.optimizer, h.batch_size, batches, largest_batch(loop), layers


def largest_batch(loop: TrainingLoop) -> int:
    """The most images that any of its batches may have."""
    size = loop.hyperparameters.batch_size
    if loop.steps_per_epoch is None:
        return Batches.largest(len(loop.images.splits["train"]), size)
    return size + 1  # what is left of a pass may have been divided by another size before


def dropped(model: nn.Module) -> list[int]:
    """Units of each dropout layer."""
    found, units = [], 0
    for layer in model.children():
        units = layer.out_features if isinstance(layer, nn.Linear) else units
        if isinstance(layer, nn.Dropout):
            found.append(units)
    return found


def steps_of(loop: TrainingLoop) -> float:
    """Optimizer steps that a loop has been trained; torch's SGD does not count them, and does not need them."""
    return float(loop.optimizer.state.get(loop.vector, {}).get("step", 0.0))


def _batch_norms(model: nn.Module) -> list[Any]:
    return [layer for layer in model.children() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]


def _batch_normalised(model: nn.Module) -> list[int]:
    return [layer.num_features for layer in _batch_norms(model)]


def _pair(models: int, channels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.zeros(models, channels, device=device), torch.ones(models, channels, device=device)
