"""Several configurations of one shape trained as one network, against the same one after another, on one core.

    python -m tests.benchmarks.fused [--data-dir DIR]

The MLP (784-128-64-10) and the CNN of Fashion-MNIST (14 filters), batch 64, Adam, on random images: what they show does
not matter to the time. Fused, the weights are stacked: dense layers are batched products, convolutions are torch's
grouped ones (Wang et al., 2021, HFTA, MLSys); alone, they are our kernels. Both are given the same weights and batches,
and their losses are compared. Prints for each a line of JSON with images per second of all configurations together.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from hypertune.training.kernels.pooled import PooledConvolution
from tests.benchmarks.training import pin

BATCH, STEPS, ROUNDS, LR = 64, 20, 5, 1e-3
BLOCKS = [PooledConvolution(n, 14, padding=padding, rectify=True) for n, padding in ((1, 1), (14, 0), (14, 0))]
Weights = list[Tensor]
Logits = Callable[[Weights, Tensor], Tensor]


def mlp_weights(generator: torch.Generator) -> Weights:
    return _dense([784, 128, 64, 10], generator)


def cnn_weights(generator: torch.Generator) -> Weights:
    convolutions = [w for n in (1, 14, 14) for w in (_normal((14, n, 3, 3), n * 9, generator), torch.zeros(14))]
    return [*convolutions, *_dense([14, 128, 64, 10], generator)]


def _dense(widths: Sequence[int], generator: torch.Generator) -> Weights:
    return [w for a, b in pairwise(widths) for w in (_normal((b, a), a, generator), torch.zeros(b))]


def _normal(shape: Sequence[int], inputs: int, generator: torch.Generator) -> Tensor:
    drawn: Tensor = torch.randn(*shape, generator=generator) * (2 / inputs) ** 0.5
    return drawn


def mlp(weights: Weights, images: Tensor) -> Tensor:
    """Logits [batch, classes] of one network."""
    return _layers(weights, images.flatten(1))


def cnn(weights: Weights, images: Tensor) -> Tensor:
    x = images.contiguous(memory_format=torch.channels_last)
    for i, block in enumerate(BLOCKS):
        x = torch.func.functional_call(block, {"weight": weights[2 * i], "bias": weights[2 * i + 1]}, x)
    return _layers(weights[6:], x.mean((2, 3)))


def _layers(weights: Weights, x: Tensor) -> Tensor:
    for i in range(0, len(weights), 2):
        x = F.linear(x, weights[i], weights[i + 1])
        x = F.relu(x) if i + 2 < len(weights) else x
    return x


def fused_mlp(stacked: Weights, images: Tensor) -> Tensor:
    """Logits [configurations, batch, classes] of all networks; every weight has a leading dimension for them."""
    return _fused_layers(stacked, images.flatten(1).expand(len(stacked[0]), -1, -1))


def fused_cnn(stacked: Weights, images: Tensor) -> Tensor:
    count = len(stacked[0])
    x = images.expand(-1, count, -1, -1).contiguous(memory_format=torch.channels_last)
    for i, padding in enumerate((1, 0, 0)):
        weight, bias = stacked[2 * i].flatten(0, 1), stacked[2 * i + 1].flatten()
        x = F.relu(F.max_pool2d(F.conv2d(x, weight, bias, padding=padding, groups=count), 2))
    return _fused_layers(stacked[6:], x.mean((2, 3)).unflatten(1, (count, -1)).transpose(0, 1))


def _fused_layers(stacked: Weights, x: Tensor) -> Tensor:
    for i in range(0, len(stacked), 2):
        x = torch.baddbmm(stacked[i + 1][:, None], x, stacked[i].transpose(1, 2))
        x = F.relu(x) if i + 2 < len(stacked) else x
    return x


def train(weights: Weights, logits: Logits, batches: list[tuple[Tensor, Tensor]]) -> tuple[float, Tensor]:
    """Processor seconds, and the last batch's loss of every configuration."""
    for weight in weights:
        weight.requires_grad_()
    optimizer = torch.optim.Adam(weights, lr=LR, fused=True)
    start = time.process_time()
    for images, labels in batches:
        out = logits(weights, images)
        out = out if out.dim() == 3 else out[None]
        losses = F.cross_entropy(out.flatten(0, 1), labels.repeat(len(out)), reduction="none")
        losses = losses.view(len(out), -1).mean(1)
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
    return time.process_time() - start, losses.detach()


def measure(
    make: Callable[[torch.Generator], Weights], alone: Logits, fused: Logits, count: int
) -> tuple[float, float]:
    """Images per second, fused and alone: the median of rounds in which both take turns, after one to warm up."""
    speeds: list[tuple[float, float]] = []
    for number in range(ROUNDS + 1):
        generator = torch.Generator().manual_seed(number)
        networks = [make(generator) for _ in range(count)]
        images = torch.randn(STEPS, BATCH, 1, 28, 28, generator=generator)
        batches = list(zip(images, torch.randint(10, (STEPS, BATCH), generator=generator), strict=True))
        stacked = [torch.stack(parts) for parts in zip(*networks, strict=True)]
        together, losses = train(stacked, fused, batches)
        each = [train(weights, alone, batches) for weights in networks]
        torch.testing.assert_close(losses, torch.cat([loss for _, loss in each]), rtol=1e-2, atol=1e-3)
        done = count * STEPS * BATCH
        speeds.append((done / together, done / sum(seconds for seconds, _ in each)))
    return statistics.median(s[0] for s in speeds[1:]), statistics.median(s[1] for s in speeds[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, help="not needed here: the images are random")
    parser.parse_args()
    pin()
    kinds = {"mlp": (mlp_weights, mlp, fused_mlp), "cnn": (cnn_weights, cnn, fused_cnn)}
    for name, (make, alone, fused) in kinds.items():
        for count in (4, 16):
            ours, peer = measure(make, alone, fused, count)
            print(json.dumps({
                "name": f"{count} fused {name}s, peer: one after another", "ours": round(ours), "peer": round(peer),
                "ratio": round(ours / peer, 2), "unit": "images/s",
            }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
