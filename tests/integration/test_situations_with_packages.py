"""Situations with the libraries themselves; `situations.md` lists them with their sources.

uv run --group examples pytest -n 0 -m slow tests/integration/test_situations_with_packages.py
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import tune

from tests.integration import brought

os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is imported; workers inherit it
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("local_ray")]


def study(out: Path, trainable: Any, space: dict[str, Any], metric: str, **changes: Any) -> Any:
    return brought.study(
        out, trainable, space, **{"metric": metric, "max_epochs": 3, "budget": {"trials": 2}, **changes}
    )


def fit_lightning(config: dict[str, Any], callbacks: list[Any], epochs: int) -> None:
    import lightning
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    class Line(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Linear(1, 1)

        def training_step(self, batch: Any, _: int) -> Any:
            return ((self.net(batch[0]) - batch[1]) ** 2).mean()

        def validation_step(self, batch: Any, _: int) -> None:
            # Falls for two epochs and then rises.
            value = abs(self.trainer.current_epoch - 1) + 1.0
            self.log("ptl/val_loss", torch.tensor(value))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=config["lr"])

    data = DataLoader(TensorDataset(torch.ones(8, 1), torch.ones(8, 1)), 4)
    trainer = lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", callbacks=callbacks, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=2,
    )  # fmt: skip
    trainer.fit(Line(), data, data)


def test_lightning_with_rays_callback(tmp_path: Path) -> None:
    pytest.importorskip("lightning")

    def train(config: dict[str, Any]) -> None:
        from ray.tune.integration.pytorch_lightning import TuneReportCallback

        fit_lightning(config, [TuneReportCallback({"loss": "ptl/val_loss"}, on="validation_end")], epochs=3)

    result = study(tmp_path / "out", train, {"lr": tune.loguniform(1e-3, 1e-1)}, "loss")
    assert result.records.trials["epochs"].tolist() == [3, 3]
    assert result.best.value == 1.0


def test_lightning_stops_early(tmp_path: Path) -> None:
    pytest.importorskip("lightning")

    def train(config: dict[str, Any]) -> None:
        from lightning.pytorch.callbacks import EarlyStopping
        from ray.tune.integration.pytorch_lightning import TuneReportCallback

        stop = EarlyStopping("ptl/val_loss", patience=2)
        fit_lightning(config, [TuneReportCallback(["ptl/val_loss"], on="validation_end"), stop], epochs=9)

    result = study(tmp_path / "out", train, {"lr": tune.loguniform(1e-3, 1e-1)}, "ptl/val_loss", max_epochs=9)
    assert result.records.trials["epochs"].tolist() == [4, 4]
    assert result.best.value == 1.0


def boost(config: dict[str, Any], rounds: int, callbacks: list[Any], model: Any = None) -> None:
    import xgboost
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    train, test = xgboost.DMatrix(x[::2], y[::2]), xgboost.DMatrix(x[1::2], y[1::2])
    options = {"objective": "binary:logistic", "eval_metric": ["logloss", "error"], "nthread": 1, **config}
    xgboost.train(
        options, train, rounds, evals=[(test, "test")], callbacks=callbacks, xgb_model=model, verbose_eval=False
    )


def test_xgboost_with_rays_callback(tmp_path: Path) -> None:
    pytest.importorskip("xgboost")

    def train(config: dict[str, Any]) -> None:
        from ray.tune.integration.xgboost import TuneReportCheckpointCallback

        checkpoint = tune.get_checkpoint()
        model = TuneReportCheckpointCallback.get_model(checkpoint) if checkpoint else None
        done = model.num_boosted_rounds() if model else 0
        boost(config, 9 - done, [TuneReportCheckpointCallback(frequency=1)], model)

    space = {"eta": tune.loguniform(1e-2, 1.0), "max_depth": tune.randint(1, 6)}
    result = study(
        tmp_path / "out", train, space, "test-logloss", max_epochs=9, strategies=["hyperband"], budget={"epochs": 30}
    )
    assert result.records.failures == ()
    assert result.records.trials["epochs"].max() == 9
    curves = result.records.curves
    best = curves[curves["trial_id"] == result.best.trial_id]
    assert best["epoch"].tolist() == list(range(1, 10))
    assert best["test-logloss"].is_monotonic_decreasing


def test_xgboost_stops_early(tmp_path: Path) -> None:
    pytest.importorskip("xgboost")

    def train(config: dict[str, Any]) -> None:
        import xgboost
        from ray.tune.integration.xgboost import TuneReportCheckpointCallback

        stop = xgboost.callback.EarlyStopping(2, metric_name="error", data_name="test")
        report = TuneReportCheckpointCallback({"error": "test-error"}, checkpoint_at_end=False)
        boost(config, 200, [report, stop])

    result = study(tmp_path / "out", train, {"eta": tune.uniform(0.5, 1.0)}, "error", max_epochs=200)
    assert (result.records.trials["epochs"] < 200).all()
    assert result.records.trials["status"].eq("completed").all()


def fit_keras(config: dict[str, Any], **options: Any) -> None:
    import keras

    class Report(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            tune.report(dict(logs or {}))

    x = np.linspace(-1, 1, 64)[:, None]
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(config["units"]), keras.layers.Dense(1)])
    model.compile("adam", loss="mse", metrics=["mae"])
    model.fit(x, 2 * x, epochs=3, verbose=0, callbacks=[Report()], **options)


def test_keras_regression(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    space = {"units": tune.randint(1, 9)}
    result = study(tmp_path / "out", lambda config: fit_keras(config, validation_split=0.25), space, "val_mae")
    assert result.records.trials["epochs"].tolist() == [3, 3]
    assert {"loss", "mae", "val_loss"} <= set(result.records.curves.columns)


def test_keras_without_validation(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    with pytest.raises(ValueError, match=r"'val_mae' is not reported; did you mean mae\?; the trainable reports"):
        study(tmp_path / "out", fit_keras, {"units": tune.randint(1, 9)}, "val_mae")


def test_hugging_face_evaluates_within_epochs(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")

    def train(config: dict[str, Any]) -> None:
        import torch
        from transformers import Trainer, TrainerCallback, TrainingArguments, ViTConfig, ViTForImageClassification

        class Report(TrainerCallback):
            def on_evaluate(self, *_: Any, metrics: dict[str, float], **__: Any) -> None:
                tune.report(metrics)  # with `epoch` 0.5, 1.0, 1.5, 2.0

        shape = {"image_size": 8, "patch_size": 4, "num_channels": 1, "num_hidden_layers": 1, "num_attention_heads": 1}
        model = ViTForImageClassification(ViTConfig(**shape, hidden_size=8, intermediate_size=8, num_labels=2))
        data = [{"pixel_values": torch.full((1, 8, 8), float(i % 2)), "labels": i % 2} for i in range(16)]
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder, learning_rate=config["lr"], num_train_epochs=2, per_device_train_batch_size=4,
                eval_strategy="steps", eval_steps=2, save_strategy="no", report_to="none", use_cpu=True,
                disable_tqdm=True,
            )  # fmt: skip
            Trainer(model, arguments, train_dataset=data, eval_dataset=data, callbacks=[Report()]).train()

    result = study(tmp_path / "out", train, {"lr": tune.loguniform(1e-4, 1e-2)}, "eval_loss", max_epochs=4)
    assert result.records.failures == ()
    assert result.records.trials["epochs"].tolist() == [4, 4]


def test_scikit_learn_with_jobs(tmp_path: Path) -> None:
    def train(config: dict[str, Any]) -> dict[str, float]:
        from sklearn.datasets import load_iris
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.model_selection import cross_val_score

        x, y = load_iris(return_X_y=True)
        model = RandomForestClassifier(10, random_state=0, **config)
        scores = cross_val_score(model, x, y, cv=3, n_jobs=2)
        return {"error": 1 - scores.mean() + (0 if config["max_depth"] is None else 1)}

    space = {"max_depth": tune.grid_search([None, 1]), "max_features": tune.grid_search([None, "sqrt", 0.5])}
    result = study(tmp_path / "out", train, space, "error", max_epochs=1, strategies=["grid"], budget={"trials": 6})
    assert result.best.config["max_depth"] is None
    assert result.records.trials["status"].eq("completed").all()
