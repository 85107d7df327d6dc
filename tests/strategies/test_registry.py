"""Names, pairs, options and plugins."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from hypertune.space.space import Space
from hypertune.strategies import registry
from hypertune.strategies.plugin import SearcherPlugin, features, searcher
from hypertune.strategies.registry import Strategy, Task, build, parse_strategy, refusal, schedulers, searchers
from tests.strategies.contract import EVERY_DOMAIN, SearcherContract
from tests.strategies.example_plugin import climber

SPACE = Space.parse({"lr": {"loguniform": [1e-4, 1e-1]}, "width": {"randint": [1, 9]}})


def make(name: str, space: Space = SPACE, **options: Any) -> tuple[Any, Any]:
    return build(parse_strategy(name), Task(space=space, metric="acc", mode="max", seed=0, max_epochs=9), options)


@pytest.mark.parametrize(
    ("name", "searcher_name", "scheduler_name"),
    [
        ("random", "random", "fifo"),
        ("asha", "random", "asha"),
        ("hyperband", "random", "hyperband"),
        ("hyperopt+asha", "hyperopt", "asha"),
        (" optuna-gp + median ", "optuna-gp", "median"),
        ("bohb", "bohb", "hyperband"),
        ("bohb+asha", "bohb", "asha"),
        ("tpe", "hyperopt", "fifo"),
    ],
)
def test_names_of_strategies(name: str, searcher_name: str, scheduler_name: str) -> None:
    assert parse_strategy(name) == Strategy(name.strip(), searcher_name, scheduler_name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("randm", r"unknown strategy 'randm'; did you mean random\? known: asha, .*; or a pair such as hyperopt\+asha"),
        ("hyperopt+ashe", r"unknown scheduler 'ashe'; did you mean asha\? known: asha, fifo, .*'hyperopt\+ashe'"),
        ("asha+random", r"unknown searcher 'asha'"),
        ("a+b+c", "unknown strategy"),
        ("", "unknown strategy ''"),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_strategy(name)


def test_listing_names_imports_no_ray() -> None:
    code = (
        "import sys; from hypertune.strategies.registry import *; parse_strategy('bohb'); list(searchers());"
        " assert not {'ray', 'torch', 'optuna'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_all_built_in_strategies_are_described() -> None:
    rows = {row.name: row for row in registry.describe()}
    assert {"random", "grid", "sobol", "bayes", "hyperopt", "optuna", "optuna-gp", "optuna-cmaes", "bohb"} <= set(rows)
    assert rows["hyperband"].needs_checkpoints
    assert not rows["hyperband"].asynchronous
    assert rows["asha"].options == {"grace_period": 1, "reduction_factor": 3}
    assert dict(registry.refused_pairs())["bohb+fifo"].endswith("use bohb+hyperband or bohb+asha")


def test_options_go_to_the_factory_whose_keyword_they_are() -> None:
    _, scheduler = make("random+asha", grace_period=3)
    assert list(scheduler.rungs) == [3]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "random+asha",
            {"grace_perod": 1},
            r"strategies.random\+asha.grace_perod: unknown option; did you mean grace_period\? known",
        ),
        ("random", {"x": 1}, "strategies.random.x: unknown option; known: none"),
        ("asha", {"grace_period": "1"}, "strategies.asha.grace_period: Expected `int`, got `str`"),
        ("hyperopt", {"gamma": math.nan}, "strategies.hyperopt.gamma: expected a finite number"),
        ("optuna", {"n_candidates": 0}, "strategies.optuna: n_candidates must be at least 1"),
        ("asha", {"grace_period": True}, "strategies.asha.grace_period: Expected `int`, got `bool`"),
        ("asha", {"grace_period": 10}, "strategies.asha: grace_period must be from 1 to max_epochs = 9, got 10"),
        ("bohb+fifo", {}, r"bohb\+fifo: bohb learns from trials of different length"),
    ],
)
def test_wrong_options_are_refused_by_name(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(name, **options)


def test_an_integer_will_do_for_a_float() -> None:
    make("bayes", exploration=1)


def test_what_a_searcher_does_not_support_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    @searcher(summary="numbers only", supports={"integer", "log"})
    def plain(space: Space, *, metric: str, mode: str, seed: int, max_epochs: int) -> Any: ...

    plugins: dict[str, SearcherPlugin] = {"plain": plain}
    monkeypatch.setattr(registry, "searchers", lambda: plugins)
    strategy = Strategy("plain", "plain", "fifo")
    assert refusal(strategy, SPACE) is None
    reason = refusal(strategy, Space.parse({"a": {"choice": [{"b": {"uniform": [0.0, 1.0]}}]}}))
    assert reason == (
        "plain: plain does not support categorical hyperparameters, and a is one;"
        " leave it out of [space] or use another searcher"
    )


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    @searcher(summary="needs more", supports=(), packages={"no_such_module": "no-such-package"})
    def needy(space: Space, *, metric: str, mode: str, seed: int, max_epochs: int) -> Any: ...

    monkeypatch.setattr(registry, "searchers", lambda: {"needy": needy})
    reason = refusal(Strategy("needy", "needy", "fifo"))
    assert reason == "needy: needy needs a package that is not installed: pip install no-such-package"


def test_unknown_features_are_refused() -> None:
    with pytest.raises(ValueError, match="supports: unknown intger; known: categorical"):
        searcher(summary="", supports={"intger"})


def test_features_of_hyperparameters() -> None:
    found = {parameter.key: features(parameter) for parameter in EVERY_DOMAIN.parameters()}
    assert found["uniform"] == []
    assert found["quniform"] == ["integer"]
    assert found["qlograndint"] == ["log", "integer"]
    assert found["grid"] == ["grid"]
    assert found["optimizer[1]/eps"] == ["conditional", "log"]


def install(folder: Path, entry_points: str) -> None:
    """What `pip install` leaves of a package that has entry points."""
    info = folder / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


def test_an_installed_plugin_is_a_strategy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "[hypertune.searchers]\nclimber = tests.strategies.example_plugin:climber\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    built, scheduler = make("climber", step=0.5)
    assert isinstance(built, Searcher)
    assert isinstance(scheduler, FIFOScheduler)
    assert SPACE.contains(built.suggest("t0"))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module:thing", "cannot be imported: No module named 'no_such_module'; fix or remove its package"),
        ("hypertune.space.space:Space", r"is not a searcher: decorate it with @searcher\(...\)"),
    ],
)
def test_a_broken_plugin_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, message: str) -> None:
    install(tmp_path, f"[hypertune.searchers]\nbroken = {target}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=rf"searcher 'broken' .* {message}"):
        searchers()["broken"]


def test_a_name_registered_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "[hypertune.schedulers]\nfifo = elsewhere:fifo\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=r"hypertune.schedulers: 'fifo' is registered twice"):
        schedulers()


class TestExamplePlugin(SearcherContract):
    """The contract as a plugin's author runs it."""

    @pytest.fixture
    def plugin(self) -> SearcherPlugin:
        return climber


@pytest.mark.parametrize(
    "name", ["random", "sobol", "bayes", "hyperopt", "bohb", "optuna", "optuna-gp", "optuna-cmaes"]
)
def test_the_largest_seed_is_one_for_every_searcher(name: str) -> None:
    task = Task(space=EVERY_DOMAIN, metric="acc", mode="max", seed=2**63 - 1, max_epochs=9)
    suggested, _ = build(parse_strategy(name), task, {})
    assert EVERY_DOMAIN.contains(suggested.suggest("a"))
