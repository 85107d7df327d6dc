"""A study whose output folder lies on shared storage: records, checkpoints and model go there, and it resumes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from hypertune import load_model
from hypertune.records import records
from hypertune.storage.files import JOURNAL
from hypertune.storage.lease import LEASE
from hypertune.storage.storage import Storage
from tests.storage.test_lease import another

SAME = ["strategy", "seed", "trial_id", "status", "epochs", "best_epoch", "score", "config/lr", "config/width"]


def start(place: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.integration.killed", place, *arguments]
    environment = {**os.environ, "RAY_OVERRIDE_RESOURCES": '{"CPU": 2}'}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(place: str, *arguments: str) -> None:
    process = start(place, *arguments)
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output


def wait_for_epochs(storage: Storage, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 400
    while (storage.read(JOURNAL.as_posix()) or b"").count(b'"event": "epoch"') < count:
        assert process.poll() is None, f"ended early: {process.communicate()[0]}"
        assert time.monotonic() < deadline, f"no {count} epochs within two minutes"
        time.sleep(0.1)


@pytest.mark.slow
def test_a_study_with_its_model_on_shared_storage(url_of: Callable[[str], str]) -> None:
    place = url_of("digits")
    options = ["--strategies", "random", "--seeds", "1", "--budget", "epochs=2", "--out", place]
    command = [sys.executable, "-m", "hypertune", "compare", "digits_cnn", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    storage = Storage(place)
    assert f"Report: {storage.url_of('report.html')}" in done.stdout
    assert records.read(place).trials["epochs"].sum() == 2
    assert load_model(storage.url_of("best/model.pt")).classes == tuple("0123456789")
    # Checkpoints have gone there, and from there once nothing needed them.
    assert storage.folders("sweeps") == []
    assert list(Path(os.environ["HYPERTUNE_WORK_DIR"]).iterdir()) == []


@pytest.mark.slow
def test_killed_on_one_machine_it_goes_on_on_another(bucket: str, tmp_path: Path) -> None:
    finish(f"{bucket}/undisturbed")
    storage = Storage(f"{bucket}/killed")
    process = start(storage.url)
    wait_for_epochs(storage, 55, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # Another machine has none of the first one's working copies.
    shutil.rmtree(os.environ["HYPERTUNE_WORK_DIR"])
    finish(storage.url, "resume")
    left, right = records.read(storage.url).trials[SAME], records.read(f"{bucket}/undisturbed").trials[SAME]
    pd.testing.assert_frame_equal(left, right)


@pytest.mark.slow
def test_a_study_that_another_process_took_over_ends_and_can_be_resumed_by_itself(bucket: str) -> None:
    storage = Storage(f"{bucket}/study")
    process = start(storage.url)
    wait_for_epochs(storage, 5, process)
    lease = another(storage)
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 1
    last = output.strip().splitlines()[-1]
    assert "another hypertune writes to it by now (process 1 on elsewhere); what this one has recorded is in" in last
    assert storage.read(LEASE) == lease
    kept = Path(last.rpartition(" ")[2])
    assert len((kept / JOURNAL).read_bytes()) >= len(storage.read(JOURNAL.as_posix()) or b"")
    finish(str(kept), "resume")
    assert records.read(kept).sweeps["finished"].all()
