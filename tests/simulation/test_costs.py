"""What a virtual cluster charges for, second by second."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from hypertune.simulation.costs import Costs, parse_costs
from hypertune.simulation.lookup import Nearest
from hypertune.study.study import Budget, Study
from tests.simulation.tables import FREE, recorded, recordings, simulated
from tests.sweep.scripted import make_study

ONE_WIDTH = pd.DataFrame(recorded([{"lr": 0.001 * n, "width": 1} for n in range(1, 60)]))
"""Every epoch takes 10 s."""


def run(study: Study, strategy: str = "random", **options: Any) -> dict[str, Any]:
    """The ledger's row of a sweep on curves whose every epoch takes 10 s."""
    source = Nearest(recordings(study, ONE_WIDTH), study)
    book, simulation = simulated(study, strategy, source=source, **options)
    return {**book.sweeps[strategy, options.get("seed", 0)], "tally": simulation.tally, "book": book}


THREE_TRIALS = make_study(budget=Budget(trials=3), strategies=("random", "hyperband"))


def test_training_alone_takes_the_recorded_seconds() -> None:
    row = run(THREE_TRIALS)
    assert row["wall_s"] == pytest.approx(3 * 9 * 10)
    assert row["busy_s"] == pytest.approx(3 * 9 * 10)
    assert row["idle_s"] == pytest.approx(0)
    assert run(THREE_TRIALS, workers=3)["wall_s"] == pytest.approx(9 * 10)


@pytest.mark.parametrize(
    ("cost", "wall_s"),
    [
        ({"decision_s": 5.0}, 270 + 3 * 5),
        ({"start_s": 4.0}, 270 + 3 * 4),
        ({"report_s": 0.5}, 270 + 27 * 0.5),
        ({"pause_s": 9.0, "resume_s": 9.0}, 270),
        ({"speeds": (0.5,)}, 2 * 270),
    ],
)
def test_each_cost_is_charged_once_where_it_belongs(cost: dict[str, Any], wall_s: float) -> None:
    row = run(THREE_TRIALS, costs=replace(FREE, **cost))
    assert row["wall_s"] == pytest.approx(wall_s)
    assert row["decision_s"] == pytest.approx(3 * cost.get("decision_s", 0.0))


def test_the_driver_makes_one_suggestion_at_a_time() -> None:
    row = run(THREE_TRIALS, workers=3, costs=replace(FREE, decision_s=30.0))
    assert row["wall_s"] == pytest.approx(3 * 30 + 9 * 10)


def test_a_report_waits_for_a_driver_that_is_deciding() -> None:
    curves = run(THREE_TRIALS, workers=3, costs=replace(FREE, decision_s=30.0))["book"].curves_table()
    first = curves[curves["trial_id"] == "random_s0_0001"]["wall_s"].tolist()
    # The trial starts at 30 and its first epoch ends at 40, while the other two suggestions are made until 90.
    assert first[:3] == pytest.approx([90.0, 100.0, 110.0])


def test_a_report_waits_for_a_driver_that_handles_another() -> None:
    curves = run(THREE_TRIALS, workers=3, costs=replace(FREE, report_s=2.0))["book"].curves_table()
    # All three epochs end at 10; each trial then trains for 10 s more, by which time the driver has answered the rest.
    assert curves["wall_s"].tolist()[:6] == pytest.approx([12.0, 14.0, 16.0, 24.0, 26.0, 28.0])


@pytest.mark.parametrize("workers", [5, 50])
def test_reports_of_many_workers_come_no_faster_than_the_driver_handles_them(workers: int) -> None:
    study = make_study(budget=Budget(epochs=450))
    row = run(study, workers=workers, costs=replace(FREE, report_s=4.0))
    most = min(workers / 14, 1 / 4)  # reports per second of the workers, and of the driver
    assert 0.85 * most < row["epochs"] / row["wall_s"] <= most
    assert row["busy_s"] == pytest.approx(450 * 10)


def test_one_worker_waits_for_its_own_reports_only() -> None:
    walls = run(THREE_TRIALS, costs=replace(FREE, report_s=2.0))["book"].curves_table()["wall_s"]
    assert walls.tolist() == pytest.approx([12.0 * n for n in range(1, 28)])


def test_reports_that_are_sent_together_cost_less_than_single_ones() -> None:
    study = make_study(budget=Budget(trials=100))
    quick = pd.DataFrame(recorded([{"lr": 0.001 * n, "width": 1} for n in range(1, 60)], seconds=0.01))
    source = Nearest(recordings(study, quick), study)
    costs = replace(FREE, report_s=2.0, batched_s=0.5)
    book, _ = simulated(study, "random", workers=100, source=source, costs=costs)
    # The first report of a trial comes alone, since the duration of an epoch is not known yet; then eight together.
    assert book.sweeps["random", 0]["wall_s"] == pytest.approx(0.01 + 100 * 2 + 100 * (2 + 7 * 0.5))
    own = book.curves_table().query("trial_id == 'random_s0_0001'")["wall_s"]
    assert own.diff().tolist()[2:] == pytest.approx(7 * [0.5])


def test_a_report_is_held_back_for_a_second_at_most() -> None:
    study = make_study(budget=Budget(trials=1))
    quick = pd.DataFrame(recorded([{"lr": 0.001, "width": 1}], seconds=0.4))
    source = Nearest(recordings(study, quick), study)
    book, _ = simulated(study, "random", workers=1000, source=source, costs=replace(FREE, report_s=2.0))
    # 1 + 2 + 2 + 2 + 2 epochs: three would take longer than a second.
    assert book.sweeps["random", 0]["wall_s"] == pytest.approx(9 * 0.4 + 5 * 2)


def test_pausing_and_resuming_are_charged() -> None:
    study = make_study(budget=Budget(epochs=40), strategies=("hyperband",))
    plain = run(study, "hyperband")
    dear = run(study, "hyperband", costs=replace(FREE, pause_s=2.0, resume_s=3.0))
    events = plain["book"].curves_table().groupby("trial_id")["wall_s"].apply(lambda wall: (wall.diff() > 10.5).sum())
    resumed = int(events.sum())
    assert resumed > 3
    assert dear["wall_s"] - plain["wall_s"] >= resumed * 3 + resumed * 2
    assert dear["epochs"] == plain["epochs"] == 40


def test_workers_of_different_speeds_are_dealt_out_in_turn() -> None:
    book = run(make_study(budget=Budget(trials=4)), workers=4, costs=replace(FREE, speeds=(1.0, 0.5)))["book"]
    table = book.trials_table().set_index("node")["train_s"]
    assert table.to_dict() == pytest.approx({"worker_0": 90.0, "worker_1": 180.0, "worker_2": 90.0, "worker_3": 180.0})


def test_stragglers_are_as_slow_and_as_many_as_asked_for() -> None:
    study = make_study(budget=Budget(trials=300))
    table = run(study, workers=10, costs=replace(FREE, straggler_share=0.3, straggler_factor=4.0))[
        "book"
    ].trials_table()
    assert set(table["train_s"].round(6)) == {90.0, 360.0}
    assert 0.2 < (table["train_s"] > 100).mean() < 0.4


def test_the_same_trials_of_all_strategies_meet_a_straggler() -> None:
    costs = replace(FREE, straggler_share=0.5)
    study = make_study(budget=Budget(trials=20), strategies=("random", "sobol"))
    slow = [run(study, name, costs=costs)["book"].trials_table()["train_s"] > 100 for name in study.strategies]
    assert slow[0].tolist() == slow[1].tolist()
    assert 0 < slow[0].sum() < 20


def test_worker_deaths_cost_time_and_no_budget_until_a_trial_fails() -> None:
    study = make_study(budget=Budget(epochs=900))
    calm = run(study)
    # One death in 20 epochs of 10 s, each losing 5 s of the epoch on average and 12 s until the trial is up again.
    rough = run(study, costs=replace(FREE, failures_per_hour=18.0, restart_s=12.0, retries=1000))
    assert rough["epochs"] == calm["epochs"] == 900
    assert rough["failed"] == 0
    assert rough["busy_s"] == pytest.approx(calm["busy_s"])
    assert 1 + 0.5 * 17 / 200 < rough["wall_s"] / calm["wall_s"] < 1 + 1.5 * 17 / 200


def test_a_trial_whose_worker_died_too_often_has_failed_and_costs_an_epoch() -> None:
    row = run(make_study(budget=Budget(epochs=200)), costs=replace(FREE, failures_per_hour=180.0, retries=2))
    table = row["book"].trials_table()
    assert row["failed"] == (table["status"] == "failed").sum() > 0
    assert row["epochs"] == 200 == table["epochs"].sum() + row["failed"]


def test_measured_decisions_take_real_time() -> None:
    row = run(THREE_TRIALS, costs=replace(FREE, decision_s=None))
    assert 0 < row["decision_s"] < 5
    assert row["wall_s"] == pytest.approx(270 + row["decision_s"], abs=1e-6)


def test_costs_are_read_from_the_command_line() -> None:
    assert parse_costs(None) == Costs()
    assert parse_costs("decision_s=measured, start_s=4,speeds=1:0.5,retries=0") == Costs(
        decision_s=None, start_s=4.0, speeds=(1.0, 0.5), retries=0
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("start=4", "unknown cost 'start'; did you mean start_s?"),
        ("foo", "unknown cost 'foo'; known: decision_s"),
        ("start_s=x", "start_s must be a number, got 'x'"),
        ("start_s", "start_s must be a number, got ''"),
        ("start_s=-1", "start_s must be from 0 to 1e+09, got -1"),
        ("start_s=nan", "start_s must be from 0 to 1e+09, got nan"),
        ("straggler_share=2", "straggler_share must be from 0 to 1, got 2"),
        ("straggler_factor=0.5", "straggler_factor must be 1 or more, got 0.5"),
        ("speeds=1:0", "speeds must be above 0 and at most 1e+09, got 1:0"),
        ("retries=1.5", "retries must be a whole number, got '1.5'"),
    ],
)
def test_a_cost_that_is_none_is_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^--costs: ") as error:
        parse_costs(text)
    assert said in str(error.value)


def test_infinite_costs_are_refused() -> None:
    with pytest.raises(ValueError, match="restart_s must be from 0 to"):
        Costs(restart_s=math.inf)
