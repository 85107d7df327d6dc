"""Many small networks as one: JAX compiles a step of all trials of a study that are trained together.

uv run --with jax python search_spaces/examples/jax_population.py
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from ray import tune
from sklearn.datasets import load_digits

from hypertune import compare


def loss(weights: Any, images: Any, labels: Any) -> Any:
    logits = jnp.tanh(images @ weights["in"]) @ weights["out"]
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


@jax.jit
@partial(jax.vmap, in_axes=(0, 0, None, None))
def trained(weights: Any, lr: Any, images: Any, labels: Any) -> Any:
    """Weights after one pass over batches of images [batches, images, pixels]."""

    def step(weights: Any, batch: Any) -> Any:
        return jax.tree.map(lambda w, g: w - lr * g, weights, jax.grad(loss)(weights, *batch)), None

    return jax.lax.scan(step, weights, (images, labels))[0]


class Networks:
    """A `hypertune.Population`: in each slot the weights of one network, which has its own learning rate."""

    def __init__(self) -> None:
        x, y = load_digits(return_X_y=True)
        self.train = x[:1408].reshape(22, 64, 64) / 16, y[:1408].reshape(22, 64)
        self.valid = x[1408:] / 16, y[1408:]
        self.slots: dict[int, tuple[float, Any]] = {}

    def add(self, slot: int, config: Mapping[str, Any], *, seed: int = 0) -> None:
        drawn = np.random.default_rng(seed).normal(0, 0.1, (64, 64))
        self.slots[slot] = config["lr"], {"in": drawn, "out": np.zeros((64, 10))}

    def train_epoch(self, slots: Sequence[int]) -> dict[int, dict[str, float]]:
        rates, parts = zip(*(self.slots[slot] for slot in slots), strict=True)
        stacked = trained(jax.tree.map(lambda *each: jnp.stack(each), *parts), jnp.array(rates), *self.train)
        losses = jax.vmap(loss, in_axes=(0, None, None))(stacked, *self.valid)
        for number, (slot, lr) in enumerate(zip(slots, rates, strict=True)):
            self.slots[slot] = lr, jax.tree.map(lambda part, number=number: np.asarray(part[number]), stacked)
        return {slot: {"valid_loss": float(value)} for slot, value in zip(slots, losses, strict=True)}

    def state(self, slot: int) -> dict[str, Any]:
        return dict(self.slots[slot][1])

    def load(self, slot: int, state: Mapping[str, Any]) -> None:
        self.slots[slot] = self.slots[slot][0], dict(state)

    def remove(self, slot: int) -> None:
        del self.slots[slot]


if __name__ == "__main__":
    result = compare(trainable=Networks, space={"lr": tune.loguniform(1e-3, 10.0)}, metric="valid_loss", mode="min",
                     max_epochs=27, name="jax_population", strategies=["random", "asha"], seeds=3,
                     budget={"epochs": 270})  # fmt: skip
    print(result.conclusion, f"best configuration: {result.best.config}", sep="\n")
    print("report:", result.folder / "report.html")
