"""Optimizers and learning rate schedules, with all parameters of a model as one vector."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable

import torch
from torch import nn, optim

from hypertune.training.hyperparameters import Hyperparameters


def flatten_parameters(model: nn.Module) -> nn.Parameter:
    """Makes all parameters of the model and their gradients views of one vector, and returns it.

    An optimizer then updates one tensor instead of a dozen small ones, at a tenth of the cost, and one call zeroes the
    gradients. The result is the same element by element.
    """
    parameters = list(model.parameters())
    first = parameters[0]
    flat = torch.empty(sum(p.numel() for p in parameters), dtype=first.dtype, device=first.device)
    gradient = torch.zeros_like(flat)
    offset = 0
    for parameter in parameters:
        # The strides are kept, so a channels_last weight stays channels_last.
        layout = (parameter.size(), parameter.stride(), offset)
        parameter.data = flat.as_strided(*layout).copy_(parameter.detach())
        parameter.grad = gradient.as_strided(*layout)
        offset += parameter.numel()
    vector = nn.Parameter(flat)
    vector.grad = gradient
    return vector


def make_optimizer(h: Hyperparameters, vector: nn.Parameter) -> optim.Optimizer:
    """The optimizer of torch.optim, fused if available."""
    _spare_the_compiler()
    lr, decay = h.lr, h.weight_decay
    match h.optimizer:
        case "adam":
            return optim.Adam([vector], lr, weight_decay=decay, fused=True)
        case "adamw":
            return optim.AdamW([vector], lr, weight_decay=decay, fused=True)
        case "sgd":
            return optim.SGD([vector], lr, momentum=h.momentum, weight_decay=decay, fused=True)
        case "rmsprop":
            return optim.RMSprop([vector], lr, weight_decay=decay)
    raise AssertionError(f"optimizer {h.optimizer} passed the check of hyperparameters")


def plain_step(optimizer: optim.Optimizer) -> Callable[[], None]:
    """`optimizer.step` without torch's wrapping: hooks, a profiler's mark, and the import of the compiler.

    That import takes two seconds per process. For a small network the wrapping costs as much as the step.
    """
    step = inspect.unwrap(type(optimizer).step)

    def run() -> None:
        with torch.no_grad():
            step(optimizer)

    return run


def _spare_the_compiler() -> None:
    """Lets a process use optimizers without importing torch's compiler.

    torch imports it at their first use, only to exclude some functions from compilation, and caches the result under a
    private name. There is no setting for this; if the name changes, processes merely start more slowly. Code that
    later compiles in the same process may also compile these functions.
    """
    optimizer = optim.Optimizer
    for function in (optimizer.add_param_group, optimizer.state_dict, optimizer.load_state_dict):
        plain = getattr(function, "__wrapped__", None)
        if plain is not None and "torch._dynamo" not in sys.modules:
            plain.__dynamo_disable = plain


def learning_rate(h: Hyperparameters, epoch: int, max_epochs: int) -> float:
    """Learning rate of an epoch (from 1); see `Hyperparameters.lr_schedule`."""
    progress = min((epoch - 1) / max_epochs, 1.0)
    if h.lr_schedule == "cosine":
        return h.lr * (1 + math.cos(math.pi * progress)) / 2
    if h.lr_schedule == "step":
        return h.lr * 0.1 ** ((progress >= 0.5) + (progress >= 0.75))
    return h.lr
