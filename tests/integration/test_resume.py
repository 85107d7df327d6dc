"""Real processes really killed: nothing that was reported is lost, and the rest is as it would have been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock

from hypertune.records import records
from hypertune.storage.files import JOURNAL, LOCK

# Ray starts its own processes; two cores' worth are asked for whatever the machine has.
ENVIRONMENT = {**os.environ, "RAY_OVERRIDE_RESOURCES": '{"CPU": 2}', "PYTHONUNBUFFERED": "1"}
SAME = ["strategy", "seed", "trial_id", "status", "epochs", "best_epoch", "score", "config/lr", "config/width"]


def start(out: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.integration.killed", str(out), *arguments]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(out: Path, *arguments: str) -> tuple[int, str]:
    process = start(out, *arguments)
    output, _ = process.communicate(timeout=400)
    return process.returncode, output


def wait_for_epochs(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Until the journal tells of `count` epochs."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        journal = out / JOURNAL
        if journal.exists() and journal.read_bytes().count(b'"event": "epoch"') >= count:
            return
        assert process.poll() is None, f"ended early: {process.communicate()[0]}"
        time.sleep(0.05)
    pytest.fail(f"no {count} epochs within five minutes")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    code, output = finish(out)
    assert code == 0, output
    return out


@pytest.fixture(scope="module")
def undisturbed(ended: Path) -> pd.DataFrame:
    return records.read(ended).trials[SAME]


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [7, 55, 95])
def test_a_study_killed_at_any_point_is_readable_and_resumes_to_the_same_table(
    tmp_path: Path, undisturbed: pd.DataFrame, epochs: int
) -> None:
    out = tmp_path / "out"
    process = start(out)
    wait_for_epochs(out, epochs, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    readable_and_resumed_to(undisturbed, out, epochs)


def readable_and_resumed_to(undisturbed: pd.DataFrame, out: Path, epochs: int) -> None:
    left = records.read(out)
    assert epochs <= len(left.curves) < 120
    # The tables lag by a second or so; the journal does not.
    assert set(pd.read_csv(out / "trials.csv")["trial_id"]) <= set(left.trials["trial_id"])
    assert len(pd.read_parquet(out / "curves.parquet")) <= len(left.curves)

    code, output = finish(out, "resume")
    assert code == 0, output
    resumed = records.read(out)
    pd.testing.assert_frame_equal(resumed.trials[SAME], undisturbed)
    assert not resumed.curves.duplicated(["trial_id", "epoch"]).any()
    kept = resumed.curves.head(len(left.curves))
    pd.testing.assert_frame_equal(kept[["trial_id", "epoch", "score"]], left.curves[["trial_id", "epoch", "score"]])


def test_a_study_interrupted_and_then_killed_resumes_to_the_same_table(
    tmp_path: Path, undisturbed: pd.DataFrame
) -> None:
    out = tmp_path / "out"
    process = start(out)
    wait_for_epochs(out, 30, process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 130, output
    assert "interrupted" in output
    assert (out / "comparison.csv").exists()

    process = start(out, "resume")
    wait_for_epochs(out, 70, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    readable_and_resumed_to(undisturbed, out, 70)


@pytest.mark.slow
@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_stops_at_once_and_loses_nothing_either(
    which: signal.Signals, tmp_path: Path, undisturbed: pd.DataFrame
) -> None:
    out = tmp_path / "out"
    process = start(out)
    wait_for_epochs(out, 30, process)
    process.send_signal(which)
    time.sleep(0.1)
    process.send_signal(which)
    output, _ = process.communicate(timeout=400)
    assert process.returncode != 0
    assert "Ctrl-C again stops at once" in output

    code, output = finish(out, "resume")
    assert code == 0, output
    pd.testing.assert_frame_equal(records.read(out).trials[SAME], undisturbed)


def test_two_runs_into_one_folder_are_refused(ended: Path) -> None:
    with FileLock(ended / LOCK):
        code, output = finish(ended, "resume")
    assert code != 0
    assert "another hypertune is writing to it" in output
