"""The trainables, driven by hand as a Ray Tune actor would."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import ray.tune.trainable.trainable
import torch
from ray.tune.result import SHOULD_CHECKPOINT

from hypertune.training import trainable
from hypertune.training.datasets import ImageData
from hypertune.training.models import load_model
from hypertune.training.population import ImagePopulation
from hypertune.training.trainable import CNN, MLP, ImageTrainable

CONFIG = {"lr": 0.01, "dropout": 0.2, "batch_size": 32, "device": "cpu"}
TIMES = ("elapsed_s", "time_this_iter_s", "time_total_s")
Make = Callable[..., ImageTrainable]


@pytest.fixture
def make(few_digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a trainable as `tune.with_parameters` would: what it is told stands under the key `hypertune`."""
    monkeypatch.setattr(ray.tune.trainable.trainable, "DEFAULT_STORAGE_PATH", str(tmp_path / "ray_results"))

    def make(kind: type[ImageTrainable] = CNN, config: dict[str, Any] = CONFIG, **told: Any) -> ImageTrainable:
        class WithData(kind):  # type: ignore[misc, valid-type]
            def setup(self, config: dict[str, Any]) -> None:
                super().setup(config, data=few_digits)

        return WithData({**config, "hypertune": {"max_epochs": 3, "threads": 1, **told}})

    return make


def metrics(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What must not depend on the clock."""
    names = ("epoch", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "lr", "done", "parameters")
    return [{name: result[name] for name in names} for result in results]


def train(trial: ImageTrainable, epochs: int) -> list[dict[str, Any]]:
    return [trial.train() for _ in range(epochs)]


@pytest.mark.parametrize("kind", [CNN, MLP])
def test_one_epoch_per_step_until_the_last(make: Make, kind: type[ImageTrainable]) -> None:
    results = train(make(kind), 3)
    assert [result["epoch"] for result in results] == [1, 2, 3]
    assert [result["done"] for result in results] == [False, False, True]
    assert {result["device"] for result in results} == {"cpu"}
    assert results[0]["parameters"] == make(kind).loop.parameters
    assert 0 < results[0]["elapsed_s"] < results[1]["elapsed_s"] < results[2]["elapsed_s"]
    assert not any("test_accuracy" in result or SHOULD_CHECKPOINT in result for result in results)


def test_the_last_epoch_sees_the_test_split_when_told_to(make: Make) -> None:
    results = train(make(test=True), 3)
    assert ["test_accuracy" in result for result in results] == [False, False, True]
    assert 0 < results[-1]["test_accuracy"] <= 1
    assert results[-1]["test_loss"] > 0


def test_a_trial_may_stop_before_its_horizon(make: Make, tmp_path: Path) -> None:
    trial = make(stop_epoch=2, test=True, model_path=str(tmp_path / "model.pt"), max_epochs=4)
    cosine = make(config={**CONFIG, "lr_schedule": "cosine"}, stop_epoch=2, max_epochs=4)
    assert [result["done"] for result in train(trial, 2)] == [False, True]
    assert train(cosine, 2)[1]["lr"] == pytest.approx(0.01 * (1 + math.cos(math.pi / 4)) / 2)
    assert (tmp_path / "model.pt").exists()


def test_the_last_epoch_writes_the_model(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "best" / "model.pt"
    trial = make(MLP, model_path=str(path))
    train(trial, 2)
    assert not path.exists()
    train(trial, 1)
    assert torch.equal(load_model(path).model.state_dict()["1.weight"], trial.loop.model.state_dict()["1.weight"])


@pytest.mark.parametrize("kind", [CNN, MLP])
def test_a_restored_trial_goes_on_with_the_same_numbers(make: Make, kind: type[ImageTrainable], tmp_path: Path) -> None:
    expected = train(make(kind), 3)
    begun = make(kind)
    before = train(begun, 1)
    begun.save(str(tmp_path / "checkpoint"))
    resumed = make(kind)
    train(resumed, 2)  # whatever it did before
    resumed.restore(str(tmp_path / "checkpoint"))
    after = train(resumed, 2)
    assert metrics(after) == metrics(expected[1:])
    assert after[0]["elapsed_s"] > before[0]["elapsed_s"]


class Inside:
    """The one place of a population in this process."""

    def __init__(self, data: ImageData) -> None:
        self._population = ImagePopulation("mlp", data, max_epochs=6)

    def take(self, trial_id: str) -> Inside:
        return self

    def ready(self) -> None:
        return

    def add(self, config: Mapping[str, Any], seed: int) -> dict[str, Any]:
        self._population.add(0, config, seed=seed)
        return self._population.facts(0)

    def train(self, last: bool = False) -> tuple[dict[str, float], float]:
        results: dict[int, Any] = self._population.train_epoch([0])
        return results[0], 0.1

    def save(self, facts: Mapping[str, Any]) -> bytes:
        return self._population.to_bytes(0, facts)

    def load(self, saved: bytes) -> dict[str, Any]:
        return self._population.from_bytes(0, saved)

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self._population, method)(0, *arguments)

    def remove(self) -> None:
        self._population.remove(0)


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "in a population"])
def test_a_restored_trial_goes_on_with_its_schedule(
    make: Make, shared: bool, few_digits: ImageData, tmp_path: Path
) -> None:
    schedule = [[1, {"lr": 0.001}], [3, {"lr": 0.02, "dropout": 0.4}], [6, {"lr": 0.003}]]

    def trial() -> ImageTrainable:
        kind = MLP.member(Inside(few_digits)) if shared else MLP
        return make(kind, {**CONFIG, "lr": 0.001}, max_epochs=6, schedule=schedule)

    expected = train(trial(), 6)
    assert [result["lr"] for result in expected] == [0.001, 0.001, 0.02, 0.02, 0.02, 0.003]
    begun = trial()
    train(begun, 4)
    begun.save(str(tmp_path / "checkpoint"))
    resumed = trial()
    resumed.restore(str(tmp_path / "checkpoint"))
    assert metrics(train(resumed, 2)) == metrics(expected[4:])


def test_a_reset_trial_is_as_a_fresh_one(make: Make) -> None:
    other = {**CONFIG, "filters": 3, "norm": "batch", "optimizer": "sgd", "hypertune": {"seed": 7, "max_epochs": 2}}
    fresh = make(config=other, seed=7, max_epochs=2)
    used = make()
    train(used, 2)
    assert used.reset(dict(other))
    results = train(used, 2)
    assert metrics(results) == metrics(train(fresh, 2))
    assert results[-1]["done"]
    assert results[0]["elapsed_s"] < 10


def test_a_diverged_trial_is_done_and_writes_no_model(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    config = {"lr": 1e30, "optimizer": "sgd", "batch_size": 4}
    (result,) = train(make(config=config, model_path=str(path)), 1)
    assert result["done"]
    assert not math.isfinite(result["train_loss"])
    assert not path.exists()


def test_a_long_training_asks_for_a_checkpoint(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trainable, "SAVE_EVERY_S", 0.0)
    trial = make()
    assert train(trial, 1)[0][SHOULD_CHECKPOINT] is True
    monkeypatch.setattr(trainable, "SAVE_EVERY_S", 1000.0)
    trial._unsaved_s = 999.9999
    trial.save(str(tmp_path / "checkpoint"))
    assert SHOULD_CHECKPOINT not in train(trial, 1)[0]


def test_without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray.tune.trainable.trainable, "DEFAULT_STORAGE_PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"CNN: no data set; use tune\.with_parameters\(CNN, data="):
        CNN({})


def test_an_unknown_hyperparameter(make: Make) -> None:
    with pytest.raises(ValueError, match="unknown hyperparameter 'filterz'"):
        make(config={"filterz": 3})


def test_clean_up_frees_the_model(make: Make) -> None:
    trial = make()
    trial.stop()
    assert not hasattr(trial, "loop")
