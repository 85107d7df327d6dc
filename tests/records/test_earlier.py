"""A warm start: an earlier study's trials are read, checked, kept in the study, and known to some searchers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hypertune import compare
from hypertune.commands.cli import main
from hypertune.records import records
from hypertune.records.earlier import warm_start
from hypertune.strategies.checks import build, warm_start_note
from hypertune.study.study import Study
from tests.simulation.tables import made_up
from tests.sweep.scripted import make_study


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study without its journal, as somebody may have copied it."""
    folder = tmp_path_factory.mktemp("earlier")
    (folder / "study.toml").write_text(make_study(name="first").to_toml())
    made_up().to_parquet(folder / "curves.parquet")
    assert simulate(folder, folder / "out") == 0
    return folder / "out"


def simulate(folder: Path, out: Path, *options: str) -> int:
    study, curves = str(folder / "study.toml"), str(folder / "curves.parquet")
    return main(["simulate", study, "--curves", curves, "--out", str(out), "--processes", "1", "--quiet", *options])


def test_every_ended_trial_is_read_with_its_best_value_and_its_epochs(earlier: Path) -> None:
    facts, study = records.read(earlier), make_study()
    known = warm_start(earlier, study)
    assert (known.study, known.place) == ("first", str(earlier))
    assert len(known.trials) == len(facts.trials)
    assert known.epochs == facts.trials["epochs"].sum() == facts.sweeps["epochs"].sum()
    assert [trial.value for trial in known.trials] == facts.trials[study.metric].tolist()
    assert [trial.numbers["lr"] for trial in known.trials] == facts.trials["config/lr"].tolist()


def test_it_is_part_of_the_study_and_its_file(earlier: Path, tmp_path: Path) -> None:
    study = make_study(strategies=("random", "bayes"))
    study = study.replace(warm_start=warm_start(earlier, study))
    (tmp_path / "study.toml").write_text(study.to_toml())
    assert Study.load(tmp_path / "study.toml") == study
    # So a resumed study builds the same searcher again, and only the one that learns from it has it.
    built: list[Any] = [build(one, "bayes", 0).searcher for one in (study, Study.load(tmp_path / "study.toml"))]
    first, again = built
    assert study.warm_start is not None
    assert first.known == len(study.warm_start.trials) > 0
    assert first.suggest("t") == again.suggest("t") != build(make_study(), "bayes", 0).searcher.suggest("t")
    assert build(study, "random", 0).searcher.suggest("t") == build(make_study(), "random", 0).searcher.suggest("t")


def test_a_study_says_who_knew_what_and_what_it_had_cost(earlier: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "study.toml").write_text(make_study(strategies=("bayes", "asha"), seeds=(0, 1)).to_toml())
    made_up().to_parquet(tmp_path / "curves.parquet")
    assert simulate(tmp_path, tmp_path / "out", "--warm-start", str(earlier)) == 0
    facts = records.read(tmp_path / "out")
    note = warm_start_note(facts.study)
    assert note is not None
    known = facts.study.warm_start
    assert known is not None
    assert f"bayes knew the {len(known.trials)} trials of first" in note
    assert f"cost {known.epochs} epochs, in addition to the budget; asha cannot use them" in note
    assert json.loads((tmp_path / "out" / "provenance.json").read_text())["warm_start"] == note
    assert note in (tmp_path / "out" / "report.md").read_text()
    assert "cannot use them and began without" in (tmp_path / "out" / "report.html").read_text()
    assert set(facts.trials["strategy"]) == {"bayes", "asha"}  # the earlier trials are not this study's


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"space": {"lr": {"loguniform": [1e-4, 1.0]}, "width": {"randint": [1, 9]}}}, "lr is .* there and .* here"),
        ({"space": {"lr": {"loguniform": [1e-4, 1e-1]}}}, "width is .* there and not searched here"),
        ({"metric": "f1"}, "its metric is acc, but this study's is f1"),
        ({"mode": "min"}, "its mode is max, but this study's is min"),
        ({"max_epochs": 10}, "its max_epochs is 9, but this study's is 10"),
    ],
)
def test_another_space_metric_mode_or_training_is_refused_in_one_line(
    earlier: Path, changes: dict[str, Any], fault: str
) -> None:
    arguments: dict[str, Any] = {"study": make_study(), **changes}
    if "space" in changes:
        tables = {**make_study().to_tables(), "space": changes["space"]}
        arguments = {"study": Study.parse(tables)}
    with pytest.raises(ValueError, match=fault) as error:
        compare(**arguments, warm_start=earlier)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"warm_start {earlier}: ")


def test_what_is_no_study_and_a_resume_are_refused(earlier: Path, tmp_path: Path, capsys: Any) -> None:
    assert main(["compare", "digits_cnn", "--warm-start", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err
    assert main(["compare", "--resume", str(earlier), "--warm-start", str(earlier)]) == 2
    assert "leave out --warm-start" in capsys.readouterr().err


def test_a_damaged_trial_in_a_study_file_is_named(earlier: Path) -> None:
    study = make_study()
    tables = study.replace(warm_start=warm_start(earlier, study)).to_tables()
    tables["warm_start"]["trials"][3]["numbers"]["lr"] = 7.0
    with pytest.raises(ValueError, match=r"warm_start.trials\[3\]: .* is no configuration of \[space\]"):
        Study.parse(tables)
