"""Sweeps in virtual time: the rules of a real one, whatever the number of workers, the same to the last digit."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypertune.records.records import Event
from hypertune.simulation.costs import Costs
from hypertune.simulation.engine import Simulation, VirtualCluster, stamp
from hypertune.simulation.lookup import Nearest
from hypertune.space.space import Space
from hypertune.strategies.asha import AshaScheduler
from hypertune.study.study import Budget
from tests.simulation.tables import FREE, made_up, recorded, recordings, simulated
from tests.sweep.scripted import Runner, accuracy, make_study

STRATEGIES = ["random", "asha", "hyperband", "median", "hyperopt", "optuna", "bohb", "hyperopt+hyperband"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("workers", [1, 7, 100])
def test_a_budget_of_epochs_is_spent_exactly(strategy: str, workers: int) -> None:
    book, _ = simulated(make_study(strategies=(strategy,)), strategy, workers=workers, costs=Costs())
    row = book.sweeps[strategy, 0]
    assert row["finished"]
    assert row["epochs"] == 40 == book.trials_table()["epochs"].sum()
    assert set(book.trials_table()["status"]) <= {"completed", "stopped"}
    assert 0 < row["busy_s"] <= row["workers"] * row["wall_s"] + 1e-6


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_budget_of_trials_gives_out_that_many(strategy: str) -> None:
    study = make_study(strategies=(strategy,), budget=Budget(trials=30))
    book, _ = simulated(study, strategy, workers=4)
    assert book.sweeps[strategy, 0]["trials"] == 30
    assert (book.trials_table()["status"] != "running").all()


@pytest.mark.parametrize("report_s", [0.0, 50.0])
@pytest.mark.parametrize("strategy", ["random", "asha", "hyperband"])
def test_a_budget_of_seconds_is_virtual_and_ends_with_the_epochs_in_flight(strategy: str, report_s: float) -> None:
    study, costs = make_study(strategies=(strategy,), budget=Budget(seconds=5000)), replace(FREE, report_s=report_s)
    book, _ = simulated(study, strategy, workers=3, costs=costs)
    assert 5000 <= book.sweeps[strategy, 0]["wall_s"] <= 5000 + 80 + 3 * report_s


@pytest.mark.parametrize("strategy", ["random", "asha", "hyperband", "hyperopt", "optuna", "bohb", "median"])
def test_with_one_worker_it_decides_as_any_other_driver_does(strategy: str) -> None:
    study = make_study(strategies=(strategy,), budget=Budget(epochs=150))
    real = Runner(study, strategy, workers=1).run().book()
    source = Nearest(recordings(study, real.curves_table()), study)
    book, simulation = simulated(study, strategy, workers=1, source=source)
    columns = ["trial_id", "status", "epochs", "best_epoch", "acc", "config/lr", "config/width"]
    pd.testing.assert_frame_equal(book.trials_table()[columns], real.trials_table()[columns])
    assert simulation.tally["estimated"] == 0
    assert simulation.tally["continued_beyond_their_recording"] == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_gives_the_same_sweep_to_the_last_digit(strategy: str) -> None:
    study = make_study(strategies=(strategy,))
    costs = Costs(straggler_share=0.2, failures_per_hour=20.0, speeds=(1.0, 0.7))
    first, second = (simulated(study, strategy, workers=5, costs=costs)[0] for _ in range(2))
    assert first.trials == second.trials
    pd.testing.assert_frame_equal(first.curves_table(), second.curves_table(), check_exact=True)
    other, _ = simulated(study, strategy, workers=5, costs=costs, seed=1)
    assert other.trials_table()["config/lr"].tolist() != first.trials_table()["config/lr"].tolist()


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["random", "asha", "hyperband"]),
    st.integers(1, 30),
    st.integers(1, 120),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([0.0, 60.0]),
    st.sampled_from([0.0, 7.0]),
)
def test_whatever_happens_the_ledger_adds_up(
    strategy: str, workers: int, epochs: int, seed: int, stragglers: float, failures: float, report_s: float
) -> None:
    study = make_study(strategies=(strategy,), budget=Budget(epochs=epochs))
    costs = Costs(report_s=report_s, straggler_share=stragglers, failures_per_hour=failures, restart_s=5)
    book, simulation = simulated(study, strategy, workers=workers, costs=costs, seed=seed, source=SOURCE)
    row, trials, curves = book.sweeps[strategy, seed], book.trials_table(), book.curves_table()
    assert row["epochs"] == epochs == len(curves) + row["failed"]
    assert row["trials"] == len(trials) == sum(row[name] for name in ("completed", "stopped", "failed", "diverged"))
    assert (curves.groupby("trial_id")["epoch"].apply(list).map(len) == curves.groupby("trial_id")["epoch"].max()).all()
    assert curves["wall_s"].is_monotonic_increasing
    assert most_at_once(curves) <= workers
    assert simulation.live == {}
    assert sum(simulation.tally.values()) == len(trials)


SOURCE = Nearest(recordings(make_study()), make_study())


def most_at_once(curves: pd.DataFrame) -> int:
    """The largest number of epochs under way at any time, by the times that the journal tells."""
    seconds = curves.groupby("trial_id")["elapsed_s"].diff().fillna(curves["elapsed_s"])
    begins = curves["wall_s"] - seconds
    moments = sorted([*((begin + 1e-6, 1) for begin in begins), *((end - 1e-6, -1) for end in curves["wall_s"])])
    return int(np.cumsum([change for _, change in moments]).max()) if moments else 0


def test_the_journal_is_one_that_a_real_sweep_could_have_written() -> None:
    events: list[Event] = []
    study = make_study(strategies=("hyperband",))
    Simulation(study, "hyperband", 0, cluster=VirtualCluster(SOURCE, 2, Costs()), emit=events.append).run()
    kinds = [event["event"] for event in events]
    assert kinds[0] == "sweep"
    assert kinds[-1] == "done"
    assert {"trial", "epoch", "pause", "unpause", "end"} <= set(kinds)
    assert all(event["at"].startswith("1970-01-01T") for event in events if "at" in event)
    walls = [event["wall_s"] for event in events if "wall_s" in event]
    assert walls == sorted(walls)


def test_a_paused_trial_goes_on_elsewhere_only_when_it_has_been_saved() -> None:
    events: list[Event] = []
    study = make_study(strategies=("hyperband",), budget=Budget(trials=9))
    cluster = VirtualCluster(SOURCE, 9, replace(FREE, pause_s=400.0))
    Simulation(study, "hyperband", 0, cluster=cluster, emit=events.append).run()
    paused: dict[str, float] = {}
    waits = []
    for event in events:
        if event["event"] == "pause":
            paused[event["trial_id"]] = event["wall_s"]
        elif event["event"] == "unpause":
            waits.append(event["wall_s"] - paused[event["trial_id"]])
    assert len(waits) >= 2
    assert min(waits) >= 400


def test_a_trial_that_ends_makes_way_for_a_new_one_before_the_next_report() -> None:
    events: list[Event] = []
    study = make_study(strategies=("asha",), budget=Budget(epochs=300))
    Simulation(study, "asha", 0, cluster=VirtualCluster(SOURCE, 20, Costs(report_s=60.0)), emit=events.append).run()
    told = [event["event"] for event in events if event["event"] in ("trial", "epoch", "end")]
    followed = [after for kind, after in pairwise(told) if kind == "end"]
    assert followed.count("trial") > 50
    assert "trial" not in followed[followed.index("epoch") :]  # from where the budget has no room for another one


def test_a_paused_trial_goes_on_when_the_last_new_one_has_been_made() -> None:
    study = make_study(strategies=("hyperband",), budget=Budget(trials=5))
    book, _ = simulated(study, "hyperband", workers=2)
    assert book.trials_table()["epochs"].max() > 1
    assert book.sweeps["hyperband", 0]["finished"]


def test_a_diverging_trial_ends_there_and_the_sweep_goes_on() -> None:
    frame = made_up()
    frame.loc[(frame["config/lr"] > 0.01) & (frame["epoch"] >= 2), "acc"] = np.nan
    study = make_study()
    book, _ = simulated(study, "random", source=Nearest(recordings(study, frame), study))
    table = book.trials_table()
    assert (table["status"] == "diverged").any()
    assert (table.loc[table["status"] == "diverged", "epochs"] == 2).all()
    assert book.sweeps["random", 0]["epochs"] == 40


def test_a_trial_that_goes_beyond_its_recording_is_counted() -> None:
    study = make_study(budget=Budget(trials=3))
    configs = list(Runner(study, "random").run().book().configs.values())
    frame = pd.concat([recorded(configs), made_up().assign(config_id=lambda f: f["config_id"] + 100)])
    frame = frame[(frame["config_id"] != 1) | (frame["epoch"] <= 4)]
    _, simulation = simulated(study, "random", source=Nearest(recordings(study, frame), study))
    assert simulation.tally == {"recorded": 2, "estimated": 0, "continued_beyond_their_recording": 1}


class StopsOthers:
    """A scheduler that stops the first trial from outside when the second one reports its third epoch."""

    next_decision = None

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None

    def on_trial_result(self, view: Any, trial: Any, result: dict[str, Any]) -> str:
        if trial.trial_id.endswith("2") and result["epoch"] == 3:
            view.stop_trial(next(iter(view.get_live_trials())))
        return "CONTINUE"


def test_a_scheduler_may_stop_another_trial_while_it_trains() -> None:
    study = make_study(budget=Budget(trials=4))
    events: list[Event] = []
    simulation = Simulation(study, "random", 0, cluster=VirtualCluster(SOURCE, 2, FREE), emit=events.append)
    simulation.sweep.scheduler = StopsOthers()
    simulation.run()
    ends = {event["trial_id"]: event for event in events if event["event"] == "end"}
    assert len(ends) == 4
    stopped = "random_s0_0001"
    assert simulation.sweep.trials[stopped].epochs < 9
    last = max(n for n, event in enumerate(events) if event.get("trial_id") == stopped)
    assert events[last]["event"] == "end"


def test_a_grid_that_is_used_up_ends_the_sweep() -> None:
    space = Space.parse({"lr": {"grid_search": [0.001, 0.01]}, "width": {"grid_search": [1, 4]}})
    study = make_study(space=space, strategies=("grid",), budget=Budget(epochs=500))
    frame = recorded([{"lr": lr, "width": width} for lr in (0.001, 0.01) for width in (1, 4)])
    book, simulation = simulated(study, "grid", workers=3, source=Nearest(recordings(study, frame), study))
    assert book.sweeps["grid", 0]["epochs"] == 36
    assert simulation.tally["recorded"] == 4
    assert book.trials_table()["acc"].max() == accuracy({"lr": 0.01, "width": 4}, 9)


def test_a_strategy_that_changes_trials_on_the_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AshaScheduler, "fork", lambda self, view: None, raising=False)
    with pytest.raises(ValueError, match=r"study.strategies: asha changes .* leave it out of a simulation"):
        simulated(make_study(), "asha")


def test_stamps_are_times_of_day() -> None:
    assert stamp(0.0) == "1970-01-01T00:00:00.000+00:00"
    assert stamp(90_061.5) == "1970-01-02T01:01:01.500+00:00"
