"""How a study ends: whatever Ray does after the last trial, and however its processes are killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray import tune
from ray.tune.analysis import experiment_analysis
from ray.tune.execution.tune_controller import TuneController

from hypertune import compare
from hypertune.records import records
from hypertune.tuning import connect, housekeeping
from tests.integration.test_resume import ENVIRONMENT, finish, wait_for_epochs

SLOW = pytest.mark.slow


def once(config: dict[str, Any]) -> None:
    tune.report({"loss": config["lr"]})


def study(out: Path, trials: int, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "trainable": once,
        "space": {"lr": tune.loguniform(1e-4, 1e-1)},
        "strategies": ["random"],
        "metric": "loss",
        "mode": "min",
        "max_epochs": 1,
        "budget": {"trials": trials},
        "seeds": 1,
        "out": out,
    }
    return compare(**{**arguments, **changes})


def complete(result: Any, trials: int) -> None:
    assert list(result.trials["status"]) == ["completed"] * trials
    assert not result.interrupted
    assert (result.folder / "report.html").stat().st_size > 0


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("kept", [5, pytest.param(3, marks=SLOW), pytest.param(4, marks=SLOW)])  # 2 warm-up trials
def test_a_study_of_any_number_of_trials_ends(tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that have ended are forgotten now and then; one of these numbers leaves none when the last one ends."""
    monkeypatch.setattr(housekeeping, "KEPT", kept)
    complete(study(tmp_path / "out", 4), 4)


@SLOW
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("cpus", [2, 1, 0.5])  # 1, 2 and 4 workers
@pytest.mark.parametrize("trials", range(90, 121))
def test_a_study_of_about_a_hundred_trials_ends(tmp_path: Path, cpus: float, trials: int) -> None:
    complete(study(tmp_path / "out", trials, resources={"cpus_per_trial": cpus}), trials)


STAGES = [
    pytest.param(TuneController, "checkpoint", marks=SLOW),
    pytest.param(TuneController, "get_trials", marks=SLOW),
    pytest.param(TuneController, "cleanup", marks=SLOW),
    (TuneController, "_cleanup_trials"),
    pytest.param(TuneController, "end_experiment_callbacks", marks=SLOW),
    pytest.param(experiment_analysis.ExperimentAnalysis, "__init__", marks=SLOW),
]


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize(("owner", "method"), STAGES, ids=lambda value: getattr(value, "__name__", value))
def test_what_ray_raises_after_the_last_trial_costs_no_outcome(
    tmp_path: Path, owner: Any, method: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("a bug of Ray's")

    with monkeypatch.context() as broken:
        broken.setattr(owner, method, fail)
        complete(study(tmp_path / "out", 2), 2)
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("hypertune: ")]
    if method != "checkpoint":  # which Ray catches itself
        assert len(told) == 1
        assert "RuntimeError: a bug of Ray's (after the last trial, nothing is lost" in told[0]
        assert "a bug of Ray's" in (tmp_path / "out" / "sweeps" / "ray_error.txt").read_text()
    complete(study(tmp_path / "again", 2), 2)  # and the workers are free again


@pytest.mark.usefixtures("local_ray")
def test_what_ray_raises_in_the_midst_leaves_something_resumable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = TuneController.step
    journal = tmp_path / "out" / "sweeps" / "journal.jsonl"

    def step(self: Any) -> None:
        if b'"event": "epoch"' in journal.read_bytes():
            raise OSError("no more")
        steps(self)

    with monkeypatch.context() as broken:
        broken.setattr(TuneController, "step", step)
        result = study(tmp_path / "out", 40)
    assert result.interrupted
    assert "OSError: no more (everything reported so far is recorded" in capfd.readouterr().err
    complete(study(tmp_path / "out", 40, resume=True), 40)


@pytest.mark.usefixtures("local_ray")
def test_what_ray_raises_before_the_first_trial_is_wrong_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any) -> None:
        raise TypeError("cannot be run")

    monkeypatch.setattr(TuneController, "step", fail)
    with pytest.raises(
        ValueError, match="^Ray Tune failed with TypeError: cannot be run; nothing has been run$"
    ) as told:
        study(tmp_path / "out", 2)
    assert isinstance(told.value.__cause__, TypeError)
    assert not (tmp_path / "out").exists()


@SLOW
def test_a_script_whose_ray_has_died_goes_on_with_another_ray(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.integration.revived", str(tmp_path / "out")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Ray died while the study was running (gcs_server)" in done.stderr


def processes(driver: subprocess.Popen[str], *names: str) -> list[psutil.Process]:
    children = psutil.Process(driver.pid).children(recursive=True)
    return [child for child in children if any(name in child.name() for name in names)]


@pytest.mark.parametrize(
    "what", [pytest.param("group", marks=SLOW), pytest.param("all", marks=SLOW), pytest.param("gcs_server", marks=SLOW),
             pytest.param("raylet", marks=SLOW)]
)  # fmt: skip
def test_a_study_whose_processes_are_killed_ends_soon_and_resumes(tmp_path: Path, what: str) -> None:
    out = tmp_path / "out"
    driver = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.killed", str(out)],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    wait_for_epochs(out, 20, driver)
    if what == "group":  # as `timeout` and shells do
        os.killpg(driver.pid, signal.SIGTERM)
    elif what == "all":  # as systemd and batch systems do
        for process in [*psutil.Process(driver.pid).children(recursive=True), psutil.Process(driver.pid)]:
            process.send_signal(signal.SIGTERM)
    else:
        for process in processes(driver, what):
            process.kill()
    killed_at = time.monotonic()
    output, _ = driver.communicate(timeout=120)
    took = time.monotonic() - killed_at
    assert driver.returncode == 130, output
    assert took < 30, output  # ten seconds on a machine that is not busy; Ray itself would take sixty
    assert "Failed to connect to GCS" not in output
    assert ("Ray died while the study was running" in output) == (what != "group")
    left = len(records.read(out).curves)
    code, output = finish(out, "resume")
    assert code == 0, output
    resumed = records.read(out)
    assert len(resumed.curves) == 120 >= left
    assert resumed.sweeps["finished"].all()


STUDY = """
[study]
name = "long_epochs"
strategies = ["random"]
seeds = 1
budget = { trials = 2 }
metric = "score"
mode = "max"
[training]
trainable = "tests.integration.trainables:LongEpochs"
max_epochs = 2
[training.config]
seconds = %d
[space]
lr = { loguniform = [1e-4, 1e-1] }
"""


@pytest.mark.parametrize(
    ("when", "times", "seconds"),
    [
        ("sweeps/journal.jsonl", 1, 600),
        pytest.param("sweeps/journal.jsonl", 2, 600, marks=SLOW),
        pytest.param("sweeps/journal.jsonl", 10, 600, marks=SLOW),
        pytest.param("study.toml", 1, 0, marks=SLOW),
        ("gcs_server", 1, 0),  # Ray is starting
        pytest.param("comparison.csv", 1, 0, marks=SLOW),  # the report is being written
    ],
)
def test_a_command_whose_process_group_is_told_to_end_ends_soon(
    tmp_path: Path, when: str, times: int, seconds: int
) -> None:
    out, file = tmp_path / "out", tmp_path / "study.toml"
    file.write_text(STUDY % seconds)
    driver = subprocess.Popen(
        [sys.executable, "-m", "hypertune", "compare", str(file), "--out", str(out)],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    wait_until(lambda: has_come(when, out, driver), driver)
    ray = processes(driver, "")
    for _ in range(times):
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGTERM)
        time.sleep(0.2)
    killed_at = time.monotonic()
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 130, output
    assert time.monotonic() - killed_at < 30, output  # below ten seconds on a machine that is not busy
    assert "Traceback" not in output
    assert "Interrupted" in output
    if when in ("study.toml", "gcs_server"):
        assert "before anything was recorded" in output
        return
    assert len(records.read(out).curves) >= 1
    assert not psutil.wait_procs(ray, timeout=30)[1], "orphans"
    if seconds == 0:
        command = [sys.executable, "-m", "hypertune", "compare", "--resume", str(out)]
        subprocess.run(command, env=ENVIRONMENT, check=True, timeout=200, stdout=subprocess.DEVNULL)
        assert (out / "report.html").stat().st_size > 0


def has_come(when: str, out: Path, driver: subprocess.Popen[str]) -> bool:
    if when == "gcs_server":
        return bool(processes(driver, when))
    return (out / when).exists() and (
        when != "sweeps/journal.jsonl" or b'"event": "epoch"' in (out / when).read_bytes()
    )


def wait_until(happened: Callable[[], bool], driver: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while not happened():
        assert driver.poll() is None, f"ended early: {driver.communicate()[0]}"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_settings_hold_where_ray_was_imported_first() -> None:
    """Under `uv run`, Ray's hook would start each worker through it; the setting is read as Ray is imported."""
    script = (
        "import ray; from ray._private import ray_constants, worker\n"
        "assert ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV\n"
        "from hypertune.tuning.connect import prepare_environment; prepare_environment()\n"
        "from ray._private.runtime_env import uv_runtime_env_hook as hook\n"
        "hook._get_uv_run_cmdline = lambda: ['uv', 'run', 'x.py']\n"
        "assert worker._maybe_modify_runtime_env({}, False) == {}\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != connect.UV_HOOK}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


UNDER_UV = """
from ray import tune
import ray
{first}
from hypertune import compare

def train(config):
    import os, sys
    parent = open(f"/proc/{{os.getppid()}}/cmdline").read().split("\\0")[0]
    tune.report({{"loss": config["lr"], "direct": float(parent.endswith("raylet")),
                 "kept": float(not sys.dont_write_bytecode)}})

if __name__ == "__main__":
    result = compare(trainable=train, space={{"lr": tune.loguniform(1e-4, 1e-1)}}, strategies=["random"], seeds=1,
                     metric="loss", mode="min", max_epochs=1, budget={{"trials": 2}}, out={out!r})
    assert list(result.curves["direct"]) == list(result.curves["kept"]) == [1, 1], result.curves
"""


@SLOW
@pytest.mark.parametrize("first", ["", "ray.init(num_cpus=2, log_to_driver=False)"])
def test_workers_do_not_start_through_uv_where_ray_came_first(tmp_path: Path, first: str) -> None:
    if shutil.which("uv") is None:
        pytest.skip("needs uv")
    script = tmp_path / "script.py"
    script.write_text(UNDER_UV.format(first=first, out=str(tmp_path / "out")))
    environment = {**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop(connect.UV_HOOK, None)
    command = ["uv", "run", "--no-sync", "python", str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
