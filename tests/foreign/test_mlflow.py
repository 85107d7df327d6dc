"""MLflow's stores, made by MLflow itself: mostly folders `mlruns`, which take no time, and one database."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hypertune.foreign.reading import read

pytestmark = pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed")


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Of a store in `tmp_path / "mlruns"`; afterwards such folders are refused again, as MLflow does."""
    from mlflow.tracking import MlflowClient

    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        made = MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())
        made.search_experiments()
        yield made


def run(client: Any, experiment: str, name: str, value: float | None, **tags: Any) -> str:
    known = client.get_experiment_by_name(experiment)
    number = known.experiment_id if known else client.create_experiment(experiment)
    status = tags.pop("status", "FINISHED")
    renamed = {"mlflow.parentRunId" if key == "parent" else key: str(tag) for key, tag in tags.items()}
    made = client.create_run(number, run_name=name, tags=renamed).info.run_id
    if value is not None:
        client.log_metric(made, "accuracy", value / 2, step=1)
        client.log_metric(made, "accuracy", value, step=2)
    client.set_terminated(made, status)
    return str(made)


def test_a_run_per_sweep_in_a_folder(tmp_path: Path, client: Any) -> None:
    run(client, "digits", "bustling-shark-427", 0.5, strategy="tpe", seed=0)
    first = run(client, "digits", "jolly-bird-11", 0.6)
    client.log_param(first, "sampler", "random")
    client.log_param(first, "random_seed", 1)
    for source in (tmp_path, tmp_path / "mlruns", (tmp_path / "mlruns").as_uri(), f"{tmp_path}#dig*"):
        table = read(source, mode="max")
        assert table[["strategy", "seed", "value"]].values.tolist() == [["tpe", 0, 0.5], ["random", 1, 0.6]]
        assert (table["seconds"] >= 0).all()
        assert table.attrs == {"kind": "mlflow", "metric": "accuracy", "mode": "max"}


def test_trials_below_a_parent(tmp_path: Path, client: Any) -> None:
    parent = run(client, "digits", "tpe-3", None)
    run(client, "digits", "trial 1", 0.4, parent=parent, optimizer="adam")
    run(client, "digits", "trial 2", 0.6, parent=parent, optimizer="sgd", status="FAILED")
    assert read(tmp_path, mode="max")[["strategy", "seed", "value"]].values.tolist() == [["tpe", 3, 0.6]]
    assert read(tmp_path, mode="min")["value"].tolist() == [0.4]
    with pytest.raises(ValueError, match=r"the best result of each sweep is needed, .*; give mode: min or max"):
        read(tmp_path)


def test_trials_marked_as_such(tmp_path: Path, client: Any) -> None:
    """As hypertune's own `[logging] mlflow` writes them."""
    for number, (strategy, value) in enumerate([("tpe", 0.4), ("asha", 0.5), ("tpe", 0.6), ("asha", None)]):
        run(client, "digits", f"t{number}", value, strategy=strategy, seed=0, trial_id=f"t{number}", status="FAILED")
    assert read(tmp_path, mode="max")[["strategy", "value"]].values.tolist() == [["tpe", 0.6], ["asha", 0.5]]


def test_an_experiment_per_sweep(tmp_path: Path, client: Any) -> None:
    for experiment, value in (("tpe-0", 0.4), ("tpe-0", 0.6), ("tpe-1", 0.5)):
        run(client, experiment, "7", value)
    assert read(tmp_path, mode="max")[["strategy", "seed", "value"]].values.tolist() == [
        ["tpe", 0, 0.6],
        ["tpe", 1, 0.5],
    ]


def test_several_experiments_are_tasks_where_they_are_chosen(tmp_path: Path, client: Any) -> None:
    run(client, "digits", "tpe-0", 0.4)
    run(client, "letters", "tpe-0", 0.5)
    with pytest.raises(ValueError, match=r"holds several experiments: .*; choose with \S+#PATTERN"):
        read(tmp_path)
    assert read(f"{tmp_path}#*")[["task", "value"]].values.tolist() == [["digits", 0.4], ["letters", 0.5]]
    assert read(f"{tmp_path}#letters")["value"].tolist() == [0.5]
    with pytest.raises(ValueError, match=r"has no runs in an experiment called words"):
        read(f"{tmp_path}#words")


def test_faults_name_the_run(tmp_path: Path, client: Any) -> None:
    run(client, "a", "base", 0.4)
    with pytest.raises(ValueError, match=r"run 'base': nothing says its seed; record it under the name seed"):
        read(f"{tmp_path}#a")
    run(client, "b", "tpe-0", 0.4, status="FAILED")
    with pytest.raises(ValueError, match=r"run 'tpe-0': is failed; finish it or delete it"):
        read(f"{tmp_path}#b")
    run(client, "c", "tpe-0", 0.4)
    run(client, "c", "tpe-1", None)
    with pytest.raises(ValueError, match=r"run 'tpe-1': has logged no accuracy; log it or delete the run"):
        read(f"{tmp_path}#c")
    run(client, "d", "tpe-0", 0.4)
    run(client, "d", "tpe-0", 0.5)
    with pytest.raises(ValueError, match=r"run 'tpe-0': strategy tpe, seed 0 appears a second time"):
        read(f"{tmp_path}#d")
    for name in ("bustling-shark-427", "jolly-bird-11", "major-sky-10"):
        run(client, "e", name, 0.5)
    with pytest.raises(ValueError, match=r"run 'bustling-shark-427': nothing says its strategy and seed"):
        read(f"{tmp_path}#e")
    with pytest.raises(ValueError, match=r"has no metric 'f1'; give metric: one of accuracy"):
        read(f"{tmp_path}#c", metric="f1")


def test_the_switch_for_folders_is_as_it_was(tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    run(client, "a", "tpe-0", 0.4)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    read(tmp_path)
    assert "MLFLOW_ALLOW_FILE_STORE" not in os.environ


def test_a_database(tmp_path: Path) -> None:
    import sqlite3

    import sqlalchemy
    from mlflow.tracking import MlflowClient

    def relax(connection: Any, _: Any) -> None:  # what is gone with the test need not be flushed to the disk
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "connect", relax)
    try:
        run(MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db"), "digits", "tpe-0", 0.5)
        for source in (f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "mlflow.db"):
            assert read(source)[["strategy", "seed", "value"]].values.tolist() == [["tpe", 0, 0.5]]
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "connect", relax)


def test_trials_at_any_depth_and_a_sweep_whose_trials_all_diverged(tmp_path: Path, client: Any) -> None:
    parent = run(client, "digits", "tpe-0", None)
    child = run(client, "digits", "trial 1", float("nan"), parent=parent)
    run(client, "digits", "again", 0.4, parent=child)
    run(client, "digits", "trial 1", float("nan"), parent=run(client, "digits", "tpe-1", None))
    run(client, "digits", "trial 1", float("inf"), strategy="random", seed=0, trial_id=1)
    run(client, "digits", "trial 2", 0.3, strategy="random", seed=0, trial_id=2)
    table = read(tmp_path, mode="max").sort_values(["strategy", "seed"])
    assert table["strategy"].tolist() == ["random", "tpe", "tpe"]
    assert table["value"].fillna(-1).tolist() == [0.3, 0.4, -1]
