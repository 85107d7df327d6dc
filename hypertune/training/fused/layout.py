"""Where the weights of several models of one build lie in one stack, narrower ones padded with zeros."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Weights = list[Tensor]
"""The parameters or buffers of all models, in the order of `nn.Module.parameters`, each [models, ...]."""


class Stack:
    """One tensor [models, weights] and its parts: for each parameter of the models a view [models, *largest shape].

    A filter or unit whose weights are all zero gives zero, and ReLU passes no gradient where its input is zero. Padded
    with zeros, models of different widths can therefore be trained as one, and their padding stays zero (Wang et al.,
    2021, HFTA, MLSys, stack models of one width).

    Attributes:
        flat: the weights, float32 [models, weights].
        parts: views of it.
    """

    def __init__(self, shapes: Sequence[torch.Size], models: int, device: torch.device) -> None:
        self.flat = torch.zeros(models, sum(shape.numel() for shape in shapes), device=device)
        self.parts: Weights = []
        offset = 0
        for shape in shapes:
            self.parts.append(self.flat[:, offset : offset + shape.numel()].view(models, *shape))
            offset += shape.numel()

    def places(self, parameters: Sequence[Tensor]) -> Tensor:
        """Where each weight of a model lies in its row of `flat`, int64 [weights of the model].

        One copy then moves a whole model. A copy for each parameter and each tensor of an optimizer would be some
        thousand calls per epoch of 64 models.

        Args:
            parameters: of a model whose parameters are views of one vector, whose order the result has; see
                `hypertune.training.optimisation.flatten_parameters`.
        """
        row = torch.arange(self.flat.shape[1], device=self.flat.device)
        found = row.new_empty(sum(parameter.numel() for parameter in parameters))
        for part, parameter in zip(self.parts, parameters, strict=True):
            own = row[part.storage_offset() :][: part[0].numel()].view(part.shape[1:])
            layout = (parameter.size(), parameter.stride(), parameter.storage_offset())
            found.as_strided(*layout).copy_(corner(own, parameter))
        return found


def corner(padded: Tensor, tensor: Tensor) -> Tensor:
    """The view of a padded tensor that has the shape of `tensor`."""
    return padded[tuple(slice(size) for size in tensor.shape)]


def largest(models: Sequence[nn.Module]) -> list[torch.Size]:
    """The largest shape of each parameter over the models.

    Raises:
        ValueError: if their parameters do not correspond.
    """
    each = [[p.shape for p in model.parameters()] for model in models]
    try:
        return [torch.Size(map(max, zip(*shapes, strict=True))) for shapes in zip(*each, strict=True)]
    except ValueError as error:
        raise ValueError("models of different depth or normalisation cannot be trained as one") from error
