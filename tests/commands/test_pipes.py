"""Commands whose output nobody reads to its end, as in `hypertune compare ... 2>&1 | tee log` after Ctrl-C."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.records.test_records import recorded
from tests.simulation.tables import made_up
from tests.sweep.scripted import make_study

COMPARE = """
import dataclasses, os, sys
from hypertune import api, load
from hypertune.commands.cli import main
from hypertune.records.failures import Failure

how, folder, closed, *options = sys.argv[1:]
result = load(folder)
reader, gone = os.pipe()
os.close(reader)

def run(study, out, circumstances):
    "The study that has just ended in `folder`; whoever read the output has ended, too."
    for number in closed.split(","):
        os.dup2(gone, int(number))
    if how == "twice":
        raise KeyboardInterrupt
    if how == "elsewhere":
        raise BrokenPipeError(32, "Broken pipe")
    failures = (Failure("ValueError: bad", 1, "random_s0_0001"),) if how == "failed" else ()
    records = dataclasses.replace(result.records, failures=failures)
    return dataclasses.replace(result, records=records, interrupted=how == "once")

api.run = run
sys.exit(main(["compare", "digits_cnn", "--out", folder + "-new", *options]))
"""


@pytest.mark.parametrize(
    ("how", "closed", "options", "code"),
    [
        ("once", "1", ("--quiet",), 130),
        ("twice", "1,2", (), 130),
        ("failed", "1,2", (), 1),
        ("elsewhere", "2", (), 2),
    ],
)
def test_the_exit_code_is_right_though_the_reader_has_gone(
    tmp_path: Path, how: str, closed: str, options: tuple[str, ...], code: int
) -> None:
    folder = recorded(tmp_path / "out")
    command = [sys.executable, "-c", COMPARE, how, str(folder), closed, *options]
    assert subprocess.run(command, capture_output=True, timeout=300, check=False).returncode == code


def test_a_reader_that_has_enough_of_a_table_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "hypertune", "export", str(recorded(tmp_path / "out"))]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_simulation_that_nobody_reads_is_written(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(make_study().to_toml())
    made_up().to_parquet(tmp_path / "curves.parquet")
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "hypertune", "simulate", "study.toml", "--curves", "curves.parquet"]
    command += ["--workers", "1", "--processes", "1", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, stdout=writer, stderr=writer, timeout=300, check=False)
    os.close(writer)
    assert done.returncode == 0
    assert (tmp_path / "out" / "report.html").stat().st_size > 0
