"""Grid search: every combination once."""

from __future__ import annotations

from typing import Any

import pytest
from ray.tune.search import Searcher

from hypertune.space.space import Config, Space
from hypertune.strategies.grid import grid, one_at_a_time


def all_of(table: dict[str, Any], **options: Any) -> list[Config]:
    searcher: Any = grid(Space.parse(table), metric="acc", mode="max", seed=0, max_epochs=9, **options)
    configs: list[Config] = []
    while (config := searcher.suggest(f"t{len(configs)}")) != Searcher.FINISHED:
        configs.append(config)
    assert searcher.suggest("another") == Searcher.FINISHED
    return configs


def test_the_product_of_all_values_each_once() -> None:
    table = {"a": {"grid_search": [1, 2]}, "b": {"choice": ["x", "y", "z"]}, "n": {"qrandint": [2, 6, 2]}, "c": 7}
    configs = all_of(table)
    assert len({tuple(config.values()) for config in configs}) == len(configs) == 18
    assert {config["n"] for config in configs} == {2, 4, 6}


def test_continuous_domains_get_points_on_their_own_scale() -> None:
    table = {"lr": {"loguniform": [1e-4, 1e-2]}}
    assert [config["lr"] for config in all_of(table, points=3, shuffle=False)] == pytest.approx([1e-4, 1e-3, 1e-2])
    assert len(all_of({"x": {"randn": [0.0, 1.0]}}, points=4)) == 4
    assert all_of({"x": {"uniform": [0.0, 2.0]}}, points=1) == [{"x": 1.0}]


def test_many_levels_are_thinned_out() -> None:
    assert sorted(config["n"] for config in all_of({"n": {"randint": [0, 101]}}, points=3)) == [0, 50, 100]
    assert len(all_of({"n": {"randint": [0, 101]}}, levels=101)) == 101


def test_conditional_hyperparameters_multiply_their_own_option_only() -> None:
    sgd = {"kind": "sgd", "momentum": {"uniform": [0.0, 0.9]}}
    configs = all_of({"optimizer": {"choice": [sgd, "adam"]}, "seed": {"grid_search": [1, 2]}}, points=3)
    assert len(configs) == (3 + 1) * 2
    assert sum(config["optimizer"] == "adam" for config in configs) == 2


def test_a_grid_beyond_reason_is_refused() -> None:
    table = {f"x{i}": {"uniform": [0.0, 1.0]} for i in range(9)}
    with pytest.raises(ValueError, match="the grid has 1,953,125 points, more than 1,000,000; lower points or levels"):
        all_of(table)


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        all_of({}, points=0)


def test_one_at_a_time_suggests_the_baseline_and_each_single_change_once() -> None:
    space = Space.parse({"a": {"grid_search": [1, 2, 3]}, "b": {"choice": ["x", "y"]}})
    searcher: Any = one_at_a_time(space, metric="acc", mode="max", seed=0, max_epochs=9, baseline={"a": 2, "b": "x"})
    configs = [searcher.suggest(f"t{i}") for i in range(4)]
    assert searcher.suggest("another") == Searcher.FINISHED
    assert sorted(map(str, configs)) == sorted(
        map(str, [{"a": 2, "b": "x"}, {"a": 1, "b": "x"}, {"a": 3, "b": "x"}, {"a": 2, "b": "y"}])
    )


def test_one_at_a_time_refuses_a_baseline_that_is_not_of_the_space() -> None:
    space = Space.parse({"a": {"grid_search": [1, 2, 3]}})
    with pytest.raises(ValueError, match="baseline: a: 7 is not one of the options"):
        one_at_a_time(space, metric="acc", mode="max", seed=0, max_epochs=9, baseline={"a": 7})
