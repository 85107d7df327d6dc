"""Faults really caused while a study runs: nothing is lost, and the trials are those of an undisturbed run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ray import tune

from hypertune import compare
from hypertune.commands.cli import main
from hypertune.records import records
from hypertune.storage.files import JOURNAL
from tests.integration import trainables

pytestmark = pytest.mark.usefixtures("local_ray")
SAME = ["trial_id", "status", "epochs", "best_epoch", "score", "config/lr", "config/width"]


def run(out: Path, trainable: Any = trainables.checkpointing, **changes: Any) -> pd.DataFrame:
    arguments: dict[str, Any] = {
        "trainable": trainable,
        "space": {"lr": tune.loguniform(1e-4, 1e-1), "width": tune.randint(1, 9)},
        "strategies": ["hyperband"],
        "seeds": 1,
        "budget": {"epochs": 40},
        "metric": "score",
        "mode": "max",
        "max_epochs": 9,
        "resources": {"cpus_per_trial": 2},  # one trial at a time, so that the order of events is the same
        "out": out,
    }
    frame: pd.DataFrame = compare(**{**arguments, **changes}).trials
    return frame[SAME]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return run(tmp_path_factory.mktemp("undisturbed") / "out")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip(f"needs the right to mount a file system ({made.stderr.decode().strip()})")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def when_epochs(out: Path, count: int, act: Any) -> threading.Thread:
    """Calls `act` in a thread once the journal tells of so many epochs."""

    def wait() -> None:
        journal, deadline = out / JOURNAL, time.monotonic() + 300
        while not journal.exists() or journal.read_bytes().count(b'"event": "epoch"') < count:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def fill(folder: Path) -> Path:
    """A file that takes all the room there is."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    return filler


def test_a_full_disk_is_waited_for(small_disk: Path, undisturbed: pd.DataFrame) -> None:
    """Neither the journal nor a checkpoint can be written for two seconds."""
    free: list[int] = []

    def act() -> None:
        filler = fill(small_disk)
        free.append(os.statvfs(small_disk).f_bavail)
        time.sleep(2)
        filler.unlink()

    thread = when_epochs(small_disk / "out", 12, act)
    pd.testing.assert_frame_equal(run(small_disk / "out"), undisturbed)
    thread.join()
    assert free == [0]
    assert not records.read(small_disk / "out").curves.duplicated(["trial_id", "epoch"]).any()


@pytest.mark.slow
def test_a_disk_that_stays_full_ends_the_study_in_one_line_and_it_can_be_resumed(
    small_disk: Path, undisturbed: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPERTUNE_STORAGE_PATIENCE_S", "1")
    filler: list[Path] = []
    out = small_disk / "out"
    thread = when_epochs(out, 12, lambda: filler.append(fill(small_disk)))
    with pytest.raises(ValueError, match="can no longer be written .No space left.*compare --resume"):
        run(out, impatient)
    thread.join()
    filler[0].unlink()
    known = len(records.read(out).curves)
    assert known >= 12
    pd.testing.assert_frame_equal(run(out, resume=True), undisturbed)


def test_a_disk_that_is_full_for_the_report_is_told_with_the_file_and_how_to_make_it_again(
    small_disk: Path, undisturbed: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tables have room, the page of several MiB does not."""
    out, filler = small_disk / "out", small_disk / "filler"

    def act(event: dict[str, Any]) -> None:
        if event["event"] == "done":
            fill(small_disk)
            os.truncate(filler, filler.stat().st_size - 2**20)

    told = f"^{out}/report.html: cannot be written .No space left.*: hypertune report {out}$"
    with pytest.raises(ValueError, match=told):
        run(out, observers=[act])
    assert not list(out.rglob("*.tmp"))
    capsys.readouterr()
    assert main(["report", str(out)]) == 2
    assert capsys.readouterr().err == f"hypertune: {out}/report.html: No space left on device\n"
    assert not list(out.rglob("*.tmp"))
    filler.unlink()
    assert main(["report", str(out)]) == 0
    pd.testing.assert_frame_equal(records.read(out).trials[SAME], undisturbed)


@pytest.mark.slow
def test_a_folder_removed_while_the_study_runs_is_noticed_and_the_study_can_be_resumed(
    tmp_path: Path, undisturbed: pd.DataFrame
) -> None:
    out, removed = tmp_path / "out", []

    def act() -> None:
        shutil.rmtree(out, ignore_errors=True)
        removed.append(time.monotonic())

    thread = when_epochs(out, 12, act)
    with pytest.raises(ValueError, match=f"was removed or replaced .* anew to {out}, .*compare --resume {out}$"):
        run(out)
    thread.join()
    assert time.monotonic() - removed[0] < 30
    assert len(records.read(out).curves) >= 12
    pd.testing.assert_frame_equal(run(out, resume=True), undisturbed)


def impatient(config: dict[str, Any]) -> None:
    """Its worker waits for a storage no longer than a second."""
    os.environ["HYPERTUNE_STORAGE_PATIENCE_S"] = "1"
    trainables.checkpointing(config)


@pytest.mark.slow
def test_a_storage_that_does_not_answer_is_waited_for(tmp_path: Path, undisturbed: pd.DataFrame) -> None:
    """A frozen file system holds every write back, as a file server does that is away."""
    image, folder = tmp_path / "image", tmp_path / "served"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(32 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    made = subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip(f"needs the right to mount an image ({made.stderr.decode().strip()})")
    try:
        (folder / "studies").mkdir()

        def act() -> None:
            subprocess.run(["fsfreeze", "--freeze", str(folder)], check=True)
            time.sleep(60)
            subprocess.run(["fsfreeze", "--unfreeze", str(folder)], check=True)

        thread = when_epochs(folder / "studies" / "out", 12, act)
        began = time.monotonic()
        pd.testing.assert_frame_equal(run(folder / "studies" / "out"), undisturbed)
        assert time.monotonic() - began > 60, "the study did not write while the storage was away"
        thread.join()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def marked(tmp_path: Path, name: str, *, over: bool) -> dict[str, Any]:
    """The space of a trainable that misbehaves once; `over` if it has done so already."""
    marker = tmp_path / name
    if over:
        marker.touch()
    return {"lr": tune.loguniform(1e-4, 1e-1), "width": tune.randint(1, 9), "marker": str(marker)}


def test_a_trial_that_hangs_is_killed_and_tried_again(tmp_path: Path) -> None:
    limited = {"cpus_per_trial": 2, "epoch_timeout_s": 3}
    settings: dict[str, Any] = {"strategies": ["random"], "resources": limited}
    hung = run(tmp_path / "hung", trainables.hanging, space=marked(tmp_path, "now", over=False), **settings)
    assert (tmp_path / "now").exists()
    quiet = run(tmp_path / "quiet", trainables.hanging, space=marked(tmp_path, "before", over=True), **settings)
    pd.testing.assert_frame_equal(hung, quiet)


@pytest.mark.slow
def test_a_trial_that_always_hangs_fails_with_the_reason(tmp_path: Path) -> None:
    limited = {"cpus_per_trial": 2, "epoch_timeout_s": 2}
    trials = run(tmp_path / "out", stuck, strategies=["random"], resources=limited, budget={"trials": 2})
    assert list(trials["status"]) == ["failed", "failed"]
    (reason, _) = [e["error"] for e in records.read_journal(tmp_path / "out" / JOURNAL) if e["event"] == "end"]
    assert reason.startswith("reported nothing for 2 s (resources.epoch_timeout_s), worker killed")


def stuck(config: dict[str, Any]) -> None:
    time.sleep(3600)


@pytest.mark.slow
def test_a_worker_that_always_dies_fails_its_trial_and_no_other(tmp_path: Path) -> None:
    trials = run(tmp_path / "out", fragile, strategies=["random"], budget={"trials": 4})
    assert (trials.loc[trials["config/width"] > 4, "status"] == "failed").all()
    assert (trials.loc[trials["config/width"] <= 4, "status"] == "completed").all()
    assert trials["status"].nunique() == 2
    reasons = [event.get("error") for event in records.read_journal(tmp_path / "out" / JOURNAL)]
    assert "the worker process died, and again at every retry" in reasons


def fragile(config: dict[str, Any]) -> None:
    """Killed by SIGKILL in its second step where it is wide."""
    for step in range(1, 10):
        if step == 2 and config["width"] > 4:
            os.kill(os.getpid(), 9)
        tune.report({"score": trainables.score(config, step)})


@pytest.mark.slow
def test_a_trial_that_leaks_memory_until_it_is_killed_fails_and_no_other(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.integration.leaking", str(tmp_path / "out")]
    environment = {**os.environ, "RAY_OVERRIDE_RESOURCES": '{"CPU": 2}'}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    trials = records.read(tmp_path / "out").trials
    wide = trials["config/width"] > 4
    assert 0 < wide.sum() < len(trials) == 4
    assert (trials.loc[wide, "status"] == "failed").all()
    assert (trials.loc[~wide, "status"] == "completed").all()
    reasons = [event["error"] for event in records.read_journal(tmp_path / "out" / JOURNAL) if "error" in event]
    assert len(reasons) == wide.sum()
    assert all("Ray killed the worker process because its node ran out of memory" in reason for reason in reasons)
