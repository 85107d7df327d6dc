"""A PyTorch training loop as a function that reports after every epoch; early stopping with ASHA.

uv run python search_spaces/examples/pytorch_function.py
uv run hypertune compare search_spaces/examples/pytorch_function.toml    # the same as a study file
"""

from typing import Any

import torch
from ray import tune
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from hypertune import compare

SPACE = {
    "lr": tune.loguniform(1e-4, 1e-1),
    "units": tune.lograndint(8, 129),
    "dropout": tune.uniform(0.0, 0.5),
    "batch_size": tune.choice([32, 64, 128]),
}


def train(config: dict[str, Any]) -> None:
    images, digits = load_digits(return_X_y=True)
    split = train_test_split(images / 16, digits, test_size=0.25, stratify=digits, random_state=0)
    x, x_valid = (torch.tensor(part, dtype=torch.float32) for part in split[:2])
    y, y_valid = (torch.tensor(part) for part in split[2:])
    units = config["units"]
    model = nn.Sequential(nn.Linear(64, units), nn.ReLU(), nn.Dropout(config["dropout"]), nn.Linear(units, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=config["lr"])
    while True:  # hypertune ends a trial after max_epochs reports, or earlier
        model.train()
        for batch in torch.randperm(len(x)).split(config["batch_size"]):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            accuracy = (model(x_valid).argmax(dim=1) == y_valid).float().mean().item()
        tune.report({"accuracy": accuracy})


if __name__ == "__main__":
    result = compare(
        trainable=train, space=SPACE, metric="accuracy", mode="max", max_epochs=15, name="pytorch_function",
        strategies=["random", "asha", "hyperopt+asha"], seeds=3, budget={"epochs": 150},
    )  # fmt: skip
    print(result.conclusion)
    print("best configuration:", result.best.config)
    print("report:", result.folder / "report.html")
