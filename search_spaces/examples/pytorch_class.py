"""A PyTorch model as a Ray Tune class with checkpoints, so that strategies may pause trials and copy their weights.

uv run python search_spaces/examples/pytorch_class.py
"""

from pathlib import Path
from typing import Any

import torch
from ray import tune
from sklearn.datasets import load_diabetes
from torch import nn

from hypertune import compare


class Diabetes(tune.Trainable):
    def setup(self, config: dict[str, Any]) -> None:
        x, y = (torch.tensor(part, dtype=torch.float32) for part in load_diabetes(return_X_y=True, scaled=False))
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
        x, y = ((part - part.mean(0)) / part.std(0) for part in (x[order], y[order, None]))
        self.train_set, self.valid_set = (x[:330], y[:330]), (x[330:], y[330:])
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """The next trial, in the same process: it keeps the data and starts with a new model."""
        self.model = nn.Sequential(nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 1))
        self.optimizer = torch.optim.SGD(self.model.parameters(), **new_config)
        return True

    def step(self) -> dict[str, float]:
        x, y = self.train_set
        for batch in torch.randperm(len(x)).split(32):
            self.optimizer.zero_grad()
            nn.functional.mse_loss(self.model(x[batch]), y[batch]).backward()
            self.optimizer.step()
        with torch.no_grad():
            return {"mse": nn.functional.mse_loss(self.model(self.valid_set[0]), self.valid_set[1]).item()}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        torch.save([self.model.state_dict(), self.optimizer.state_dict()], Path(checkpoint_dir, "state.pt"))

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        model, optimizer = torch.load(Path(checkpoint_dir, "state.pt"))
        settings = [{k: v for k, v in group.items() if k != "params"} for group in self.optimizer.param_groups]
        self.model.load_state_dict(model)
        self.optimizer.load_state_dict(optimizer)
        for group, own in zip(self.optimizer.param_groups, settings, strict=True):
            group.update(own)  # pbt hands another trial's weights to a trial with its own learning rate


if __name__ == "__main__":
    space = {"lr": tune.loguniform(1e-4, 1e-1), "momentum": tune.uniform(0, 0.99), "weight_decay": tune.uniform(0, 0.1)}
    result = compare(trainable=Diabetes, space=space, metric="mse", mode="min", max_epochs=27, name="pytorch_class",
                     strategies=["random", "hyperband", "pbt"], seeds=3, budget={"epochs": 270})  # fmt: skip
    print(result.conclusion, f"best configuration: {result.best.config}", sep="\n")
    print("report:", result.folder / "report.html")
