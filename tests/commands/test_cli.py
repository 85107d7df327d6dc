"""The commands as a user types them: help is instant, wrong input gets one line and exit code 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hypertune.commands.cli import main
from hypertune.records import records
from tests.records.test_records import recorded


def run(*arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hypertune", *arguments], capture_output=True, text=True, timeout=300, check=check
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from hypertune.commands.cli import main\n"
        "try: main(['compare', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'ray', 'torch', 'numpy', 'pandas', 'rich', 'msgspec'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=300)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "no_such_study"], "no_such_study: neither a file nor a shipped study"),
        (["compare", "--strategies", "randm"], "randm"),
        (["compare", "--strategies", ","], "--strategies: none given"),
        (["compare", "--seeds", "0"], "--seeds: at least 1"),
        (["compare", "--seeds", "two"], "--seeds"),
        (["simulate", "digits_cnn", "--steps-per-epoch=--"], "argument --steps-per-epoch: -- is not a value"),
        (["compare", "--budget", "epochs=-3"], "--budget: epochs=N"),
        (["compare", "--budget", "steps=3"], "--budget: epochs=N"),
        (["compare", "--max-epochs", "0"], "--max-epochs: at least 1"),
        (["compare", "--max-workers", "0"], "--max-workers: at least 1"),
        (["compare", "--mode", "up"], "--mode"),
        (["compare", "--resume", "/nowhere"], "/nowhere: not an output folder"),
        (
            ["compare", "--resume", "/nowhere", "--metric", "loss"],
            "--resume continues the study unchanged; leave out --metric",
        ),
        (["compare", "--or-resume"], "--or-resume: goes with a study and its --out, not with --resume"),
        (["report", "/nowhere"], "/nowhere: not an output folder"),
        (["report", "~nobody-here/x"], "~nobody-here/x: there is no such user"),
        (["report", ".", "--against", ".", "--out", "x.html"], "--out: nothing is written with --against"),
        (["report", ".", "--against", ".", "--pdf"], "--pdf: nothing is written with --against"),
        (["report", ".", "--out", "x.html", "--figures", "svg"], "--figures: writes pictures into one study's folder"),
        (["report", ".", ".", "--figures", "svg"], "--figures: writes pictures into one study's folder"),
        (["top", ".", "--web", "--port", "99999"], "--port: a whole number up to 65535, got 99999"),
        (["top", ".", "--port", "8000"], "--port: belongs to --web"),
        (["top", ".", "--job", "first"], "--job: belongs to --web"),
        (["top", ".", "--web", "--once"], "--once: prints the status, which --web does not"),
        (["export", "/nowhere"], "/nowhere: not an output folder"),
        (["export", "/nowhere", "--format", "xml"], "--format"),
        (["validate", "/nowhere.toml"], "/nowhere.toml: neither a file nor"),
        (["fly"], "fly"),
    ],
)
def test_wrong_input_gets_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(arguments)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    captured = capsys.readouterr()
    assert code == 2
    assert said in captured.err
    assert captured.err.count("\n") == 1, captured.err


def test_an_output_folder_with_something_in_it_is_not_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    assert main(["compare", "--out", str(tmp_path)]) == 2
    assert "already holds files that are not a study's" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_another_study_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = recorded(tmp_path / "out")
    before = (folder / "trials.csv").read_bytes()
    assert main(["compare", "--out", str(folder)]) == 2
    assert f"--resume {folder}" in capsys.readouterr().err
    assert (folder / "trials.csv").read_bytes() == before


def test_report_and_export_work_on_a_study_cut_off_half_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = recorded(tmp_path / "out")
    (folder / "sweeps" / "journal.jsonl").write_bytes(
        b"".join((folder / "sweeps" / "journal.jsonl").read_bytes().splitlines(keepends=True)[:20])
    )
    assert main(["report", str(folder)]) == 0
    assert (folder / "report.html").stat().st_size > 1000
    capsys.readouterr()
    assert main(["export", str(folder), "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("strategy,best_config,acc,")


def test_tables_whose_records_are_gone_are_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = recorded(tmp_path / "out")
    assert main(["report", str(folder)]) == 0
    before = (folder / "comparison.csv").read_bytes()
    for name in records.FILES[1:]:
        (folder / name).unlink(missing_ok=True)
    capsys.readouterr()
    assert main(["report", str(folder)]) == 2
    assert f"{folder}: holds tables, but not the records that they were made from" in capsys.readouterr().err
    assert (folder / "comparison.csv").read_bytes() == before


def test_the_report_of_one_study_goes_where_it_is_asked_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = recorded(tmp_path / "out")
    before = sorted(folder.iterdir())
    assert main(["report", str(folder), "--out", str(tmp_path / "mine" / "page.html")]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/mine/page.html\n"
    assert (tmp_path / "mine" / "page.html").stat().st_size > 1000
    assert sorted(folder.iterdir()) == before


def test_the_module_can_be_run() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("hypertune 0")


def test_validate_says_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "digits_cnn"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == ["digits_cnn: valid", "data: digits, 1,797 images of 8x8 pixels, grey, 10 classes"]
    assert told[-1] == "  one image of the validation split is 0.0023 of valid_accuracy"


def test_strategies_lists_searchers_and_schedulers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["strategies"]) == 0
    told = capsys.readouterr().out
    for name in ("random", "bayes", "hyperopt", "optuna", "asha", "hyperband"):
        assert name in told


def test_wrong_input_leaves_no_folder_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--strategies", "randm", "--out", str(tmp_path / "out")]) == 2
    assert "unknown strategy 'randm'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
