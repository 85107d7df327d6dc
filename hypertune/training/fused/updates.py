"""The optimizers of `torch.optim` on stacked weights, with hyperparameters of each model's own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hypertune.training.hyperparameters import Hyperparameters

BETAS, ALPHA, EPS = (0.9, 0.999), 0.99, 1e-8
"""torch's defaults, as in `hypertune.training.optimisation`."""
STATE = {
    "adam": ("exp_avg", "exp_avg_sq"), "adamw": ("exp_avg", "exp_avg_sq"), "sgd": ("momentum_buffer",),
    "rmsprop": ("square_avg",),
}  # fmt: skip
"""Optimizer to the names of its tensors in the optimizers of torch."""


class Settings:
    """The hyperparameters of the optimisation, each a tensor [models, 1] that a captured step reads anew."""

    def __init__(self, models: int, device: torch.device) -> None:
        self.lr, self.decay, self.momentum, self.steps = (torch.zeros(models, 1, device=device) for _ in range(4))

    def set(self, hyperparameters: Sequence[Hyperparameters], rates: Sequence[float], steps: Sequence[float]) -> None:
        """Sets them for all models.

        Args:
            rates: learning rates of this epoch.
            steps: steps that each model has been trained so far.
        """
        for tensor, values in (
            (self.lr, rates),
            (self.decay, [h.weight_decay for h in hyperparameters]),
            (self.momentum, [h.momentum for h in hyperparameters]),
            (self.steps, steps),
        ):
            tensor[: len(values), 0] = torch.tensor(list(values), dtype=torch.float32)


def update(kind: str, weights: Tensor, gradient: Tensor, state: Sequence[Tensor], settings: Settings) -> None:
    """One step of the optimizer `kind` on weights [models, weights], in place."""
    settings.steps.add_(1)
    if kind == "adamw":
        weights.mul_(1 - settings.lr * settings.decay)
    else:
        gradient = gradient + settings.decay * weights
    match kind:
        case "adam" | "adamw":
            first, second = state
            first.lerp_(gradient, 1 - BETAS[0])
            second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            corrected, spread = (1 - torch.pow(beta, settings.steps) for beta in BETAS)
            weights.sub_(settings.lr / corrected * first / ((second / spread).sqrt_().add_(EPS)))
        case "sgd":
            (velocity,) = state
            velocity.mul_(settings.momentum).add_(gradient)
            weights.sub_(settings.lr * velocity)
        case "rmsprop":
            (square,) = state
            square.mul_(ALPHA).addcmul_(gradient, gradient, value=1 - ALPHA)
            weights.sub_(settings.lr * gradient / square.sqrt().add_(EPS))
        case _:
            raise AssertionError(f"no stacked form of {kind}")
