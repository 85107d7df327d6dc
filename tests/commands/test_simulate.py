"""`hypertune simulate` from the command line to the folders it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from hypertune.commands.cli import main
from hypertune.records import records
from hypertune.study.study import Study
from hypertune.training.registry import resolve
from tests.simulation.tables import made_up
from tests.sweep.scripted import make_study

FILES = {
    "study.toml", "trials.csv", "curves.parquet", "provenance.json", "comparison.csv", "comparison.md",
    "comparison.json", "comparison.tex", "report.html", "best", "experiment_summary.csv",
    "report.md",
}  # fmt: skip


@pytest.fixture
def curves(tmp_path: Path) -> Path:
    (tmp_path / "study.toml").write_text(make_study(name="s").to_toml())
    made_up().to_parquet(tmp_path / "curves.parquet")
    return tmp_path / "curves.parquet"


def simulate(curves: Path, *options: str) -> int:
    study, out = curves.parent / "study.toml", curves.parent / "out"
    return main(["simulate", str(study), "--curves", str(curves), "--out", str(out), *options])


def test_a_simulation_writes_what_a_study_writes(curves: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(curves, "--workers", "3", "--seeds", "3", "--processes", "2") == 0
    out = curves.parent / "out"
    assert {path.name for path in out.iterdir()} == FILES
    facts = records.read(out)
    assert facts.sweeps["epochs"].tolist() == [40] * 6
    assert facts.study.seeds == (0, 1, 2)
    assert len(facts.trials) == facts.sweeps["trials"].sum()
    said = capsys.readouterr().out
    assert "results go to" in said
    assert "report.html" in said
    assert "wall-clock verdict" in said  # not cut off, although a pipe has no width
    assert main(["report", str(out)]) == 0
    assert main(["export", str(out)]) == 0


def test_what_was_simulated_stands_in_the_provenance_and_the_report(curves: Path) -> None:
    assert simulate(curves, "--costs", "start_s=7", "--lookup", "knn", "--quiet") == 0
    told = json.loads((curves.parent / "out" / "provenance.json").read_text())
    simulation = told["simulation"]
    assert told["workers"] == 1
    assert simulation["time"].startswith("virtual")
    assert simulation["lookup"] == "knn"
    assert simulation["held_out"]["mean_absolute_error"] > 0
    assert simulation["costs"]["start_s"] == 7
    assert simulation["configurations"] == 60
    assert len(simulation["curves_sha256"]) == 64
    assert sum(simulation["trials"].values()) == len(pd.read_csv(curves.parent / "out" / "trials.csv"))
    page = (curves.parent / "out" / "report.html").read_text()
    assert "virtual" in page
    assert "lookup knn" in page


def test_several_numbers_of_workers_get_a_folder_each_and_a_page(
    curves: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(curves, "--workers", "4,1", "--strategies", "random,asha") == 0
    out = curves.parent / "out"
    assert {path.name for path in out.iterdir()} == {"workers_1", "workers_4", "capacity.csv", "capacity.html"}
    assert {path.name for path in (out / "workers_4").iterdir()} == FILES
    table = pd.read_csv(out / "capacity.csv")
    assert table["workers"].tolist() == [1, 4, 1, 4]
    assert "rent " in capsys.readouterr().out


def test_the_same_command_writes_the_same_records(curves: Path) -> None:
    assert simulate(curves, "--quiet", "--processes", "1") == 0
    first = curves.parent / "out"
    first.rename(curves.parent / "first")
    assert simulate(curves, "--quiet", "--processes", "2") == 0
    for name in ("trials.csv", "curves.parquet", "comparison.csv"):
        assert (first / name).read_bytes() == (curves.parent / "first" / name).read_bytes()


@pytest.mark.parametrize(("workers", "ends"), [("1", "report.html"), ("1,2", "one report per number of workers")])
def test_quiet_leaves_only_the_result(
    curves: Path, workers: str, ends: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(curves, "--workers", workers, "--strategies", "random,asha", "--processes", "1") == 0
    whole = capsys.readouterr().out
    (curves.parent / "out").rename(curves.parent / "first")
    assert simulate(curves, "--workers", workers, "--strategies", "random,asha", "--processes", "1", "--quiet") == 0
    said = capsys.readouterr().out
    assert whole.endswith(said)
    assert "simulated in" in whole.removesuffix(said)
    assert " ".join(said.split()).endswith(ends)


WRONG = {
    "--workers=0": "--workers: whole numbers from 1",
    "--workers=1,x": "--workers: whole numbers from 1",
    "--processes=0": "--processes: at least 1",
    "--epoch-seconds=0": "--epoch-seconds: a number above 0",
    "--costs=foo=1": "--costs: unknown cost",
    "--seeds=0": "--seeds: at least 1",
    "--budget=x": "--budget: epochs=N",
    "--strategies=rndom": "unknown strategy 'rndom'; did you mean random",
    "--metric=f1": "lacks the study's metric f1",
    "--max-epochs=20": "give --max-epochs 9",
    "--curves=none.parquet": "none.parquet: cannot be read",
    "--lookup=tree": "invalid choice: 'tree'",
}


@pytest.mark.parametrize("option", WRONG)
def test_wrong_input_gets_one_line_and_exit_code_2(
    curves: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    try:
        code = simulate(curves, option)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    assert code == 2
    said = capsys.readouterr().err
    assert WRONG[option] in said
    assert said.count("\n") == 1
    assert not (curves.parent / "out").exists()


def test_a_folder_in_use_is_refused(curves: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (curves.parent / "out").mkdir()
    (curves.parent / "out" / "mine.txt").write_text("x")
    assert simulate(curves) == 2
    assert "already holds files; choose another folder" in capsys.readouterr().err


def test_a_study_that_is_only_recorded_cannot_be_trained() -> None:
    study = Study.load("lcbench_fashion_mnist")
    with pytest.raises(ValueError, match=r"training.trainable: unknown trainable 'recorded'"):
        resolve(study.training.trainable)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--workers", "9" * 20), "--workers: whole numbers from 1 to 1,000,000"),
        (("--seeds", "9" * 20), "--seeds: at least 1 and at most"),
        (("--costs", "report_s=1e308"), "--costs: report_s must be from 0 to 1e+09, got 1e+308"),
        (("--costs", "retries=" + "9" * 20), "--costs: retries must be from 0 to 1e+09"),
        (("--costs", "speeds=1e-300"), "--costs: speeds must be above 0 and at most 1e+09"),
        (("--epoch-seconds", "1e308"), "--epoch-seconds: a number above 0 and at most 1e+09"),
    ],
)
def test_numbers_without_measure_are_refused(
    curves: Path, options: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(curves, *options) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
