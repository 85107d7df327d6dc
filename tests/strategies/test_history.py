"""What hypertune's own searchers keep of their trials."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from hypertune.strategies.history import FAILED
from hypertune.strategies.registry import searchers
from tests.strategies.contract import EVERY_DOMAIN, SMALL


def make(name: str = "random", mode: str = "max", **options: Any) -> Any:
    return searchers()[name](SMALL, metric="acc", mode=mode, seed=0, max_epochs=9, **options)


def test_losses_are_the_metric_with_its_sign() -> None:
    for mode, expected in (("max", -0.5), ("min", 0.5)):
        searcher = make(mode=mode)
        searcher.suggest("a")
        searcher.on_trial_complete("a", {"acc": 0.5})
        assert searcher.history["a"].loss == expected


@pytest.mark.parametrize("result", [None, {}, {"acc": None}, {"acc": math.nan}, {"acc": -math.inf}])
def test_whatever_is_no_number_is_a_failure(result: dict[str, Any] | None) -> None:
    searcher = make()
    searcher.suggest("a")
    searcher.on_trial_complete("a", result)
    assert searcher.history["a"].loss == FAILED


def test_an_error_is_a_failure_whatever_the_result_says() -> None:
    searcher = make()
    searcher.suggest("a")
    searcher.on_trial_complete("a", {"acc": 1.0}, error=True)
    assert searcher.history["a"].loss == FAILED


def test_the_first_end_of_a_trial_counts() -> None:
    searcher = make()
    searcher.suggest("a")
    searcher.on_trial_complete("a", {"acc": 0.5})
    searcher.on_trial_complete("a", {"acc": 0.9})
    assert searcher.history["a"].loss == -0.5
    assert searcher.finished == ["a"]


def test_the_same_trial_gets_the_same_suggestion() -> None:
    searcher = make()
    first = searcher.suggest("a")
    assert searcher.suggest("a") == first
    assert searcher.suggest("b") != first


def test_the_state_is_plain_json(tmp_path: Path) -> None:
    searcher = make("bayes")
    searcher.suggest("a")
    searcher.on_trial_complete("a", {"acc": 0.5})
    searcher.save(str(tmp_path / "state"))
    state = json.loads((tmp_path / "state").read_text())
    assert state["finished"] == ["a"]
    assert state["history"]["a"]["loss"] == -0.5


@pytest.mark.parametrize("name", ["hyperopt", "optuna", "optuna-cmaes", "bayes", "bohb"])
def test_a_region_that_only_fails_is_avoided(name: str) -> None:
    searcher = make(name, n_initial=10)
    drops = []
    for i in range(40):
        config = searcher.suggest(f"t{i}")
        drops.append(config["drop"])
        if config["drop"] > 0.2:
            searcher.on_trial_complete(f"t{i}", None, error=True)
        else:
            result = {"acc": -abs(math.log10(config["lr"]) + 2), "epoch": 1}
            searcher.on_trial_result(f"t{i}", result)
            searcher.on_trial_complete(f"t{i}", result)
    # At random, six in ten would be in the region that fails.
    assert sum(drop > 0.2 for drop in drops[20:]) <= 7


def test_conditional_hyperparameters_are_kept_apart_by_key() -> None:
    searcher = searchers()["random"](EVERY_DOMAIN, metric="acc", mode="max", seed=0, max_epochs=9)
    for i in range(20):
        searcher.suggest(f"t{i}")
    keys = {frozenset(key for key in s.numbers if "momentum" in key) for s in searcher.history.values()}  # type: ignore[attr-defined]
    assert keys == {frozenset({"optimizer[0]/momentum"}), frozenset({"optimizer[1]/momentum"})}
