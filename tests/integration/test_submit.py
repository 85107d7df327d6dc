"""A real Ray head with its dashboard and a token: studies sent to it as jobs, followed, stopped, resumed, fetched."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from hypertune.records import records

STUDY = """
[study]
name = "sent"
strategies = ["random"]
seeds = 1
budget = {{ epochs = {epochs} }}
metric = "score"
mode = "max"
[training]
trainable = "own_code:train"
max_epochs = 4
[space]
lr = {{ loguniform = [1e-4, 1e-1] }}
"""
CODE = """
import os, time
from own_helper import score
from ray import tune

def train(config):
    print("this is lr", config["lr"])
    assert not os.path.exists(".env") and os.environ["TOLD"] == "yes"
    for epoch in range(1, 5):
        time.sleep(0.1)
        tune.report({"score": score(config["lr"], epoch)})
"""
HELPER = "def score(lr, epoch):\n    return 1 - lr - 1 / (epoch + 1)\n"

Run = Callable[..., subprocess.CompletedProcess[str]]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A head on this machine; yields the environment that reaches it."""
    # The folder's path is part of a socket's, which may not be long.
    folder = Path("/tmp") / f"ht{secrets.token_hex(3)}"
    folder.mkdir()
    (folder / "token").write_text(secrets.token_hex(32))
    gcs, dashboard, client, agent = free_ports(4)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        # A job's `python` is the one of the head's search path.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path_factory.mktemp("home")),
    }
    command = [
        str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={gcs}", "--num-cpus=2",
        f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}", f"--temp-dir={folder}",
        f"--dashboard-agent-listen-port={agent}", "--disable-usage-stats",
    ]  # fmt: skip
    with (folder / "head.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        yield {**environment, "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}"}
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=300)


@pytest.fixture
def run(head: dict[str, str], tmp_path: Path) -> Run:
    """Runs a hypertune command in a project of the user's own."""
    (tmp_path / "own_code.py").write_text(CODE)
    (tmp_path / "own_helper.py").write_text(HELPER)
    (tmp_path / ".env").write_text("PASSWORD=hunter2")

    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("hypertune")), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env={**head, **changes}, capture_output=True, text=True, timeout=400, check=False
        )

    deadline = time.monotonic() + 400
    while (done := run("jobs")).returncode:
        assert time.monotonic() < deadline, done.stderr
        time.sleep(1)
    return run


def bearer(head: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {Path(head['RAY_AUTH_TOKEN_PATH']).read_text()}"}


def study(folder: Path, epochs: int) -> None:
    (folder / "study.toml").write_text(STUDY.format(epochs=epochs))


def test_a_study_is_sent_followed_and_fetched(run: Run, head: dict[str, str], tmp_path: Path) -> None:
    study(tmp_path, 8)
    done = run("submit", "study.toml", "--name", "first", "--env", "TOLD=yes", "--follow")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ".env (secret)" in done.stderr
    planned = run("submit", "--resume", "first", "--dry-run").stdout
    assert "  own_code.py\n" in planned
    assert "  .env (secret)\n" in planned
    assert "compare --resume '~/hypertune-out/first'" in planned
    assert "[1/1] random seed 0" in done.stdout
    assert "hunter2" not in done.stdout
    fetched = run("fetch", "first")
    assert fetched.stdout == "hypertune-out/first: fetched from ~/hypertune-out/first\n", fetched.stderr
    assert records.read(tmp_path / "hypertune-out" / "first").trials["epochs"].sum() == 8
    assert (tmp_path / "hypertune-out" / "first" / "report.html").exists()

    jobs = requests.get(f"{head['RAY_API_SERVER_ADDRESS']}/api/jobs/", headers=bearer(head), timeout=60).json()
    (facts,) = [job["metadata"] for job in jobs if job["submission_id"] == "first"]
    assert facts["verdict"].startswith("Only random has finished sweeps, so there is nothing to compare it with; ")
    assert facts["job_name"].startswith(f"sent: {facts['verdict'][:60]}")
    assert re.search(
        r"^first .* done .*" + re.escape("Only random has finished sweeps"), run("jobs").stdout, re.MULTILINE
    )

    nothing_runs = run("top", head["RAY_API_SERVER_ADDRESS"], "--web")
    assert nothing_runs.returncode == 2
    assert "no submitted study is running" in nothing_runs.stderr
    refused = run("jobs", RAY_AUTH_TOKEN="wrong")
    assert refused.returncode == 2
    assert "the token is wrong" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.slow
def test_what_a_cluster_refuses_is_told_in_one_line(run: Run, tmp_path: Path) -> None:
    study(tmp_path, 8)
    assert run("submit", "study.toml", "--name", "twice", "--env", "TOLD=yes", "--follow").returncode == 0
    listed = run("jobs").stdout
    assert "twice" in listed
    assert "done" in listed
    told = run("logs", "twice", "--trial", "random_s0_0001")
    assert re.fullmatch(r"this is lr 0\.\d+\n", told.stdout), told.stderr
    for changes, arguments, said in (
        ({}, ("logs", "twice", "--trial", "nobody"), "--trial nobody: nothing is kept of it"),
        ({}, ("logs", "twice", "--trial", "../x"), "--trial ../x: not the id of a trial"),
        ({"RAY_AUTH_TOKEN_PATH": ""}, ("jobs",), "the cluster asks for a token"),
        ({}, ("submit", "study.toml", "--name", "twice"), "already has a job of that name"),
        ({}, ("logs", "nobody"), "nobody: no study with that id at http://127.0.0.1"),
        ({}, ("fetch", "twice", "--out", "."), "already holds something else"),
    ):
        refused = run(*arguments, **changes)
        assert refused.returncode == 2
        assert said in refused.stderr
        assert refused.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_study_stopped_half_way_goes_on_as_another_job(run: Run, head: dict[str, str], tmp_path: Path) -> None:
    study(tmp_path, 600)
    assert run("submit", "study.toml", "--name", "halted", "--env", "TOLD=yes").returncode == 0
    deadline = time.monotonic() + 400
    while " of 600 epochs" not in run("logs", "halted").stdout:
        assert time.monotonic() < deadline, run("logs", "halted").stdout
        time.sleep(1)
    jobs = requests.get(f"{head['RAY_API_SERVER_ADDRESS']}/api/jobs/", headers=bearer(head), timeout=60).json()
    (message,) = [job["message"] for job in jobs if job["submission_id"] == "halted"]
    assert re.fullmatch(r"\w+: \d+%.*", message)
    assert re.search(r"^halted +\w+ +running +\d+%, about .* left ", run("jobs").stdout, re.MULTILINE)
    stopped = run("stop", "halted")
    assert stopped.stdout.endswith("halted: stopped. Resume with: hypertune submit --resume halted\n")
    assert "Interrupted. Resume with" in run("logs", "halted").stdout
    run("fetch", "halted")
    before = records.read(tmp_path / "hypertune-out" / "halted")
    assert 0 < before.trials["epochs"].sum() < 600

    resumed = run("submit", "--resume", "halted", "--env", "TOLD=yes", "--name", "went_on", "--follow")
    assert resumed.returncode == 0, resumed.stdout
    run("fetch", "went_on")
    after = records.read(tmp_path / "hypertune-out" / "went_on")
    assert after.trials["epochs"].sum() == 600
    assert set(before.trials["trial_id"]) <= set(after.trials["trial_id"])


@pytest.mark.slow
def test_the_page_of_a_study_on_a_cluster_follows_it(run: Run, head: dict[str, str], tmp_path: Path) -> None:
    study(tmp_path, 6000)
    assert run("submit", "study.toml", "--name", "seen", "--env", "TOLD=yes").returncode == 0
    while " of 6000 epochs" not in (told := run("logs", "seen").stdout):
        assert "running" in run("jobs").stdout, told
    command = [sys.executable, "-m", "hypertune", "top", head["RAY_API_SERVER_ADDRESS"], "--web"]
    with subprocess.Popen(command, env=head, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            link = server.stdout.readline().strip()
            address, _, token = link.partition("?token=")

            def version() -> str:
                asked = urllib.request.Request(f"{address}version", headers={"Authorization": f"Bearer {token}"})
                with urllib.request.urlopen(asked, timeout=120) as answer:
                    return str(json.load(answer)["version"])

            assert version().startswith("Running: 0 of 1 sweeps done")
            assert run("stop", "seen").returncode == 0
            while (told := version()).startswith("Running"):
                time.sleep(1)
            assert "Interrupted: 0 of 1 sweeps done; resume with: hypertune submit --resume seen" in told
            server.send_signal(signal.SIGINT)
            assert server.wait(60) == 0
        finally:
            server.kill()


@pytest.mark.slow
def test_a_study_that_fails_has_the_exit_code_it_would_have_here(run: Run, tmp_path: Path) -> None:
    study(tmp_path, 8)
    wrong = run("submit", "study.toml", "--metric", "nothing", "--env", "TOLD=yes", "--follow")
    assert wrong.returncode == 2
    assert "study.metric: 'nothing' is not reported; the trainable reports score" in wrong.stdout
    failing = run("submit", "study.toml", "--name", "failing", "--env", "TOLD=no", "--follow")
    assert failing.returncode == 1
    assert "AssertionError" in failing.stdout
    assert run("logs", "failing", "--follow").returncode == 1
    assert "something in it failed" in run("jobs").stdout


@pytest.mark.slow
def test_results_go_to_shared_storage_and_come_from_there(run: Run, bucket: str, tmp_path: Path) -> None:
    study(tmp_path, 8)
    names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    settings = {name: os.environ[name] for name in names}
    passed = [argument for name in names for argument in ("--env", name)]
    place = f"{bucket}/study"
    done = run(
        "submit", "study.toml", "--name", "stored", "--env", "TOLD=yes", *passed, "--out", place, "--follow", **settings
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert records.read(place).trials["epochs"].sum() == 8
    assert run("fetch", "stored", **settings).stdout == f"hypertune-out/stored: fetched from {place}\n"
    resumed = run("submit", "--resume", place, "--env", "TOLD=yes", *passed, "--follow", **settings)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
