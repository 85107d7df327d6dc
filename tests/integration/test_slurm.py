"""`cluster/slurm.sh` on a real Slurm: to the end, at the time limit, in the queue again, and cancelled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hypertune.records import records
from hypertune.storage.files import JOURNAL
from tests.integration.slurm import Slurm, missing, slurm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason="needs Slurm (Debian: apt-get install slurm-wlm)"),
]
STUDY = """
[study]
name = "queued"
strategies = ["random"]
seeds = 1
budget = {{ trials = 8 }}
metric = "score"
mode = "max"
retrain = 0
[training]
trainable = "tests.integration.trainables:checkpointing"
max_epochs = 9
[training.config]
sleep = {sleep}
[space]
lr = {{ loguniform = [1e-4, 1e-1] }}
width = {{ randint = [1, 9] }}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    # The path is part of a socket's, which may not be long.
    with slurm(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


def study(folder: Path, sleep: float) -> str:
    (folder / "study.toml").write_text(STUDY.format(sleep=sleep))
    return str(folder / "study.toml")


def wait_for_epochs(cluster: Slurm, number: str, out: Path, count: int) -> None:
    deadline = time.monotonic() + 400
    while not (out / JOURNAL).exists() or (out / JOURNAL).read_bytes().count(b'"event": "epoch"') < count:
        assert cluster.job(number)["JobState"] in ("PENDING", "RUNNING"), cluster.log(number)
        assert time.monotonic() < deadline, cluster.log(number)
        time.sleep(1)


def leftovers(number: str) -> list[str]:
    """The living processes of the Ray of a job, by Ray's folder, which has the job's number."""
    commands = (" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
    return [command[:100] for command in commands if f"/tmp/ray-{number}/" in command]


def test_a_study_runs_on_all_nodes_of_its_job_to_the_end(cluster: Slurm, tmp_path: Path) -> None:
    number = cluster.submit("--slurm:nodes=2", "--slurm:time=20", study(tmp_path, 0.2))
    out = cluster.folder / "hypertune-out" / f"slurm-{number}"
    job = cluster.ended(number)
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0"), cluster.log(number)
    facts = records.read(out)
    assert facts.trials["epochs"].tolist() == [9] * 8
    assert facts.provenance["workers"] == 2
    assert (out / "report.html").exists()
    assert not list((cluster.folder / "tokens").iterdir())
    assert leftovers(number) == []
    assert not Path(f"/tmp/ray-{number}").exists()
    assert "Traceback" not in cluster.log(number)


def test_at_the_time_limit_it_is_saved_and_in_the_queue_again_it_resumes(cluster: Slurm, tmp_path: Path) -> None:
    out = tmp_path / "out"
    # Slurm counts in minutes, and may send the signal up to a minute early.
    limit = ("--slurm:nodes=1", "--slurm:time=4", "--slurm:signal=B:USR1@90")
    number = cluster.submit(*limit, study(tmp_path, 5), "--out", str(out))
    job = cluster.ended(number)
    assert (job["JobState"], job["ExitCode"]) == ("FAILED", "130:0"), cluster.log(number)
    left = records.read(out)
    assert 0 < len(left.curves) < 72
    assert (out / "report.html").exists()

    cluster.run("scontrol", "requeuehold", number)
    cluster.run("scontrol", "update", f"JobId={number}", "TimeLimit=20", "StartTime=now")
    cluster.run("scontrol", "release", number)
    wait_for_epochs(cluster, number, out, len(left.curves) + 1)
    again = records.read(out)
    kept = again.curves.head(len(left.curves))
    assert kept["score"].tolist() == left.curves["score"].tolist()
    cluster.run("scancel", number)
    assert cluster.ended(number, 100)["JobState"] == "CANCELLED"


def test_a_cancelled_study_loses_nothing(cluster: Slurm, tmp_path: Path) -> None:
    out = tmp_path / "out"
    number = cluster.submit("--slurm:nodes=2", "--slurm:time=20", study(tmp_path, 2), "--out", str(out))
    wait_for_epochs(cluster, number, out, 4)
    cluster.run("scancel", number)
    assert cluster.ended(number, 100)["JobState"] == "CANCELLED"
    assert f"hypertune compare --resume {out}" in " ".join(cluster.log(number).split())
    left = records.read(out)
    assert len(left.curves) >= 4
    time.sleep(5)
    assert leftovers(number) == []

    resumed = cluster.submit("--slurm:nodes=1", "--slurm:time=20", "--resume", str(out))
    wait_for_epochs(cluster, resumed, out, len(left.curves) + 1)
    kept = records.read(out).curves.head(len(left.curves))
    assert kept["score"].tolist() == left.curves["score"].tolist()
    cluster.run("scancel", resumed)
    cluster.ended(resumed, 100)
