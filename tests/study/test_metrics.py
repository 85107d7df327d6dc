"""Reported numbers that are called as something else in the tables."""

from __future__ import annotations

import pytest

from hypertune.comparison.assessment import assess
from hypertune.comparison.readable import readable
from hypertune.comparison.summary import experiment_summary
from hypertune.comparison.table import table_of
from hypertune.study.metrics import COLUMNS, column
from tests.comparison.synthetic import make_records


def test_only_names_of_ours_are_changed_and_once() -> None:
    assert [column(name) for name in ("loss", "val/loss", "metrics/mAP50-95(B)", "reported/seed")] == [
        "loss", "val/loss", "metrics/mAP50-95(B)", "reported/seed",
    ]  # fmt: skip
    assert [column(name) for name in ("seed", "config/lr")] == ["reported/seed", "reported/config/lr"]


def test_every_column_of_every_table_is_known() -> None:
    """A column that is new in a table has to be told apart from a reported number of that name."""
    records = make_records(strategies=["random", "asha"], seeds=2, trials=3, max_epochs=3)
    own = ("valid_accuracy", "valid_loss", "train_loss", "test_accuracy", "test_loss", "config/", "parameters")
    hyperparameters = {parameter.key for parameter in records.study.space.parameters()}
    assessment = assess(records)
    tables = (
        records.trials, records.curves, records.sweeps[["strategy", "seed", "trials", "epochs"]], records.retrained,
        table_of(assessment), readable(assessment), experiment_summary(records),
    )  # fmt: skip
    for table in tables:
        unknown = [str(name) for name in table if name not in COLUMNS and not str(name).startswith(own)]
        assert set(unknown) <= hyperparameters


@pytest.mark.parametrize("metric", ["seed", "trials", "number", "span", "lr", "value", "metrics/mAP50-95(B)"])
def test_the_metric_may_be_called_as_something_of_ours(metric: str) -> None:
    records = make_records(metric=metric, strategies=["random", "asha"], seeds=2, trials=3, max_epochs=3)
    name = records.study.metric
    assessment = assess(records)
    table, summary = table_of(assessment), experiment_summary(records)
    best = records.trials.groupby(["strategy", "seed"])[name].max().groupby("strategy").mean()
    assert table.set_index("strategy")[name].to_dict() == pytest.approx(best.to_dict())
    assert readable(assessment)[name].str.contains(".", regex=False).all()
    assert sorted(summary[name]) == pytest.approx(sorted(records.trials[name]))
    assert summary.columns.is_unique
    assert len(summary.columns) == len(experiment_summary(make_records()).columns)  # nothing has been written over
