"""The comparison table and the words about it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from hypertune.comparison.assessment import assess
from hypertune.comparison.outcomes import outcomes
from hypertune.comparison.table import comparison_table
from hypertune.comparison.verdict import conclusion
from hypertune.records.records import Book
from tests.comparison.edges import EDGES, edge
from tests.comparison.synthetic import make_records, make_study

COLUMNS = [
    "strategy", "best_config", "valid_accuracy", "valid_accuracy_low", "valid_accuracy_high", "test_accuracy",
    "test_accuracy_low", "test_accuracy_high", "trials", "epochs", "wall_s", "busy_s", "utilisation",
    "time_to_target_s", "mean_rank", "p_best", "verdict",
]  # fmt: skip


def test_columns_are_the_contracts() -> None:
    records = make_records()
    table = comparison_table(records)
    assert list(table.columns) == COLUMNS
    assert table["strategy"].tolist() == list(records.study.strategies)


def test_the_columns_carry_the_metrics_name() -> None:
    table = comparison_table(make_records(metric="score"))
    assert list(table.columns) == [name.replace("valid_accuracy", "score") for name in COLUMNS]


@pytest.mark.parametrize("name", EDGES)
def test_edge_cases_make_a_table_and_sentences(name: str) -> None:
    records = edge(name)
    table = comparison_table(records)
    assert len(table) == len(records.study.strategies)
    assert table["verdict"].str.len().gt(0).all()
    assert conclusion(records).endswith(".")
    assert "nan" not in conclusion(records)


def test_values_are_means_of_incumbents_and_test_of_retrainings() -> None:
    records = make_records(retrain=3)
    table = comparison_table(records).set_index("strategy")
    ledger = records.sweeps.merge(records.trials, left_on="incumbent", right_on="trial_id")
    means = ledger.groupby("strategy_x")["valid_accuracy"].mean()
    assert table["valid_accuracy"].to_dict() == pytest.approx(means.to_dict())
    per_sweep = records.retrained.groupby(["strategy", "seed"])["test_accuracy"].mean()
    assert table["test_accuracy"].to_dict() == pytest.approx(per_sweep.groupby("strategy").mean().to_dict())
    assert (table["valid_accuracy_low"] <= table["valid_accuracy"]).all()


def test_a_failed_retraining_is_no_score() -> None:
    records = make_records(retrain=2)
    failed = records.retrained["retrain_seed"] == 1001
    records.retrained.loc[failed, "status"] = "failed"
    records.retrained.loc[failed, "test_accuracy"] = 0.1
    kept = records.retrained[records.retrained["retrain_seed"] == 1000]
    means = kept.groupby("strategy")["test_accuracy"].mean().to_dict()
    assert comparison_table(records).set_index("strategy")["test_accuracy"].to_dict() == pytest.approx(means)


def test_costs_are_means_per_sweep() -> None:
    records = make_records(failing=0.2)
    table = comparison_table(records).set_index("strategy")
    sums = records.sweeps.groupby("strategy")[["trials", "epochs", "wall_s", "busy_s"]].mean(numeric_only=True)
    for name in sums:
        assert table[name].to_dict() == pytest.approx(sums[name].astype(float).to_dict())
    assert table["utilisation"].between(0, 1).all()


def test_best_config_is_the_incumbents_configuration() -> None:
    records = make_records()
    row = comparison_table(records).set_index("strategy").loc["hyperopt"]
    best = records.trials[records.trials["strategy"] == "hyperopt"].sort_values("valid_accuracy").iloc[-1]
    assert json.loads(str(row["best_config"])) == records.configs[best["trial_id"]]


def test_what_is_unknown_is_missing_and_never_zero() -> None:
    one = comparison_table(make_records(seeds=1, retrain=0))
    intervals = ["valid_accuracy_low", "valid_accuracy_high", "test_accuracy", "test_accuracy_low", "p_best"]
    assert one[intervals].isna().all(axis=None)
    none = comparison_table(Book(make_study()).records())
    assert none.drop(columns=["strategy", "verdict"]).isna().all(axis=None)


def test_the_same_seed_gives_the_same_table() -> None:
    records = make_records()
    pd.testing.assert_frame_equal(comparison_table(records, seed=7), comparison_table(records, seed=7))


def test_one_seed_concludes_nothing() -> None:
    records = make_records(seeds=1)
    assert conclusion(records).startswith("With one seed nothing can be concluded")
    assert set(comparison_table(records)["verdict"]) == {"one seed: nothing can be concluded"}


def test_a_killed_study_names_what_is_missing_and_compares_shared_seeds_only() -> None:
    records = make_records(seeds=5, unfinished=(("asha", 3),), absent=(("asha", 4),))
    facts = outcomes(records)
    assert facts.seeds == (0, 1, 2)
    assert facts.missing == (("asha", 3), ("asha", 4))
    assert "2 of 15 sweeps have not finished: asha (seeds 3 and 4)" in conclusion(records)
    full = make_records(seeds=3)
    assert comparison_table(records)["valid_accuracy"].tolist() == comparison_table(full)["valid_accuracy"].tolist()


def test_a_strategy_without_a_finished_sweep_does_not_stop_the_others() -> None:
    records = make_records(absent=tuple(("asha", seed) for seed in range(3)))
    table = comparison_table(records).set_index("strategy")
    assert table["verdict"]["asha"] == "no finished sweep"
    assert table.loc[["random", "hyperopt"], "valid_accuracy"].notna().all()


def test_a_clear_winner_is_called_so() -> None:
    records = make_records(strategies=["random", "hyperopt"], seeds=8)
    records.retrained.loc[records.retrained["strategy"] == "random", "test_accuracy"] -= 0.05
    assert comparison_table(records)["verdict"].tolist() == ["worse than hyperopt", "best"]
    text = conclusion(records)
    assert text.startswith("Take hyperopt: its mean test_accuracy, 0.")
    assert "is significantly better than that of the other strategy." in text
    assert "based on test_accuracy of the retrained incumbents" in text


def test_an_undecided_study_names_the_leader_and_how_many_seeds_it_would_take() -> None:
    text = conclusion(make_records(strategies=["random", "median"], seeds=4, trials=6))
    assert text.startswith("Undecided; to choose now, take ")
    assert "is not significantly better than" in text
    assert "seeds in all would decide between" in text


def test_without_retraining_the_conclusion_says_that_the_values_are_optimistic() -> None:
    text = conclusion(make_records(retrain=0))
    assert "No incumbent was retrained and tested: the verdicts are based on the best valid_accuracy" in text


def test_a_dropped_strategy_is_not_missing_and_the_others_keep_their_seeds() -> None:
    absent = tuple(("asha", seed) for seed in (3, 4, 5))
    study = {"strategies": ["random", "hyperopt", "asha"], "seeds": "until decided", "max_seeds": 6}
    records = make_records(absent=absent, **study)
    look = {"seeds": 3, "ended": False, "why": "", "dropped": ["asha"], "told": ""}
    records = dataclasses.replace(records, looks=(look,))
    facts = outcomes(records)
    assert facts.seeds == (0, 1, 2, 3, 4, 5)
    assert facts.missing == ()
    assert facts.seeds_of("asha") == (0, 1, 2)
    assert comparison_table(records)["valid_accuracy"].notna().all()
    ended = dataclasses.replace(records, looks=(look, {**look, "seeds": 4, "ended": True, "dropped": []}))
    assert outcomes(ended).missing == ()
    assert ended.seeds_planned == 4


def test_failures_are_told() -> None:
    records = make_records(failing=0.3)
    lost = int(records.sweeps["failed"].sum())
    assert f"{lost} failed" in conclusion(records)


def test_a_sweep_that_found_nothing_counts_against_its_strategy() -> None:
    records = make_records(strategies=["random", "hyperopt"], seeds=3)
    records.sweeps.loc[(records.sweeps["strategy"] == "hyperopt") & (records.sweeps["seed"] == 0), "incumbent"] = None
    assessment = assess(records)
    assert assessment.ranks["hyperopt"] == pytest.approx((2 + 1 + 1) / 3)
    table = comparison_table(records).set_index("strategy")
    assert table["verdict"]["hyperopt"].endswith("1 of 3 sweeps found nothing")
    assert table["p_best"].sum() == pytest.approx(1)
    assert "1 sweep found nothing and counts as the worst" in conclusion(records)


def test_nan_metrics_are_no_values() -> None:
    records = make_records()
    records.trials.loc[:, "valid_accuracy"] = np.nan
    assert comparison_table(records)["valid_accuracy"].isna().all()
    assert "No trial reported a finite value" in conclusion(records)
