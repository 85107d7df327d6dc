"""Population based training: who makes room for whom, what clones get, and that it pays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from hypertune.records.lineage import Lineage
from hypertune.space.space import Config, Space
from hypertune.strategies.pb2 import Bandit, TimeVarying, _standardised
from hypertune.strategies.pbt import Perturb, pbt
from hypertune.strategies.population import Interval, Population, mutable
from hypertune.study.study import Budget, Study, Training
from tests.sweep.scripted import Runner, make_study

SPACE = Space.parse(
    {
        "lr": {"loguniform": [1e-4, 1e-1]},
        "drop": {"uniform": [0.0, 0.5]},
        "width": {"randint": [1, 9]},
        "norm": {"choice": ["none", {"kind": "batch", "momentum": {"uniform": [0.1, 0.9]}}]},
    }
)


def population(scores: dict[str, float], failed: tuple[str, ...] = ()) -> Population:
    made = Population(0, len(scores))
    for name, value in scores.items():
        made.add(name)
        made.scores[name] = value
    for name in failed:
        made.fail(name)
    return made


def test_the_worst_quarter_makes_room_for_the_best() -> None:
    eight = population({name: float(i) for i, name in enumerate("abcdefgh")})
    assert eight.complete
    selection = eight.advance(0.25, replace=True)
    assert (selection.losers, selection.parents) == (["b", "a"], ["h", "g"])
    assert (eight.members, eight.expected, eight.complete) == (list("cdefgh"), 2, False)


def test_whoever_failed_is_the_worst_and_is_replaced_too() -> None:
    eight = population({name: float(i) for i, name in enumerate("abcdefgh")}, failed=("h", "g", "f"))
    selection = eight.advance(0.25, replace=True)
    assert set(selection.losers) == {"h", "g", "f"}
    assert selection.to_stop == []
    assert selection.parents == ["e", "d"]


def test_a_population_that_failed_altogether_is_over() -> None:
    two = population({"a": 1.0, "b": 2.0}, failed=("a", "b"))
    two.advance(0.25, replace=True)
    assert two.over


def test_nobody_makes_room_where_no_fork_can_come() -> None:
    four = population({name: float(i) for i, name in enumerate("abcd")}, failed=("a",))
    assert four.advance(0.25, replace=False).losers == ["a"]
    assert (four.members, four.expected) == (["b", "c", "d"], 0)


@pytest.mark.parametrize(("mutate", "names"), [(None, ["lr", "drop"]), (["width"], ["width"])])
def test_what_clones_change(mutate: list[str] | None, names: list[str]) -> None:
    assert [parameter.name for parameter in mutable(SPACE, mutate)] == names


@pytest.mark.parametrize("mutate", [["norm"], ["norm/momentum"], ["typo"], []])
def test_what_clones_cannot_change_is_refused(mutate: list[str]) -> None:
    with pytest.raises(ValueError, match=r"mutate: .*; numeric hyperparameters .*: lr, drop, width"):
        mutable(SPACE, mutate)


def test_a_space_without_fractions_is_refused() -> None:
    with pytest.raises(ValueError, match="no hyperparameter can change during training"):
        pbt(Space.parse({"width": {"randint": [1, 9]}}), metric="acc", mode="max", seed=0, max_epochs=9)


@pytest.mark.parametrize(
    "options", [{"population_size": 1}, {"perturbation_interval": 0}, {"quantile": 0.6}, {"resample_probability": 2.0}]
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        pbt(SPACE, metric="acc", mode="max", seed=0, max_epochs=9, **options)


def test_a_perturbed_number_is_a_multiple_within_its_bounds() -> None:
    explore = Perturb(mutable(SPACE, None), 0.0, (0.8, 1.25))
    numbers: dict[str, float | int] = {"lr": 0.09, "drop": 0.1, "width": 3, "norm": 0}
    found = [explore(numbers, 1, np.random.default_rng(seed)) for seed in range(20)]
    assert {round(f["lr"], 6) for f in found} == {0.072, 0.1}
    assert {round(f["drop"], 6) for f in found} == {0.08, 0.125}
    assert all((f["width"], f["norm"]) == (3, 0) for f in found)


def test_lineages_are_schedules() -> None:
    lineage = Lineage()
    configs: dict[str, Config] = {name: {"lr": lr} for name, lr in (("a", 1.0), ("b", 2.0), ("c", 3.0))}
    lineage.note({"trial_id": "a"})
    lineage.note({"trial_id": "b", "parent": {"trial_id": "a", "epoch": 2, "elapsed_s": 1.5}})
    lineage.note({"trial_id": "c", "parent": {"trial_id": "b", "epoch": 6, "elapsed_s": 4.0}})
    assert lineage.schedule("c", configs) == [(1, {"lr": 1.0}), (3, {"lr": 2.0}), (7, {"lr": 3.0})]
    assert lineage.schedule("a", configs) == ()
    assert lineage.inherited("c") == (6, 4.0)


# Whole sweeps ---------------------------------------------------------------------------------------------------------


def study(strategy: str, epochs: int = 120, **changes: Any) -> Study:
    training = Training(trainable="cnn", dataset="digits", max_epochs=10)
    return make_study(strategies=(strategy,), budget=Budget(epochs=epochs), training=training, **changes)


@pytest.mark.parametrize("strategy", ["pbt", "pb2", "hyperopt+pbt"])
@pytest.mark.parametrize("workers", [1, 3, 20])
def test_every_fork_goes_on_from_where_its_parent_was_saved(strategy: str, workers: int) -> None:
    runner = Runner(study(strategy), strategy, workers=workers).run()
    forks = {e["trial_id"]: e["parent"] for e in runner.events if e["event"] == "trial" and "parent" in e}
    saves = {(e["trial_id"], e["epoch"]) for e in runner.events if e["event"] == "checkpoint"}
    assert forks
    assert {(parent["trial_id"], parent["epoch"]) for parent in forks.values()} <= saves
    assert all(parent["epoch"] % 2 == 0 for parent in forks.values())
    first = {e["trial_id"]: e["epoch"] for e in reversed(runner.events) if e["event"] == "epoch"}
    assert all(first.get(name, parent["epoch"] + 1) == parent["epoch"] + 1 for name, parent in forks.items())
    facts = runner.book().records()
    assert facts.trials["epochs"].sum() == len(facts.curves) == facts.sweeps["epochs"].sum() == 120
    assert facts.sweeps["busy_s"].sum() == pytest.approx(facts.trials["train_s"].sum()) == 60.0


@pytest.mark.parametrize(
    "entry",
    [
        math.nan,
        {"choice": [math.nan, 1.0]},
        {"array": [1, 2], "dtype": "float32"},
        {"choice": [{"array": [1, 2]}, {"array": [1, 3]}]},
    ],
)
def test_a_fork_is_recognised_where_values_are_not_equal_to_themselves(entry: Any) -> None:
    space = Space.parse({"lr": {"loguniform": [1e-4, 1e-1]}, "width": 4, "extra": entry})
    options = {"pbt": {"population_size": 4, "perturbation_interval": 3}}
    runner = Runner(make_study(strategies=("pbt",), budget=Budget(epochs=80), space=space, options=options), "pbt")
    forks = [(str(e["parent"]), str(e["config"])) for e in runner.run().events if "parent" in e]
    assert len(set(forks)) == len(forks) >= 2
    assert max(state.epochs for state in runner.sweep.trials.values()) == 9


def test_a_population_is_a_quarter_renewed_each_generation() -> None:
    runner = Runner(study("pbt", epochs=80), "pbt", workers=1).run()
    assert len(runner.sweep.trials) == 8 + 4 * 2
    table = runner.book().trials_table()
    assert (table["status"] == "completed").sum() == 8
    assert table["epochs"].sum() == 80, "each generation trains eight trials for two epochs"


def test_the_worst_is_stopped_and_the_best_is_cloned() -> None:
    runner = Runner(study("pbt", epochs=18), "pbt", workers=1).run()
    values = {name: state.best or 0.0 for name, state in list(runner.sweep.trials.items())[:8]}
    ranked = sorted(values, key=values.__getitem__)
    parents = [e["parent"]["trial_id"] for e in runner.events if e["event"] == "trial" and "parent" in e]
    assert set(parents) <= set(ranked[-2:])
    assert {runner.sweep.trials[name].status for name in ranked[:2]} == {"stopped"}


def test_a_searcher_hears_nothing_of_forks() -> None:
    runner = Runner(study("random+pbt"), "random+pbt").run()
    forks = {e["trial_id"] for e in runner.events if e["event"] == "trial" and "parent" in e}
    searcher: Any = runner.sweep.searcher
    assert forks
    assert set(searcher.history) == set(runner.sweep.trials) - forks
    assert set(searcher.finished) <= set(searcher.history)


def test_a_budget_of_trials_counts_forks() -> None:
    for trials in (5, 9, 30):
        runner = Runner(study("pbt").replace(budget=Budget(trials=trials)), "pbt").run()
        assert len(runner.sweep.trials) == trials
        assert runner.book().sweeps["pbt", 0]["finished"]


@pytest.mark.parametrize("strategy", ["pbt", "pb2"])
def test_failing_and_diverging_trials_are_replaced(strategy: str) -> None:
    def curve(config: Config, epoch: int) -> float:
        return math.nan if config["lr"] > 0.01 and epoch == 3 else 1.0 - abs(math.log10(config["lr"]) + 3) + epoch / 50

    runner = Runner(study(strategy, epochs=200), strategy, curve=curve).run()
    statuses = runner.book().trials_table()["status"]
    assert (statuses == "diverged").any()
    assert runner.sweep.spent_epochs == 200


def test_other_seeds_fork_otherwise() -> None:
    first, second = (Runner(study("pbt"), "pbt", seed=seed).run() for seed in (0, 1))
    lrs = [{e["config"]["lr"] for e in r.events if e["event"] == "trial" and "parent" in e} for r in (first, second)]
    assert not lrs[0] & lrs[1]


def test_forks_of_a_parent_that_fails_go_on_from_another() -> None:
    runner = Runner(study("pbt"), "pbt", workers=1)
    runner.sweep.begin()
    while runner.sweep.fork(runner) is None:
        runner.start_trials()
        for name in sorted(runner.sweep.running):
            runner.advance(runner.trials[name])
    wanted = runner.sweep.fork(runner)
    assert wanted is not None
    runner.sweep.failed(runner.trials[wanted.parent_id], "the worker died", runner)
    instead = runner.sweep.fork(runner)
    assert instead is not None
    assert (instead.config, instead.parent_id == wanted.parent_id) == (wanted.config, False)


# PB2 ------------------------------------------------------------------------------------------------------------------


def test_the_process_forgets_what_is_long_ago() -> None:
    rng = np.random.default_rng(0)
    x, t = rng.random((60, 1)), np.repeat(np.arange(6.0), 10)
    drifting = np.sin(6 * x[:, 0] + 1.2 * t)
    process = TimeVarying(x, t, drifting)
    points = np.linspace(0, 1, 9)[:, None]
    mean, deviation = process.predict(points, 5.0)
    assert np.abs(mean - np.sin(6 * points[:, 0] + 6.0)).mean() < 0.35
    assert (process.predict(points, 9.0)[1] > deviation).all()


def test_a_pending_clone_takes_away_uncertainty() -> None:
    process = TimeVarying(np.array([[0.1], [0.9]]), np.zeros(2), np.array([1.0, -1.0]))
    point = np.array([0.5])
    before = process.predict(point[None], 1.0)
    process.believe(point, 1.0)
    after = process.predict(point[None], 1.0)
    assert after[0] == pytest.approx(before[0], abs=1e-6)
    assert after[1] < before[1]


@pytest.mark.parametrize("outlier", [-1e4, 1e4])
def test_one_gain_that_blows_up_leaves_the_others_apart(outlier: float) -> None:
    found = _standardised(np.array([0.1, 0.2, 0.3, 0.4, 0.5, outlier, -math.inf]))
    assert np.ptp(found[:5]) > 0.3


def test_pb2_goes_where_improvements_are() -> None:
    explore = Bandit(mutable(SPACE, ["drop"]))
    rng = np.random.default_rng(0)
    for generation in range(3):
        drops = rng.uniform(0, 0.5, 8).tolist()
        explore.observe([Interval(0, generation, {"drop": d}, 0.1, 0.1 - (d - 0.4) ** 2) for d in drops])
    found = [explore({"drop": 0.1, "width": 3}, 3, np.random.default_rng(i)) for i in range(2)]
    assert all(abs(numbers["drop"] - 0.4) < 0.12 for numbers in found)
    assert found[0]["drop"] != found[1]["drop"]
    assert all(numbers["width"] == 3 for numbers in found)


@pytest.mark.parametrize("strategy", ["pbt", "pb2"])
def test_it_pays_where_the_best_learning_rate_falls_over_time(strategy: str) -> None:
    """A model whose score grows fastest with a large rate at first and a small one later; weights are inherited."""
    gained = {name: np.mean([final(name, seed) for seed in range(8)]) for name in ("random", strategy)}
    assert gained[strategy] > gained["random"] + 0.5


def final(strategy: str, seed: int) -> float:
    runner = Runner(study(strategy, epochs=160), strategy, seed=seed, workers=2)
    runner.curve = lambda config, epoch: 0.0
    lineage, configs = Lineage(), {}
    take = runner.sweep.emit

    def note(event: Any) -> None:
        take(event)
        if event["event"] == "trial":
            lineage.note(event)
            configs[event["trial_id"]] = event["config"]

    runner.sweep.emit = note

    def advance(trial: Any) -> None:
        schedule = lineage.schedule(trial.trial_id, configs) or [(1, configs[trial.trial_id])]
        epoch = runner.sweep.trials[trial.trial_id].epochs + 1
        runner.curve = lambda config, _: sum(gain(schedule, at) for at in range(1, epoch + 1))
        Runner.advance(runner, trial)

    runner.advance = advance  # type: ignore[method-assign]
    runner.run()
    return max(state.best or 0.0 for state in runner.sweep.trials.values())


def gain(schedule: Any, epoch: int) -> float:
    config = [config for first, config in schedule if first <= epoch][-1]
    ideal = -1.0 - 0.2 * epoch
    return math.exp(-((math.log10(config["lr"]) - ideal) ** 2) / 0.5)
