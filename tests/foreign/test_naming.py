"""Strategies and seeds in names and settings."""

from __future__ import annotations

import pytest

from hypertune.foreign.naming import found, identity, is_dated, of_name
from hypertune.foreign.source import Source

SOURCE = Source("here.csv")


@pytest.mark.parametrize(
    ("name", "strategy", "seed"),
    [
        ("tpe-3", "tpe", 3),
        ("tpe_seed3", "tpe", 3),
        ("tpe-seed=12", "tpe", 12),
        ("tpe/3", "tpe", 3),
        ("asha/seed3", "asha", 3),
        ("hyperopt+asha-0", "hyperopt+asha", 0),
        ("gp-ei-2", "gp-ei", 2),
        ("tpe-s4", "tpe", 4),
        ("tpe_run2", "tpe", 2),
        ("tpe_random_seed_7", "tpe", 7),
        ("seed3-tpe", "tpe", 3),
        ("asha-3_2026-11-27_06-44-40", "asha", 3),
        ("asha-3-2026-11-27-06-44-40-123", "asha", 3),
        ("train_2026-11-27_06-44-40", "train", None),
        ("smac3", "smac3", None),
        ("optuna-v2", "optuna-v2", None),
        ("3", None, 3),
        ("seed3", None, 3),
        ("no-name-0b5cd0d2-8a1f-4a7e-9e0c-7f3a3d1c2b1f", "no-name-0b5cd0d2-8a1f-4a7e-9e0c-7f3a3d1c2b1f", None),
    ],
)
def test_a_name_says_strategy_and_seed(name: str, strategy: str | None, seed: int | None) -> None:
    assert of_name(name) == (strategy, seed)


def test_a_name_that_a_tool_has_made_up_is_no_strategy() -> None:
    assert is_dated("train_2026-11-27_06-44-40")
    assert not is_dated("asha-3_2026-11-27_06-44-40")
    assert not is_dated("asha")


def test_what_is_recorded_comes_before_the_name() -> None:
    assert identity({"sampler": "TPESampler", "params.random_seed": "7", "dataset": "digits"}, "x-1", SOURCE) == {
        "strategy": "TPESampler",
        "seed": "7",
        "task": "digits",
    }
    assert identity({"sampler": "", "seed": None}, "tpe-1", SOURCE) == {"strategy": "tpe", "seed": 1}


def test_the_preferred_name_wins_and_two_others_are_an_error() -> None:
    assert found("strategy", ["sampler", "strategy", "method"], SOURCE) == "strategy"
    assert found("seed", ["config.seed", "seed"], SOURCE) == "seed"
    with pytest.raises(
        ValueError, match=r"here.csv: sampler, method could each be the strategy; give strategy: one of"
    ):
        found("strategy", ["sampler", "method"], SOURCE)


def test_a_strategy_asked_for_is_not_replaced_by_the_name() -> None:
    assert "strategy" not in identity({"sampler": "tpe"}, "cmaes-1", Source("x", strategy="pruner"))
    assert identity({"pruner": "asha"}, "cmaes-1", Source("x", strategy="pruner")) == {"strategy": "asha", "seed": 1}


def test_several_names_of_a_task_make_one() -> None:
    known = identity({"benchmark": "yahpo", "dataset": "40981"}, "tpe-1", SOURCE)
    assert known["task"] == "yahpo/40981"
