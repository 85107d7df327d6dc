"""What is told before a study starts, and the question before a very large one."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hypertune.commands.cli import main, parser
from hypertune.commands.options import adds, extension
from hypertune.commands.plan import Way, plan_lines
from hypertune.records import folder
from hypertune.space.space import Space
from hypertune.storage.files import JOURNAL
from hypertune.storage.storage import Storage
from hypertune.study.extent import configurations, continuous, extent
from hypertune.study.file import Budget
from hypertune.study.prior import read_prior
from hypertune.study.study import Study
from tests.sweep.scripted import Runner, make_study

HUGE = ["--seeds", "1000", "--budget", "epochs=100000"]


@pytest.mark.parametrize(
    ("budget", "trials", "epochs", "seconds"),
    [
        (Budget(epochs=40), 160, 160, None),
        (Budget(trials=5), 20, 180, None),
        (Budget(seconds=60.0), None, None, 240.0),
    ],
)
def test_bounds_of_a_study(budget: Budget, trials: int | None, epochs: int | None, seconds: float | None) -> None:
    size = extent(make_study(budget=budget))
    assert (size.sweeps, size.trials, size.epochs, size.seconds) == (4, trials, epochs, seconds)
    assert (size.retrainings, size.retraining_epochs) == (4, 36)


@pytest.mark.parametrize(
    ("space", "count"),
    [
        ({"a": {"randint": [1, 9]}, "b": {"choice": ["x", "y"]}}, 16),
        ({"a": {"quniform": [0.0, 1.0, 0.25]}}, 5),
        ({"a": {"uniform": [0.0, 1.0]}, "b": {"choice": [1, 2]}}, None),
        ({"kind": {"choice": [{"name": "none"}, {"name": "step", "n": {"randint": [0, 3]}}]}}, 4),
        ({"a": {"grid_search": [1, 2, 3]}, "constant": 5}, 3),
    ],
)
def test_configurations_of_a_space(space: dict[str, object], count: int | None) -> None:
    parsed = Space.parse(space)
    assert configurations(parsed) == count
    assert bool(continuous(parsed)) == (count is None)


@pytest.mark.parametrize("columns", ["60", "80", "140"])
def test_a_dry_run_prints_the_plan_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["compare", "--dry-run", "--seeds", "2", "--strategies", "random,asha", "--budget", "epochs=20"]) == 0
    told = capsys.readouterr().out
    assert "in all: 4 sweeps, at most 80 trials and 80 epochs" in told
    for part in ("strategies: random, asha", "search space: ", "data: digits, 1,797 images", "workers: ", "resources"):
        assert f"\n{part}" in told
    assert f"would be written to {Path('hypertune-out') / 'digits_cnn'}: study.toml" in told
    assert list(tmp_path.iterdir()) == []


def test_the_plan_says_who_uses_the_prior() -> None:
    study = make_study(strategies=("random", "priorband"), prior=read_prior({"lr": {"guess": 0.01}}))
    assert "prior, guesses for lr: used by priorband, ignored by random" in list(plan_lines(study, Way(Path("out"))))


def test_a_dry_run_finds_what_the_run_would_refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["compare", "--dry-run", "--out", str(tmp_path)]) == 2
    assert main(["compare", "--dry-run", "--strategies", "rando"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_more_than_the_machine_has_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = Study.load("digits_cnn").to_toml().replace("cpus_per_trial = 1", "cpus_per_trial = 4000")
    (tmp_path / "large.toml").write_text(study)
    assert main(["compare", str(tmp_path / "large.toml"), "--dry-run"]) == 2
    assert "resources.cpus_per_trial: 4000 asked for" in capsys.readouterr().err


def test_a_dry_run_of_a_resume_tells_what_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = make_study()
    (tmp_path / "study.toml").write_text(study.to_toml())
    (tmp_path / JOURNAL).parent.mkdir()
    events = Runner(study, "random").run().events
    begun = {"event": "sweep", "strategy": "asha", "seed": 0, "workers": 2, "at": ""}
    (tmp_path / JOURNAL).write_text("".join(json.dumps(event) + "\n" for event in [*events, begun]))
    before = sorted(tmp_path.rglob("*"))
    assert main(["compare", "--dry-run", "--resume", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "finished: 1 of 4 sweeps" in told
    assert "would be continued: asha seed 0" in told
    assert "would be started: random seed 1, asha seed 1" in told
    assert sorted(tmp_path.rglob("*")) == before


def test_a_job_that_is_retried_begins_its_study_or_goes_on_with_it(
    capsys: pytest.CaptureFixture[str], url_of: Callable[[str], str]
) -> None:
    stored = url_of("out")
    command = ["compare", "digits_cnn", "--dry-run", "--out", stored, "--or-resume"]
    assert main(command) == 0
    assert "in all: " in capsys.readouterr().out
    study = Study.load("digits_cnn")
    begun = {"event": "sweep", "strategy": study.strategies[0], "seed": 0, "workers": 2, "at": ""}
    Storage(stored).write("study.toml", study.to_toml().encode())
    Storage(stored).write(JOURNAL.as_posix(), json.dumps(begun).encode() + b"\n")
    assert main(command) == 0
    assert f"would be continued: {study.strategies[0]} seed 0" in capsys.readouterr().out
    assert main([*command, "--budget", "epochs=7"]) == 2
    assert "--or-resume: budget: is " in capsys.readouterr().err


def test_another_study_in_the_folder_is_not_taken_for_this_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, file, out = Study.load("digits_cnn"), tmp_path / "study.toml", tmp_path / "out"
    out.mkdir()
    (out / "study.toml").write_text(study.to_toml())
    command = ["compare", str(file), "--dry-run", "--out", str(out), "--or-resume"]
    for text, said in (
        (study.to_toml(), ""),
        (
            study.to_toml().replace('trainable = "cnn"', 'trainable = "mlp"'),
            "--or-resume: trainable: is cnn in the study",
        ),
        (study.replace(until_decided=False).to_toml(), "--or-resume: until_decided: is True in the study"),
        (study.replace(budget=Budget(epochs=7)).to_toml(), "--or-resume: budget: is "),
    ):
        file.write_text(text)
        assert main(command) == (2 if said else 0)
        assert said in capsys.readouterr().err
    file.write_text(study.to_toml())
    assert main([*command, "--max-workers", "3"]) == 0
    assert main([*command, "--resume", str(out)]) == 2
    assert "goes with a study and its --out, not with --resume" in capsys.readouterr().err


def answered(tmp_path: Path, answer: str) -> tuple[int, str]:
    """A very large study on a real terminal, and what is typed when it asks."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "hypertune", "compare", *HUGE]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    told = b""
    while b"[y/N]" not in told:
        told += os.read(ours, 1000)
    os.write(ours, answer.encode() + b"\n")
    try:
        while chunk := os.read(ours, 1000):
            told += chunk
    except OSError:  # a terminal whose program has ended
        pass
    return process.wait(timeout=60), told.decode()


@pytest.mark.parametrize("answer", ["n", "\x04"], ids=["no", "end of input"])
def test_a_very_large_study_asks_on_a_terminal(tmp_path: Path, answer: str) -> None:
    code, told = answered(tmp_path, answer)
    assert code == 130
    assert "4,000 sweeps, at most 400,000,000 trials and 400,000,000 epochs. Go ahead? [y/N]" in told
    assert "Nothing was started." in told
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_or_with_yes_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from hypertune.commands import plan

    large = Study.load("digits_cnn").replace(seeds=tuple(range(1000)))
    monkeypatch.setattr("builtins.input", lambda prompt: pytest.fail("asked"))
    assert plan.confirmed(large, yes=False)  # the tests have no terminal
    assert plan.confirmed(large, yes=True)


def test_a_dry_run_tells_of_resources_that_the_trainable_asks_for() -> None:
    plain, own = (list(plan_lines(make_study(), Way(Path("out"), asks_itself=asks))) for asks in (False, True))
    assert "resources of a trial: 1 CPUs, 0 GPUs" in plain
    assert "workers and resources of a trial: as the trainable asks for" in own


@pytest.mark.parametrize(
    ("options", "added"),
    [
        ([], False),
        (["--quiet"], False),
        (["--margin", "0"], True),
        (["--margin", "0.0"], True),
        (["--margin", "0.1"], True),
        (["--seeds", "4"], True),
        (["--strategies", "+bohb"], True),
        (["--until-decided"], True),
        (["--max-seeds", "9"], True),
        (["--max-seconds", "9"], True),
        (["--max-workers", "1"], True),
    ],
)
def test_whatever_is_added_to_a_study_is_stored_though_it_be_0(
    tmp_path: Path, options: list[str], *, added: bool
) -> None:
    """`compare --resume DIR --margin 0` used the margin once, and the next report had the old one again."""
    arguments = parser().parse_args(["compare", "--resume", str(tmp_path), *options])
    assert adds(arguments) == added
    limited = bool({"--max-seeds", "--max-seconds"}.intersection(options))
    study = make_study(margin=0.1, seeds=(0, 1, 2), until_decided=limited)
    (tmp_path / "study.toml").write_text(study.to_toml())
    more = extension(study, arguments)
    folder.claim(tmp_path, more, resume=True, extends=adds(arguments)).release()
    assert Study.load(tmp_path / "study.toml") == more
    if "--margin" in options:
        assert Study.load(tmp_path / "study.toml").margin == float(options[1])


@pytest.mark.parametrize("command", ["compare", "submit"])
def test_an_empty_name_is_not_the_default_study(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "", "--dry-run"]) == 2
    assert "'': neither a file nor a shipped study" in capsys.readouterr().err
