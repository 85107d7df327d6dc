"""Rank correlation, importance, and configurations as numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hypertune.comparison.diagnostics import early_stopped, rank_correlation, rank_reading
from hypertune.comparison.encoding import encoded
from hypertune.comparison.importance import importances
from hypertune.records.records import Book
from tests.comparison.synthetic import make_records, make_study

CONDITIONAL = {
    "lr": {"loguniform": [1e-4, 3e-2]},
    "wide": {"choice": [True, False]},
    "layers": {"choice": [[16], [16, 32]]},
    "optimizer": {"choice": [{"momentum": {"uniform": [0, 1]}}, {"decay": {"randint": [1, 9]}}]},
}


def test_early_epochs_that_foretell_the_end_correlate_highly() -> None:
    table = rank_correlation(make_records(strategies=["random"], seeds=5, noise=0.0))
    assert table["epoch"].tolist() == list(range(1, 9))
    assert table["correlation"].iloc[-1] == pytest.approx(1, abs=1e-9)
    assert "high" in rank_reading(table)


def test_early_epochs_that_are_noise_are_warned_about() -> None:
    table = rank_correlation(make_records(strategies=["random"], seeds=5, noise=0.2))
    assert table["correlation"].abs().max() < 0.8
    assert (table["low"] <= table["correlation"]).all()
    assert (table["correlation"] <= table["high"]).all()
    low = table.assign(correlation=0.2, low=0.0, high=0.4)
    assert "will often stop the best ones" in rank_reading(low)


def test_few_finished_trials_give_no_correlation() -> None:
    table = rank_correlation(make_records(seeds=1, trials=2))
    assert table.empty
    assert "too few" in rank_reading(table)
    assert rank_correlation(Book(make_study()).records()).empty


def test_stopped_trials_take_no_part_in_the_correlation() -> None:
    records = make_records(seeds=5)
    completed = int((records.trials["status"] == "completed").sum())
    assert rank_correlation(records)["trials"].max() == completed


def test_early_stopped_counts_the_ledger() -> None:
    share = early_stopped(make_records())
    assert share["random"] == 0
    assert 0 < share["asha"] < 1


def test_the_learning_rate_is_found_important() -> None:
    table = importances(make_records(strategies=["random"], seeds=10))
    assert table["importance"].sum() == pytest.approx(1)
    assert table["hyperparameter"].iloc[0] == "lr"
    assert importances(make_records(seeds=1, trials=3)).empty


@pytest.mark.parametrize("metric", ["valid_loss", "valid_accuracy"])
def test_importance_takes_every_kind_of_space(metric: str) -> None:
    space = {**CONDITIONAL, "noise": {"randn": [0, 1]}, "q": {"quniform": [0.0, 1.0, 0.25]}}
    records = make_records(space=space, seeds=6, metric=metric, mode="min" if metric == "valid_loss" else "max")
    table = importances(records)
    assert set(table["hyperparameter"]) == {p.key for p in records.study.space.parameters()}
    assert np.isfinite(table["importance"]).all()


def test_encoding_matches_the_space_with_and_without_a_journal() -> None:
    records = make_records(space=CONDITIONAL)
    full = encoded(records)
    for trial_id, config in records.configs.items():
        row = full.loc[trial_id].dropna().to_dict()
        assert row == pytest.approx({k: float(v) for k, v in records.study.space.encode(config).items()})
    bare = encoded(replace(records, configs={}))
    pd.testing.assert_frame_equal(bare[["lr", "wide", "layers"]], full[["lr", "wide", "layers"]])
    assert bare["optimizer[0]/momentum"].equals(full["optimizer[0]/momentum"])


def test_a_value_out_of_the_space_is_missing() -> None:
    records = replace(make_records(), configs={})
    records.trials.loc[0, "config/norm"] = "no such option"
    assert math.isnan(encoded(records)["norm"].iloc[0])
