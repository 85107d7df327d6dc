"""How many workers to rent: where the knee is, and what the page says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from hypertune.comparison.capacity import capacity_table, default_target, knee, rows_of, sentences
from hypertune.report.capacity import capacity_figure, write_capacity
from hypertune.report.style import styles
from hypertune.simulation.costs import Costs
from hypertune.simulation.lookup import Nearest
from hypertune.simulation.runner import Setting, simulate_all
from tests.simulation.tables import recordings
from tests.sweep.scripted import make_study

NAN = math.nan


@pytest.mark.parametrize(
    ("workers", "times", "at"),
    [
        ([1, 10, 100], [1000.0, 100.0, 10.0], 100),
        ([1, 10, 100], [1000.0, 100.0, 50.0], 10),
        ([1, 10, 100], [1000.0, 100.0, 100.0], 10),
        ([1, 10, 100], [1000.0, 900.0, 10.0], 1),
        ([1, 10, 100], [NAN, 100.0, 80.0], 10),
        ([1, 10, 100], [1000.0, 100.0, NAN], 10),
        ([1, 10, 100], [NAN, NAN, NAN], None),
        ([4], [10.0], 4),
        ([1, 2, 4, 8, 16], [100.0, 50.0, 25.0, 20.0, 19.0], 4),
        ([1, 10], [0.0, 0.0], 1),
    ],
)
def test_the_knee_is_where_a_step_brings_less_than_half_of_a_perfect_speed_up(
    workers: list[int], times: list[float], at: int | None
) -> None:
    assert knee(workers, times) == at


def rows(strategy: str, times: dict[int, float]) -> list[dict[str, Any]]:
    rest = {"time_s_low": NAN, "time_s_high": NAN, "reached": 1.0, "value": 0.9, "utilisation": 0.5}
    return [{"strategy": strategy, "workers": n, "time_s": t, "cost_worker_s": n * t, **rest} for n, t in times.items()]


def test_the_table_and_its_sentences() -> None:
    table = capacity_table(
        [
            *rows("random", {1: 7200.0, 32: 240.0, 100: 100.0}),
            *rows("asha", {100: 58.0, 1: 1800.0, 32: 60.0}),
            *rows("hyperband", {1: 3600.0, 32: 600.0, 100: 400.0}),
            *rows("never", {1: NAN, 32: NAN, 100: NAN}),
            *rows("late", {1: 900.0, 32: 90.0, 100: NAN}),
        ]
    )
    assert table.groupby("strategy", sort=False)["workers"].apply(list).tolist() == [[1, 32, 100]] * 5
    assert table[table["knee"]].set_index("strategy")["workers"].to_dict() == {
        "random": 100, "asha": 32, "hyperband": 32, "late": 32,
    }  # fmt: skip
    assert table[table["strategy"] == "asha"]["speedup"].tolist() == pytest.approx([1, 30, 1800 / 58])
    assert sentences(table, "acc", 0.9) == [
        "asha: rent 32 workers: acc 0.9000 after 1 min 00 s, for 32 min 00 s of worker time; beyond that asha gains "
        "nothing",
        "late: rent 32 workers: acc 0.9000 after 1 min 30 s, for 48 min 00 s of worker time; with 100 the budget runs "
        "out first",
        "random: rent 100 workers: acc 0.9000 after 1 min 40 s, for 2 h 46 min of worker time; more than 100 were not "
        "simulated",
        "hyperband: rent 32 workers: acc 0.9000 after 10 min 00 s, for 5 h 20 min of worker time; 100 are 1.5 times as "
        "fast for 2.1 times the cost",
        "never: does not reach acc 0.9000 within its budget",
    ]


def simulated_rows(mode: str = "max") -> tuple[list[dict[str, Any]], float]:
    study = make_study(seeds=(0, 1, 2, 3), mode=mode)
    setting = Setting(study, Nearest(recordings(study), study), Costs())
    facts = {workers: simulate_all(setting, workers, None) for workers in (1, 4)}
    target = default_target(facts[1])
    return [row for workers, part in facts.items() for row in rows_of(part, target, workers)], target


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_rows_of_a_simulation(mode: str) -> None:
    found, target = simulated_rows(mode)
    table = capacity_table(found)
    alone: dict[Any, Any] = table[(table["strategy"] == "random") & (table["workers"] == 1)].to_dict("records")[0]
    assert alone["value"] == pytest.approx(target)
    assert alone["time_s"] > 0
    assert alone["reached"] < 1
    assert (table["cost_worker_s"].dropna() == (table["workers"] * table["time_s"]).dropna()).all()
    inside = table.dropna(subset=["time_s", "time_s_low", "time_s_high"])
    assert (inside["time_s_low"] <= inside["time_s_high"]).all()
    assert table["utilisation"].between(0, 1).all()


def test_the_page_stands_alone(tmp_path: Path) -> None:
    found, target = simulated_rows()
    table = capacity_table(found)
    study = make_study(name="a-study")
    write_capacity(tmp_path, table, sentences(table, "acc", target), study, target)
    page = (tmp_path / "capacity.html").read_text()
    assert "a-study: how many workers" in page
    assert "rent " in page
    assert "<script src" not in page
    assert "http" not in page.split("<script type")[0].replace("http-equiv", "")
    assert (tmp_path / "capacity.csv").read_text().startswith("strategy,workers,time_s")


def test_the_figure_marks_every_knee() -> None:
    table = capacity_table(
        [*rows("random", {1: 100.0, 10: 10.0}), *rows("asha", {1: 50.0, 10: 40.0}), *rows("x", {1: NAN})]
    )
    figure = capacity_figure(table, styles(["random", "asha", "x"]))
    rings = [trace for trace in figure.data if trace.marker.symbol == "circle-open" and trace.marker.size == 18]
    assert [list(ring.x) for ring in rings] == [[10], [10], [1], [1]]
