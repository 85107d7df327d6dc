"""`hypertune advise`: which strategy, how many workers and which budget, and the evidence."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypertune.commands.advise import Arrivals, advice_of, arrivals
from hypertune.commands.advise_public import sentences
from hypertune.commands.cli import main, parser
from hypertune.comparison.public_tables import Advised, Tally, advised
from hypertune.comparison.public_tables import Setting as Known
from hypertune.simulation.costs import Costs
from hypertune.simulation.lookup import Nearest
from hypertune.simulation.runner import Setting, simulate_all
from hypertune.study.study import Budget
from tests.comparison.test_capacity import rows
from tests.simulation.tables import made_up, recordings
from tests.sweep.scripted import make_study


def arrived(seconds: list[float], epochs: list[float]) -> Arrivals:
    return Arrivals(np.array(seconds), np.array(epochs), np.full(len(seconds), True))


def test_the_least_time_and_cost_is_advised_with_the_epochs_that_nine_tenths_of_its_sweeps_need() -> None:
    tens = [float(10 * i) for i in range(1, 11)]
    found = {
        ("asha", 8): arrived([10.0] * 10, tens),
        ("bohb", 8): arrived([9.0, 12.0] * 5, tens),
        ("random", 2): arrived([100.0] * 10, [1000.0] * 10),
        ("many", 512): arrived([9.0] * 10, tens),
        ("asha", 1): arrived([1.0] * 10, [5.0] * 10),  # not its knee
    }
    table = [
        *rows("random", {1: 200.0, 2: 100.0, 8: 90.0}),
        *rows("asha", {1: 80.0, 8: 10.0, 16: 9.5}),
        *rows("bohb", {1: 84.0, 8: 10.4, 16: 10.0}),
        *rows("many", {512: 9.0}),  # the quickest, for ten times the cost of one more second
    ]
    advice = advice_of(table, found, 0.9)
    assert (advice.best.strategy, advice.best.workers, advice.epochs) == ("asha", 8, 90)
    assert advice.best.ratio == (1.0, 1.0, 1.0)
    bohb, random, many = advice.others
    assert many.worse(advice.best)
    assert many.ratio[0] < 1
    assert bohb.ratio[0] == pytest.approx(np.sqrt(0.9 * 1.2))
    assert not bohb.worse(advice.best)
    assert random.workers == 2
    assert random.ratio[0] == pytest.approx(10.0)
    assert random.worse(advice.best)


def test_a_target_that_nobody_reaches_is_refused() -> None:
    with pytest.raises(ValueError, match="--target: no strategy reaches 0.9900"):
        advice_of(rows("asha", {1: float("nan")}), {("asha", 1): arrived([1.0], [1.0])}, 0.99)


@pytest.mark.parametrize("mode", ["max", "min"])
def test_arrivals_are_where_the_incumbent_first_is_as_good_as_the_target(mode: str) -> None:
    study = make_study(mode=mode, seeds=(0, 1, 2), budget=Budget(epochs=60))
    setting = Setting(study, Nearest(recordings(study=study), study), Costs())
    facts = simulate_all(setting, 2, None)
    metric = study.metric
    target = float(facts.curves[metric].median())
    found = arrivals(facts, target)
    for strategy, seed in zip(facts.sweeps["strategy"], facts.sweeps["seed"], strict=True):
        part = facts.curves[(facts.curves["strategy"] == strategy) & (facts.curves["seed"] == seed)]
        good = part[(part[metric] >= target) if mode == "max" else (part[metric] <= target)]
        one = found[strategy]
        assert one.there[seed]
        assert one.seconds[seed] == pytest.approx(good["wall_s"].min())
        before = part[part["wall_s"] <= good["wall_s"].min()]
        assert len(before) - 1 <= one.epochs[seed] <= len(before)
    never = arrivals(facts, 2.0 if mode == "max" else -2.0)
    assert not any(one.there.any() for one in never.values())
    assert never["random"].epochs.tolist() == [60, 60, 60]


def run(folder: Path, *options: str) -> int:
    (folder / "study.toml").write_text(make_study(name="s").to_toml())
    made_up().to_parquet(folder / "curves.parquet")
    return main(["advise", str(folder / "study.toml"), "--curves", str(folder / "curves.parquet"), *options])


def test_the_command_prints_one_recommendation_its_evidence_and_what_to_run(tmp_path: Path, capsys: Any) -> None:
    assert run(tmp_path, "--workers", "1,4", "--seeds", "6", "--budget", "epochs=200", "--processes", "1") == 0
    said = capsys.readouterr().out
    strategy = "asha" if "asha, workers" in said else "random"
    assert f"{strategy}, workers: " in said
    assert "6 seeds; time is virtual" in said
    last = said.splitlines()[-1]
    assert last.startswith(f"hypertune compare {tmp_path}/study.toml --strategies {strategy} --budget epochs=")
    assert last.endswith((" --max-workers 1", " --max-workers 4"))
    assert "the final value of random search" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.parquet", "study.toml"]


def test_an_advice_takes_twenty_seeds_unless_told_otherwise(tmp_path: Path, capsys: Any) -> None:
    assert run(tmp_path, "--workers", "1", "--processes", "1") == 0
    assert "20 seeds" in capsys.readouterr().out


def test_wrong_input_is_one_line(tmp_path: Path, capsys: Any) -> None:
    assert run(tmp_path, "--workers", "none") == 2
    assert "--workers" in capsys.readouterr().err
    assert run(tmp_path, "--workers", "1", "--target", "5", "--processes", "1") == 2
    assert "no strategy reaches" in capsys.readouterr().err


def test_without_curves_public_tables_answer_with_how_often_they_are_right(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "study.toml").write_text(make_study(strategies=("random", "bohb", "pb2")).to_toml())
    assert main(["advise", str(tmp_path / "study.toml")]) == 0
    said = capsys.readouterr().out
    names = ["random", "bohb"]
    told = advised(Known((1, 1, 0), 1, 40 / 9), names)
    assert said.startswith(f"{told.strategy}, from public tables\n")
    assert "Leaving out each table in turn, the strategy advised by the others was within the margin" in said
    right = told.table_out.advised if told.alike else told.table_out.same
    assert f"on {right:.0f} of {told.table_out.tables} tables" in said
    assert "Not known from the tables, with these options: pb2." in said
    assert f"hypertune compare {tmp_path}/study.toml --strategies {told.strategy}" in said.replace("\n", "")


def test_advice_that_is_no_better_than_chance_says_so() -> None:
    study = make_study()
    bad = Tally(tables=10, advised=4, same=3, chance=4)
    told = Advised("asha", {"asha": 0.9, "random": 0.1}, True, bad, bad, 1, 4)
    said = sentences(study, Known((1, 1, 0), 1, 4), told)
    assert "on 4 of 10 tables (40 %); always the same one on 3, a random one on 4." in said[-1]
    assert said[-1].endswith("no better than chance: for a study like none of the tables this is no advice.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "0.9"], "--target: is for simulations; give --curves, too"),
        (["--workers", "1,2"], "--workers: one whole number from 1 without --curves"),
        (["--budget", "seconds=60"], "study.budget: 60 seconds is of no known number of full trainings"),
        (["--strategies", "pb2"], "none of pb2 has been simulated on public tables"),
        (["--strategies", "nobody"], "nobody"),
    ],
)
def test_what_public_tables_cannot_answer_is_one_line(
    options: list[str], message: str, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "study.toml").write_text(make_study().to_toml())
    assert main(["advise", str(tmp_path / "study.toml"), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_command_that_follows_is_the_study_that_was_advised(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "my [red]studies"
    folder.mkdir()
    options = ["--max-epochs", "5", "--metric", "test_acc", "--mode", "min", "--workers", "2", "--processes", "1"]
    assert run(folder, *options, "--seeds", "3") == 0
    followed = shlex.split(capsys.readouterr().out.splitlines()[-1])
    compare = parser().parse_args(followed[1:])
    assert compare.study == str(folder / "study.toml")
    assert (compare.max_epochs, compare.metric, compare.mode, compare.max_workers) == (5, "test_acc", "min", 2)
    assert main(["advise", compare.study, "--max-epochs", "5", "--budget", "trials=8", "--workers", "8"]) == 0
    followed = shlex.split(capsys.readouterr().out.splitlines()[-1])
    compare = parser().parse_args(followed[1:])
    assert (compare.max_epochs, compare.budget, compare.max_workers) == (5, "trials=8", 8)
    assert main(["advise", compare.study]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split(" --")[1:] == [f"strategies {compare.strategies}"]


@pytest.mark.parametrize("epochs", [90, 200])
def test_a_simulated_budget_that_is_too_small_is_said_to_be(tmp_path: Path, capsys: Any, epochs: int) -> None:
    options = ["--strategies", "random", "--workers", "1", "--processes", "1", "--budget", f"epochs={epochs}"]
    assert run(tmp_path, *options, "--target", str(made_up()["acc"].quantile(0.97))) == 0
    said = capsys.readouterr().out
    counted = re.search(r"(\d+) of 20 simulated sweeps reach", said)
    assert counted is not None
    assert (int(counted[1]) < 18) == (epochs == 90)
    assert (f"The simulated budget, {epochs} epochs per sweep, is too small for 90% of them" in said) == (epochs == 90)
