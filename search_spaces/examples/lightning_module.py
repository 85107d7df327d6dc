"""A Lightning module, reporting and saved after every validation epoch through Ray's own callback.

uv run --group examples python search_spaces/examples/lightning_module.py
"""

from pathlib import Path
from typing import Any

import lightning
import torch
from ray import tune
from ray.tune.integration.pytorch_lightning import TuneReportCheckpointCallback
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from hypertune import compare

EPOCHS = 9


class Digits(lightning.LightningModule):
    def __init__(self, lr: float, units: int) -> None:
        super().__init__()
        self.lr, self.net = lr, nn.Sequential(nn.Linear(64, units), nn.ReLU(), nn.Linear(units, 10))

    def training_step(self, batch: Any, _: int) -> torch.Tensor:
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch: Any, _: int) -> None:
        self.log("val_acc", (self.net(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.lr)


def train(config: dict[str, Any]) -> None:
    x, y = (torch.tensor(part) for part in load_digits(return_X_y=True))
    parts = random_split(TensorDataset(x.float() / 16, y), [0.75, 0.25], torch.Generator().manual_seed(0))
    trainer = lightning.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", callbacks=[TuneReportCheckpointCallback(["val_acc"])], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    model, checkpoint = Digits(config["lr"], config["units"]), tune.get_checkpoint()
    loaders = DataLoader(parts[0], config["batch_size"], shuffle=True), DataLoader(parts[1], 450)
    if checkpoint:  # a trial that HyperBand had paused goes on from here
        with checkpoint.as_directory() as folder:
            trainer.fit(model, *loaders, ckpt_path=Path(folder, "checkpoint"))
    else:
        trainer.fit(model, *loaders)


if __name__ == "__main__":
    space = {"lr": tune.loguniform(1e-4, 1e-1), "units": tune.randint(8, 129), "batch_size": tune.choice([32, 64])}
    result = compare(trainable=train, space=space, metric="val_acc", mode="max", max_epochs=EPOCHS, seeds=3,
                     strategies=["random", "hyperband"], budget={"epochs": 45}, name="lightning_module")  # fmt: skip
    print(result.conclusion, f"best configuration: {result.best.config}", sep="\n")
    print("report:", result.folder / "report.html")
