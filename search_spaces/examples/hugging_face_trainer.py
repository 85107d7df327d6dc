"""A small vision transformer, made from a configuration and trained by the Trainer of Hugging Face.

uv run --group examples python search_spaces/examples/hugging_face_trainer.py
"""

import tempfile
from typing import Any

import torch
from ray import tune
from sklearn.datasets import load_digits
from torch.utils.data import Dataset, random_split
from transformers import Trainer, TrainerCallback, TrainingArguments, ViTConfig, ViTForImageClassification

from hypertune import compare


class Digits(Dataset):
    def __init__(self) -> None:
        digits = load_digits()
        self.images, self.labels = torch.tensor(digits.images[:, None] / 16).float(), torch.tensor(digits.target)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"pixel_values": self.images[index], "labels": self.labels[index]}


class Report(TrainerCallback):
    def on_evaluate(self, *_: Any, metrics: dict[str, float], **__: Any) -> None:
        tune.report({"eval_accuracy": metrics["eval_accuracy"], "eval_loss": metrics["eval_loss"]})


def train(config: dict[str, Any]) -> None:
    shape = {"image_size": 8, "patch_size": 2, "num_channels": 1, "num_hidden_layers": 2, "num_attention_heads": 2}
    width = config["hidden_size"]
    model = ViTForImageClassification(ViTConfig(**shape, hidden_size=width, intermediate_size=width, num_labels=10))
    train_set, eval_set = random_split(Digits(), [0.75, 0.25], torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, learning_rate=config["learning_rate"], warmup_steps=config["warmup_steps"], num_train_epochs=6,
            per_device_train_batch_size=64, eval_strategy="epoch", save_strategy="no", report_to="none", use_cpu=True,
            disable_tqdm=True,
        )  # fmt: skip
        Trainer(
            model, arguments, train_dataset=train_set, eval_dataset=eval_set, callbacks=[Report()],
            compute_metrics=lambda p: {"accuracy": (p.predictions.argmax(-1) == p.label_ids).mean()},
        ).train()  # fmt: skip


if __name__ == "__main__":
    space = {"learning_rate": tune.loguniform(1e-4, 1e-1), "warmup_steps": tune.randint(0, 50),
             "hidden_size": tune.choice([16, 32])}  # fmt: skip
    result = compare(trainable=train, space=space, metric="eval_accuracy", mode="max", max_epochs=6,
                     strategies=["random", "asha"], seeds=2, budget={"epochs": 24}, name="hugging_face")  # fmt: skip
    print(result.conclusion, f"best configuration: {result.best.config}", sep="\n")
    print("report:", result.folder / "report.html")
