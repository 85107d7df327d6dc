"""Optimizers and learning rate schedules, on all parameters of a model as one vector."""

from __future__ import annotations

import math

import torch
from torch import nn, optim

from hypertune.training.hyperparameters import Hyperparameters


def flatten_parameters(model: nn.Module) -> nn.Parameter:
    """Makes all parameters of the model, and their gradients, views of one vector, which is returned.

    An optimizer then has one tensor to update instead of a dozen small ones, at a tenth of the cost, and gradients are
    zeroed by one call. Element by element the result is the same.
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
    """The optimizer of torch.optim, in its fused form where there is one."""
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
    raise AssertionError(f"optimizer {h.optimizer} was let through by the check of hyperparameters")


def learning_rate(h: Hyperparameters, epoch: int, max_epochs: int) -> float:
    """Learning rate of an epoch, which counts from 1; see `Hyperparameters.lr_schedule`."""
    progress = min((epoch - 1) / max_epochs, 1.0)
    if h.lr_schedule == "cosine":
        return h.lr * (1 + math.cos(math.pi * progress)) / 2
    if h.lr_schedule == "step":
        return h.lr * 0.1 ** ((progress >= 0.5) + (progress >= 0.75))
    return h.lr
