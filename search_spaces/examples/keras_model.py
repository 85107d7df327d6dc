"""A Keras model, reporting after every epoch; Keras runs on PyTorch, which is installed anyway.

uv run --with keras python search_spaces/examples/keras_model.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is imported; workers inherit it

from typing import Any

import keras
from ray import tune
from sklearn.datasets import load_digits

from hypertune import compare

EPOCHS = 6
SPACE = {
    "learning_rate": tune.loguniform(1e-4, 1e-1),
    "filters": tune.randint(4, 17),
    "dropout": tune.uniform(0.0, 0.5),
    "activation": tune.choice(["relu", "gelu", "tanh"]),
}


class Report(keras.callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        tune.report(dict(logs or {}))


def train(config: dict[str, Any]) -> None:
    digits = load_digits()
    model = keras.Sequential([
        keras.layers.Input((8, 8, 1)),
        keras.layers.Conv2D(config["filters"], 3, activation=config["activation"]),
        keras.layers.Flatten(),
        keras.layers.Dropout(config["dropout"]),
        keras.layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    optimizer = keras.optimizers.Adam(config["learning_rate"])
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    images = digits.images[..., None] / 16
    model.fit(
        images, digits.target, batch_size=64, epochs=EPOCHS, validation_split=0.25, verbose=0, callbacks=[Report()]
    )


if __name__ == "__main__":
    result = compare(
        trainable=train, space=SPACE, metric="val_accuracy", mode="max", max_epochs=EPOCHS, name="keras_model",
        strategies=["random", "asha"], seeds=2, budget={"epochs": 30},
    )  # fmt: skip
    print(result.conclusion)
    print("best configuration:", result.best.config)
    print("report:", result.folder / "report.html")
