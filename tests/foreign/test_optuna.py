"""Optuna's studies, made by Optuna itself, in a journal and in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import optuna
import pytest
import sqlalchemy
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from hypertune.foreign.reading import read

optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(autouse=True)
def _fast_sqlite() -> Iterator[None]:
    """A database that is gone with the test need not be flushed to the disk."""

    def relax(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "connect", relax)
    yield
    sqlalchemy.event.remove(sqlalchemy.engine.Engine, "connect", relax)


def journal(folder: Path) -> tuple[Any, Path]:
    path = folder / "journal.log"
    return JournalStorage(JournalFileBackend(str(path))), path


def study(
    storage: Any, name: str, *values: float, direction: Literal["minimize", "maximize"] = "maximize", **attributes: Any
) -> optuna.Study:
    made = optuna.create_study(study_name=name, storage=storage, direction=direction)
    for key, value in attributes.items():
        made.set_user_attr(key, value)
    for value in values:
        made.add_trial(optuna.create_trial(value=value))
    return made


def test_a_journal_of_studies_named_after_strategy_and_seed(tmp_path: Path) -> None:
    storage, path = journal(tmp_path)
    study(storage, "tpe-0", 0.5, 0.7, 0.6)
    study(storage, "random_seed0", 0.4)
    table = read(path)
    assert table.drop(columns="seconds").to_dict("list") == {
        "strategy": ["tpe", "random"],
        "seed": [0, 0],
        "value": [0.7, 0.4],
    }
    assert (table["seconds"] >= 0).all()
    assert table.attrs == {"kind": "optuna", "metric": "value", "mode": "max"}


def test_attributes_in_sqlite_and_a_choice_of_studies(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    study(url, "first", 3.0, 2.0, direction="minimize", sampler="TPESampler", seed=3, task="digits")
    study(url, "other", 9.0)
    expected = {"strategy": ["TPESampler"], "seed": [3], "value": [2.0], "task": ["digits"]}
    for source in (f"{url}#fir*", f"{tmp_path}/studies.db#first"):
        table = read(source)
        assert table.drop(columns="seconds").to_dict("list") == expected
        assert table.attrs["mode"] == "min"
    with pytest.raises(
        ValueError, match=r"study 'other': nothing says its seed; record it under the name seed, or name it"
    ):
        read(url)
    with pytest.raises(ValueError, match=r"has no study called none\*"):
        read(f"{url}#none*")


def test_a_mode_that_the_studies_deny(tmp_path: Path) -> None:
    storage, path = journal(tmp_path)
    study(storage, "tpe-0", 0.5)
    with pytest.raises(ValueError, match=r"journal.log: mode is min, but its results say max; leave mode out"):
        read(path, mode="min")
    study(storage, "tpe-1", 0.5, direction="minimize")
    with pytest.raises(ValueError, match="some studies maximise and others minimise"):
        read(path)


def test_a_study_without_a_result(tmp_path: Path) -> None:
    storage, path = journal(tmp_path)
    study(storage, "tpe-0")
    with pytest.raises(ValueError, match=r"study 'tpe-0' has no completed trial"):
        read(path)


def test_of_several_objectives_one_is_judged(tmp_path: Path) -> None:
    storage, path = journal(tmp_path)
    made = optuna.create_study(study_name="nsga-0", storage=storage, directions=["maximize", "minimize"])
    made.add_trial(optuna.create_trial(values=[0.5, 10.0]))
    made.add_trial(optuna.create_trial(values=[0.7, 20.0]))
    with pytest.raises(ValueError, match=r"study 'nsga-0' has 2 objectives, but only one can be judged; name them"):
        read(path)
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        made.set_metric_names(["accuracy", "seconds"])
    assert read(path, metric="accuracy")["value"].tolist() == [0.7]
    assert read(path, metric="seconds").attrs == {"kind": "optuna", "metric": "seconds", "mode": "min"}
    with pytest.raises(ValueError, match=r"give metric: one of accuracy, seconds"):
        read(path)


@pytest.mark.parametrize("constraints", [{"constraints": [0.0, 1.0]}, {"constraints:size": 1.0}])
@pytest.mark.parametrize("directions", [["maximize"], ["minimize", "maximize"]])
def test_trials_that_violate_a_constraint_are_not_the_best(
    tmp_path: Path, constraints: dict[str, Any], directions: list[Literal["minimize", "maximize"]]
) -> None:
    """As samplers record them for `constraints_func`, and `Trial.set_constraint`."""
    storage, path = journal(tmp_path)
    made = optuna.create_study(study_name="nsga-0", storage=storage, directions=directions)
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        made.set_metric_names(["size", "accuracy"][-len(directions) :])
    others = [1.0] * (len(directions) - 1)
    made.add_trial(optuna.create_trial(values=[*others, 0.99], system_attrs=constraints))
    made.add_trial(optuna.create_trial(values=[*others, 0.7], system_attrs={"constraints": [0.0, -1.0]}))
    made.add_trial(optuna.create_trial(values=[*others, 0.6]))
    assert read(path, metric="accuracy")["value"].tolist() == [0.7]


def test_a_study_without_a_feasible_trial_is_a_failed_sweep(tmp_path: Path) -> None:
    storage, path = journal(tmp_path)
    study(storage, "tpe-0", 0.5)
    study(storage, "tpe-1").add_trial(optuna.create_trial(value=0.9, system_attrs={"constraints": [1.0]}))
    study(storage, "tpe-2", float("inf"), 0.6)
    assert read(path)["value"].fillna(-1).tolist() == [0.5, -1, 0.6]


def test_a_metric_that_the_only_objective_is_not(tmp_path: Path) -> None:
    storage, path = journal(tmp_path)
    made = study(storage, "tpe-0", 0.5)
    assert read(path, metric="accuracy").attrs["metric"] == "accuracy"
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        made.set_metric_names(["accuracy"])
    assert read(path, metric="accuracy")["value"].tolist() == [0.5]
    with pytest.raises(ValueError, match=r"study 'tpe-0' has no metric 'loss'; give metric: one of accuracy$"):
        read(path, metric="loss")


def test_the_same_seed_twice(tmp_path: Path) -> None:
    storage, path = journal(tmp_path)
    study(storage, "tpe-0", 0.5)
    study(storage, "tpe_seed0", 0.6)
    with pytest.raises(
        ValueError, match=r"study 'tpe_seed0': strategy tpe, seed 0 appears a second time, first in study"
    ):
        read(path)


def test_a_broken_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.write_text('{"op_code": 0, "worker_id": "a"}\n')
    with pytest.raises(ValueError, match=r"journal.log: Optuna cannot read it \("):
        read(path)
