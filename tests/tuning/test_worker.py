"""The worker, driven by hand as a Ray Tune actor would: what is left of one trial when the next begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray.tune.trainable.trainable
from ray.tune import Trainable

from hypertune.tuning.reports import REPORT
from hypertune.tuning.worker import FAILURE, RESERVED, make_worker


class Counts(Trainable):
    """Says how often it has been called since `setup`, and what its own constructor made."""

    answer: bool | None = True
    """Of `reset_config`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.made = 1.0

    def setup(self, config: dict[str, Any]) -> None:
        self.lr = config["lr"]
        self.count = getattr(self, "count", 0)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.lr, self.count = new_config["lr"], 0
        answer: Any = self.answer
        return answer  # type: ignore[no-any-return]

    def step(self) -> dict[str, float]:
        if self.lr > 0.5:
            raise ValueError("too high")
        self.count += 1
        return {"loss": self.lr, "count": self.count, "made": self.made}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray.tune.trainable.trainable, "DEFAULT_STORAGE_PATH", str(tmp_path))


@pytest.mark.parametrize("answer", [True, False, None])
@pytest.mark.parametrize("warmed", [True, False], ids=["warmed up", "not warmed up"])
def test_each_trial_begins_as_in_a_new_process(
    answer: bool | None, warmed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counts, "answer", answer)
    worker: Any = make_worker(Counts)
    trial = worker({"lr": 0.1, RESERVED: {"warm_up": warmed}})
    for lr in (0.1, 0.9, 0.2, 0.3, 0.9, 0.9, 0.4):
        assert trial.reset({"lr": lr, RESERVED: {"metric": "loss"}})
        result = trial.train()
        if lr > 0.5:
            assert result[FAILURE] == "ValueError: too high"
        else:
            assert result[REPORT].metrics == {"loss": lr, "count": 1.0, "made": 1.0}
    trial.stop()
