"""What is said of the trade-off: the best training of strategies, the recommended cell of a design."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from hypertune.comparison.narrative import cell_name, recommendation
from hypertune.comparison.summary import experiment_summary, hyperparameters
from hypertune.records.records import Records
from hypertune.report.markdown import markdown_report
from hypertune.report.tables import cells_table
from hypertune.space.space import Space
from tests.comparison.designed import design_study, designed
from tests.comparison.synthetic import make_records


def with_stopped(better: float, **changes: Any) -> Records:
    """A comparison whose first trial was stopped early, with a value that much above the best."""
    records = make_records()
    trials = records.trials.copy()
    trials.loc[0, "status"] = "stopped"
    trials.loc[0, "epochs"] = 2
    trials.loc[0, "valid_accuracy"] = trials["valid_accuracy"].max() + better
    return dataclasses.replace(records, trials=trials.assign(**changes))


def test_of_strategies_the_best_full_training_is_named_and_no_standard_error() -> None:
    records = with_stopped(0.01)
    table = experiment_summary(records)
    best = table[table["epochs"] == records.study.training.max_epochs].iloc[0]
    said = recommendation(records)
    assert said.startswith(f"The best full training: {cell_name(records, best)}, ")
    assert f"One trial that was stopped early did better: {cell_name(records, table.iloc[0])} with " in said
    assert "no recommendation" in said
    report = markdown_report(records)
    assert "best training" in report
    assert "standard error" not in report
    assert "Recommended:" not in report
    assert "recommended" not in [row[-1] for row in cells_table(records, 6).rows]


def test_a_stopped_trial_that_was_worse_is_not_mentioned() -> None:
    assert "stopped early" not in recommendation(with_stopped(-0.9))


def test_trainings_that_were_all_cut_short_are_not_called_full() -> None:
    assert recommendation(with_stopped(-0.9, epochs=2)).startswith("The best of the longest trainings, none being full")


def test_without_repetition_a_design_has_no_standard_error() -> None:
    study = design_study({"width": {"grid_search": [1, 2, 4]}}, seeds=1)
    said = recommendation(designed(study, lambda config, epoch: 0.1 * config["width"], noise=0.0))
    assert said.startswith("Recommended: width=4, ")
    assert said.endswith(", the best.")
    repeated = design_study({"width": {"grid_search": [1, 2]}}, seeds=5)
    said = recommendation(designed(repeated, lambda config, epoch: {1: 0.91, 2: 0.9}[config["width"]], noise=0.01))
    assert "within one standard error of the best, width=2" in said


def test_conditional_hyperparameters_are_told() -> None:
    records = make_records()
    space = Space.parse(
        {
            "opt": {"choice": [{"kind": "sgd", "momentum": {"uniform": [0.0, 1.0]}, "steps": {"randint": [1, 9999]}},
                               {"kind": "adam"}, "none"]},
            "fixed": 7, "nested": {"x": {"uniform": [0.0, 1.0]}, "y": "constant"},
        }
    )  # fmt: skip
    trials = records.trials[[name for name in records.trials if not str(name).startswith("config/")]]
    n, first = len(trials), np.arange(len(trials)) == int(trials["valid_accuracy"].argmax())
    trials = trials.assign(**{
        "config/opt": None, "config/opt/kind": np.where(first, "sgd", "adam"),
        "config/opt/momentum": np.where(first, 0.5, np.nan), "config/opt/steps": np.where(first, 1024, np.nan),
        "config/fixed": 7, "config/nested/x": np.linspace(0, 1, n), "config/nested/y": "constant",
    })  # fmt: skip
    study = records.study.replace(space=space)
    records = dataclasses.replace(records, study=study, trials=trials)
    assert hyperparameters(records) == [
        "strategy", "epochs", "opt", "opt/kind", "opt/momentum", "opt/steps", "nested/x",
    ]  # fmt: skip
    table = experiment_summary(records)
    assert "opt/kind=sgd opt/momentum=0.5 opt/steps=1024 nested/x=" in cell_name(records, table.iloc[0])
    other = cell_name(records, table.iloc[1])
    assert "opt/kind=adam nested/x=" in other
    assert "nan" not in other


@pytest.mark.parametrize("mode", ["min", "max"])
def test_better_means_what_the_mode_says(mode: str) -> None:
    metric = "valid_loss" if mode == "min" else "valid_accuracy"
    records = make_records(mode=mode, metric=metric)
    trials = records.trials.copy()
    trials.loc[0, "epochs"] = 1
    trials.loc[0, metric] = -1.0 if mode == "min" else 2.0
    assert "stopped early did better" in recommendation(dataclasses.replace(records, trials=trials))
