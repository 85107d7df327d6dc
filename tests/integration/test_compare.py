"""`hypertune.compare` with an existing Ray Tune user's trainables, on a real local Ray."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ray import tune

from hypertune import compare, load
from hypertune.comparison.encoding import encoded
from hypertune.sweep import batches
from hypertune.tuning import housekeeping
from tests.integration import trainables

SPACE = {"lr": tune.loguniform(1e-4, 1e-1), "width": tune.randint(1, 9)}
STRATEGIES = ["random", "bayes", "hyperband", "hyperopt"]

pytestmark = pytest.mark.usefixtures("local_ray")


def run(out: Path, trainable: Any = trainables.objective, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "trainable": trainable,
        "space": SPACE,
        "strategies": STRATEGIES,
        "seeds": 2,
        "budget": {"epochs": 40},
        "metric": "score",
        "mode": "max",
        "max_epochs": 9,
        "out": out,
    }
    return compare(**{**arguments, **changes})


def test_a_function_trainable_runs_unchanged_with_four_strategies(tmp_path: Path) -> None:
    result = run(tmp_path / "out")
    assert list(result.table["strategy"]) == STRATEGIES
    assert list(result.records.sweeps["epochs"]) == [40] * 8
    assert all(type(width) is int for width in result.trials["config/width"].tolist())
    assert result.trials["config/width"].between(1, 8).all()
    assert result.best.value == result.trials["score"].max()
    assert set(result.best.config) == {"lr", "width"}
    assert result.figures()
    for name in ("study.toml", "provenance.json", "trials.csv", "curves.parquet", "report.html", "best/config.toml"):
        assert (tmp_path / "out" / name).stat().st_size > 0, name
    for ending in ("csv", "md", "json", "tex"):
        assert (tmp_path / "out" / f"comparison.{ending}").stat().st_size > 0, ending


def test_values_of_every_kind_reach_the_trainable_the_records_and_a_resume(tmp_path: Path) -> None:
    space = {
        "depth": tune.choice([None, 3, "sqrt"]),
        "colour": tune.choice(list(trainables.Colour)),
        "width": tune.choice(np.arange(8, 65, 8)),  # type: ignore[arg-type]
        "pair": tune.choice([(1, 2), (3, 4)]),
        "array": np.arange(3),
        "layers": [tune.randint(1, 9), "last"],
        "dropout": tune.choice([0.0, tune.uniform(0.1, 0.5)]),
        "hypertune": tune.choice([1, 1, 2]),
    }
    given = {"trainable": trainables.values_as_given, "space": space, "metric": "loss", "mode": "min", "max_epochs": 1}
    out = tmp_path / "out"
    result = run(out, **given, strategies=["random", "grid", "hyperopt"], budget={"trials": 8}, seeds=1)
    assert set(result.trials["status"]) == {"completed"}
    assert result.best.config["depth"] is None
    assert isinstance(result.best.config["colour"], trainables.Colour)
    journal = (out / "sweeps/journal.jsonl").read_text().splitlines(keepends=True)
    last = max(i for i, line in enumerate(journal) if '"event": "trial"' in line)
    (out / "sweeps/journal.jsonl").write_text("".join(journal[: last + 1]))
    (out / "trials.csv").unlink()
    resumed = compare(out=out, resume=True)  # by the study file alone, as the command line does
    whole = load(out)
    shutil.rmtree(out / "sweeps")
    for other in (resumed, whole, load(out)):
        assert other.best is not None
        assert repr(other.best.config) == repr(result.best.config)
        assert other.table["best_config"].tolist() == result.table["best_config"].tolist()
        columns = [name for name in result.trials if name.startswith("config/")]
        pd.testing.assert_frame_equal(other.trials[columns], result.trials[columns], check_dtype=False)
        assert encoded(other.records).equals(encoded(result.records))


def test_the_sweeps_of_a_study_share_their_processes(tmp_path: Path) -> None:
    """What makes one more sweep cheap; `tests/benchmarks/overhead.py` measures the seconds."""
    result = run(tmp_path / "out", in_process, strategies=["random", "asha"], seeds=4)
    sweeps = result.curves.groupby(["strategy", "seed"])["process"]
    assert len(sweeps) == 8
    assert result.curves["process"].nunique() == result.records.sweeps["workers"].iloc[0] == 2


def in_process(config: dict[str, Any]) -> None:
    for step in range(1, 10):
        tune.report({"score": trainables.score(config, step), "process": os.getpid()})


def test_quick_epochs_are_reported_several_at_a_time_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lets the driver keep up with a hundred trials; `tests/benchmarks/overhead.py` measures how many reports."""
    # As long as with a hundred trials, so that a busy machine does not make epochs too slow for it.
    for module in (batches, housekeeping):
        monkeypatch.setattr(module, "batch_s", lambda workers: batches.LONGEST_S)
    plan: dict[str, Any] = {"strategies": ["random", "asha"], "seeds": 1, "budget": {"epochs": 900}, "max_epochs": 300}
    result = run(tmp_path / "out", Quick, **plan)
    assert list(result.records.sweeps["epochs"]) == [900, 900]
    for _, curve in result.curves.groupby("trial_id"):
        assert list(curve["epoch"]) == list(range(1, len(curve) + 1))
    full = result.curves[(result.curves["strategy"] == "random") & (result.curves["epoch"] == 300)]
    assert full["answers"].between(1, 150).all()


class Quick(trainables.Objective):
    """Reports how often it has been told to train a batch of epochs."""

    def setup(self, config: dict[str, Any]) -> None:
        super().setup(config)
        self.answers = 0

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def train_buffered(self, buffer_time_s: float, max_buffer_length: int = 1000) -> Any:
        self.answers += 1
        return super().train_buffered(buffer_time_s, max_buffer_length)

    def step(self) -> dict[str, Any]:
        return {**super().step(), "answers": self.answers}


@pytest.mark.slow
def test_a_class_trainable_without_reset_config_runs(tmp_path: Path) -> None:
    result = run(tmp_path / "out", trainables.Objective, strategies=["random"], seeds=1, budget={"trials": 2})
    assert list(result.trials["status"]) == ["completed", "completed"]
    assert list(result.trials["epochs"]) == [9, 9]


@pytest.mark.parametrize("direction", ["reset calls setup", pytest.param("setup calls reset", marks=pytest.mark.slow)])
def test_setup_and_reset_config_of_a_class_may_call_each_other(tmp_path: Path, direction: str) -> None:
    own = ResetBySetup if direction == "reset calls setup" else SetUpByReset
    result = run(tmp_path / "out", own, strategies=["random"], seeds=1, budget={"trials": 6})
    assert list(result.trials["status"]) == ["completed"] * 6
    assert list(result.trials["epochs"]) == [9] * 6


class ResetBySetup(trainables.Objective):
    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True


class SetUpByReset(trainables.Objective):
    def setup(self, config: dict[str, Any]) -> None:
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        super().setup(new_config)
        return True


def test_failures_and_divergence_are_shown_and_charged(tmp_path: Path) -> None:
    result = run(tmp_path / "out", trainables.failing, strategies=["random", "hyperopt", "asha"])
    assert {"failed", "diverged", "completed"} <= set(result.trials["status"])
    failed = result.trials[result.trials["status"] == "failed"]
    assert (failed["epochs"] == 2).all()
    assert (result.trials.loc[result.trials["status"] == "diverged", "config/lr"] < 1e-3).all()
    assert (result.records.sweeps["epochs"] == 40).all()
    journal = (tmp_path / "out" / "sweeps" / "journal.jsonl").read_text()
    assert "RuntimeError: too wide for this test" in journal


def test_a_trial_whose_worker_dies_is_tried_again_and_nothing_is_charged_twice(tmp_path: Path) -> None:
    space = {**SPACE, "marker": str(tmp_path / "died")}
    result = run(tmp_path / "out", trainables.suicidal, space=space, strategies=["random"], seeds=1)
    assert (tmp_path / "died").exists()
    assert set(result.trials["status"]) == {"completed", "stopped"}
    assert result.trials["epochs"].sum() == len(result.curves) == 40
    assert not result.curves.duplicated(["trial_id", "epoch"]).any()


def test_a_paused_trial_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    result = run(tmp_path / "out", trainables.checkpointing, strategies=["hyperband"], seeds=1)
    promoted = result.curves[result.curves["epoch"] == 9]
    assert len(promoted)
    assert (promoted["started_from"] > 0).any(), "no promoted trial went on from its checkpoint"
    assert not list((tmp_path / "out" / "sweeps").glob("run_*")), "checkpoints are left after the study"
    kept = json.loads((tmp_path / "out" / "best" / "checkpoint" / "state.json").read_text())
    assert kept["step"] == result.best.epoch


def test_a_metric_nobody_reports_ends_the_study_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="study.metric: 'accuracy' is not reported; the trainable reports score"):
        run(tmp_path / "out", metric="accuracy", strategies=["random"], seeds=1)


def test_more_gpus_than_there_are_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"resources.gpus_per_trial: 2 asked for, but no node .* more than 0"):
        run(tmp_path / "out", resources={"gpus_per_trial": 2})


def test_the_same_study_twice_with_one_worker_gives_the_same_curves(tmp_path: Path) -> None:
    def curves(name: str) -> pd.DataFrame:
        result = run(tmp_path / name, resources={"cpus_per_trial": 2}, strategies=["random", "hyperopt", "hyperband"])
        frame: pd.DataFrame = result.curves
        return frame.drop(columns=["elapsed_s", "wall_s"])

    pd.testing.assert_frame_equal(curves("first"), curves("second"))


def test_provenance_says_how_it_was_run(tmp_path: Path) -> None:
    run(tmp_path / "out", strategies=["random"], seeds=[3], budget={"trials": 1})
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert facts["seeds"] == [3]
    assert facts["versions"]["ray"]
    assert facts["hardware"]["cores"] >= 1
    assert facts["ended_at"] > facts["started_at"]
    assert [row["strategy"] for row in facts["sweeps"]] == ["random"]
