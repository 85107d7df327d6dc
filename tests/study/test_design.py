"""Designs: their cells and factors, and how a study file states them."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypertune.space.space import Space
from hypertune.study.design import Design, Factor, OneAtATime, level_numbers
from hypertune.study.shipped import shipped
from hypertune.study.study import Study

FILE = """
[study]
name = "d"
seeds = 3
metric = "valid_accuracy"
mode = "max"
hypotheses = ["adam > sgd"]
[training]
trainable = "mlp"
dataset = "digits"
max_epochs = 10
[space]
optimizer = { grid_search = ["sgd", "adam"] }
lr = { loguniform = [1e-4, 1e-2] }
[design]
kind = "grid"
points = 3
epochs = [3, 10]
"""


def test_a_design_is_one_sweep_per_seed_with_a_budget_of_all_its_cells() -> None:
    study = Study.parse(tomllib.loads(FILE))
    assert study.strategies == ("grid",)
    assert study.budget.trials == 6
    assert study.options == {"grid": {"points": 3, "levels": 10}}
    assert [factor.name for factor in study.factors()] == ["optimizer", "lr", "epochs"]
    assert study.factors()[1].levels == pytest.approx((1e-4, 1e-3, 1e-2))
    assert Study.parse(tomllib.loads(study.to_toml())) == study


def test_the_eight_first_experiments_ship() -> None:
    weeks = {name for name in shipped() if name.startswith("week")}
    assert weeks == {
        "week1_epochs", "week1_units", "week1_batch_size", "week1_depth", "week1_learning_rate", "week1_optimizer",
        "week2_normalisation", "week4_strategies",
    }  # fmt: skip
    assert Study.load("week1_units").budget.trials == 121
    assert Study.load("week2_normalisation").budget.trials == 3 * 4 * 2
    assert all(Study.load(name).hypotheses for name in weeks)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds = 3", 'seeds = 3\nstrategies = ["random"]', "study.strategies: not allowed with a [design]"),
        (
            "seeds = 3",
            "seeds = 3\nbudget = { epochs = 9 }",
            "study.budget: not allowed with a [design], which runs each cell in full",
        ),
        ('kind = "grid"', 'kind = "gird"', "design.kind: invalid enum value 'gird'"),
        ('kind = "grid"', 'kind = "grid"\nlevles = 3', "design.levles: unknown key; did you mean levels?"),
        ('kind = "grid"', 'kind = "grid"\nbaseline = { lr = 1 }', "design: baseline: belongs to kind"),
        ('kind = "grid"', 'kind = "one_at_a_time"\nbaseline = { lr = 1e-3 }', "design: baseline: optimizer is missing"),
        ("epochs = [3, 10]", "epochs = [3, 5]", "design.epochs: the last one, 5, must be training.max_epochs, 10"),
        ("epochs = [3, 10]", "epochs = [10, 3]", "design: epochs: give each once, in ascending order"),
        (
            "max_epochs = 10",
            'max_epochs = 10\nconfig = { lr_schedule = "cosine" }',
            "design.epochs: with an lr_schedule",
        ),
        ("[space]", "[space]\nepochs = { grid_search = [1, 2] }", "design.epochs: [space] has a hyperparameter of"),
        ("points = 3", "points = 3\n[strategies.random]", "strategies.random: not allowed with a [design]"),
        ("adam > sgd", "adam > adagrad", "study.hypotheses[0]: 'adagrad': is no level of any factor"),
        ("[design]", "[designs]", "designs: unknown key; did you mean design?"),
    ],
)
def test_a_wrong_design_gets_one_line(old: str, new: str, said: str) -> None:
    assert old in FILE
    with pytest.raises(ValueError, match=r".") as error:
        Study.parse(tomllib.loads(FILE.replace(old, new)))
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_conditional_hyperparameters_are_no_factors() -> None:
    space = {"optimizer": {"choice": ["adam", {"name": "sgd", "momentum": {"uniform": [0.0, 0.9]}}]}}
    tables = {**tomllib.loads(FILE), "space": space}
    with pytest.raises(ValueError, match="design: optimizer/momentum: a design takes no conditional hyperparameters"):
        Study.parse(tables)


def test_without_a_space_the_epochs_are_the_one_factor() -> None:
    tables = tomllib.loads(FILE)
    del tables["space"], tables["study"]["hypotheses"]
    study = Study.parse(tables)
    assert study.budget.trials == 1
    assert [factor.name for factor in study.factors()] == ["epochs"]
    del tables["design"]["epochs"]
    with pytest.raises(ValueError, match="space: no hyperparameter to search"):
        Study.parse(tables)


def test_a_design_keeps_its_cells_whatever_the_command_line_says() -> None:
    with pytest.raises(ValueError, match="design: runs each cell in full"):
        Study.parse(tomllib.loads(FILE)).replace(strategies=("random",))


SPACE = Space.parse(
    {"lr": {"loguniform": [1e-4, 1e-2]}, "depth": {"randint": [1, 4]}, "norm": {"choice": ["none", "batch", "layer"]}}
)


def test_one_at_a_time_is_the_baseline_and_each_single_change() -> None:
    cells = OneAtATime(SPACE, {"lr": 3e-4, "depth": 2, "norm": "batch"}, points=3, levels=10)
    configs = [cells.config(i) for i in range(cells.size)]
    assert configs[0] == {"lr": 3e-4, "depth": 2, "norm": "batch"}
    assert cells.size == 1 + 3 + 2 + 2  # the baseline's own learning rate is a level beside the three points
    assert all(sum(config[key] != configs[0][key] for key in config) == 1 for config in configs[1:])
    assert cells.levels("lr") == pytest.approx((1e-4, 3e-4, 1e-3, 1e-2))


def test_a_baseline_that_is_a_level_but_for_rounding_comes_once() -> None:
    space = Space.parse({"lr": {"loguniform": [1e-4, 1e-2]}, "wd": {"loguniform": [1e-6, 1e-2]}})
    cells = OneAtATime(space, {"lr": 1e-3, "wd": 1e-4}, points=5, levels=10)
    assert cells.levels("lr") == (1e-4, 3.16227766017e-4, 1e-3, 3.16227766017e-3, 1e-2)
    assert cells.levels("wd") == (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
    assert cells.size == 9
    copied = OneAtATime(space, {"lr": 10**-2.5, "wd": 1e-4}, points=5, levels=10)
    assert copied.levels("lr") == (1e-4, 3.16227766017e-4, 1e-3, 10**-2.5, 1e-2)


def test_levels_are_round_numbers() -> None:
    domain = Space.parse({"x": {"uniform": [-0.1, 0.3]}}).parameters()[0].domain
    assert level_numbers(domain, 5, 10) == [-0.1, 0.0, 0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        ({"lr": 1e-3, "depth": 2}, "norm is missing"),
        ({"lr": 1e-3, "depth": 2, "norm": "none", "x": 1}, r"x is not in \[space\]"),
        ({"lr": 1.0, "depth": 2, "norm": "none"}, "lr: 1.0 is not in loguniform"),
        ({"lr": 1e-3, "depth": 2.0, "norm": "none"}, "depth: 2.0 is not in randint"),
        ({"lr": 1e-3, "depth": 2, "norm": "group"}, "norm: 'group' is not one of the options"),
    ],
)
def test_a_wrong_baseline_is_refused(baseline: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"baseline: {said}"):
        OneAtATime(SPACE, baseline, points=3, levels=10)


@given(st.integers(1, 4), st.sampled_from(["grid", "one_at_a_time"]))
def test_every_cell_is_of_the_space_and_comes_once(points: int, kind: Any) -> None:
    cells = Design(kind=kind, points=points).cells(SPACE)
    configs = [cells.config(i) for i in range(cells.size)]
    assert all(SPACE.contains(config) for config in configs)
    assert len({repr(config) for config in configs}) == cells.size


def test_levels_know_whether_they_are_numbers_and_read_better_on_a_log_axis() -> None:
    assert Factor("lr", (1e-4, 1e-2)).log
    assert not Factor("depth", (1, 2, 3)).log
    assert Factor("depth", (1, 2, 3)).numeric
    assert not Factor("on", (True, False)).numeric
    assert not Factor("norm", ("none", 2)).numeric
