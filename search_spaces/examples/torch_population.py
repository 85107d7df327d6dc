"""Many small networks as one: `torch.func` trains all trials of a study together, on a GPU if there is one.

uv run python search_spaces/examples/torch_population.py
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ray import tune
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from hypertune import compare

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NETWORK = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10)).to(DEVICE)


def loss(weights: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(functional_call(NETWORK, weights, (images,)), labels)


class Networks:
    """A `hypertune.Population`: in each slot the weights of one network, which has its own learning rate."""

    def __init__(self) -> None:
        x, y = (torch.tensor(part, device=DEVICE) for part in load_digits(return_X_y=True))
        self.batches = list(zip(x[:1408].float().split(64), y[:1408].split(64), strict=True))
        self.valid = x[1408:].float(), y[1408:]
        self.slots: dict[int, tuple[float, dict[str, Tensor]]] = {}

    def add(self, slot: int, config: Mapping[str, Any], *, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.slots[slot] = config["lr"], {k: torch.randn_like(w) / 8 for k, w in NETWORK.named_parameters()}

    def train_epoch(self, slots: Sequence[int]) -> dict[int, dict[str, float]]:
        rates, parts = zip(*(self.slots[slot] for slot in slots), strict=True)
        weights = {name: torch.stack([part[name] for part in parts]) for name in parts[0]}
        for images, labels in self.batches:
            for name, gradient in vmap(grad(loss), in_dims=(0, None, None))(weights, images, labels).items():
                lr = torch.tensor(rates, device=DEVICE).view(-1, *[1] * (gradient.dim() - 1))
                weights[name] = (weights[name] - lr * gradient).detach()
        for number, (slot, lr) in enumerate(zip(slots, rates, strict=True)):
            self.slots[slot] = lr, {name: stacked[number].clone() for name, stacked in weights.items()}
        losses = vmap(loss, in_dims=(0, None, None))(weights, *self.valid)
        return {slot: {"valid_loss": float(value)} for slot, value in zip(slots, losses, strict=True)}

    def state(self, slot: int) -> dict[str, Any]:
        return {name: weight.cpu() for name, weight in self.slots[slot][1].items()}

    def load(self, slot: int, state: Mapping[str, Any]) -> None:
        self.slots[slot] = self.slots[slot][0], {name: weight.to(DEVICE) for name, weight in state.items()}

    def remove(self, slot: int) -> None:
        del self.slots[slot]


if __name__ == "__main__":
    result = compare(trainable=Networks, space={"lr": tune.loguniform(1e-4, 1.0)}, metric="valid_loss", mode="min",
                     max_epochs=27, name="torch_population", strategies=["random", "asha", "pbt"], seeds=3,
                     budget={"epochs": 270})  # fmt: skip
    print(result.conclusion, f"best configuration: {result.best.config}", sep="\n")
    print("report:", result.folder / "report.html")
