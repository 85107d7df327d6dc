"""Several real Ray nodes, each with its own processes and its own shared memory, on this machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hypertune.records import records
from tests.integration.clustered import free_port, kill_tree
from tests.integration.test_resume import wait_for_epochs

pytestmark = pytest.mark.slow
SAME = ["strategy", "seed", "trial_id", "status", "epochs", "best_epoch", "score", "config/lr", "config/width"]


def scenario(name: str, out: Path, module: str = "clustered") -> Any:
    """Runs it in a process of its own; the last line of its output is what it saw."""
    command = [sys.executable, "-m", f"tests.integration.{module}", name, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env={**os.environ}, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def placement(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return scenario("placement", tmp_path_factory.mktemp("placement"))


def used(facts: Any) -> set[float]:
    return {node for nodes in facts["nodes"].values() for node in nodes}


def test_trials_spread_over_all_nodes(placement: Any) -> None:
    assert placement["workers"] == 6
    assert used(placement["digits"]) == {*placement["plain"], placement["gpu"]}


def test_the_data_set_arrives_once_per_node(placement: Any) -> None:
    """Two trials train side by side on each node, and read the same shared memory."""
    copies = placement["copies"]
    assert len(copies) == 3
    assert all(len(found) == 1 and found[0] for found in copies.values()), copies


def test_trials_that_ask_for_a_gpu_go_where_one_is(placement: Any) -> None:
    assert used(placement["on_gpu"]) == {placement["gpu"]}
    assert placement["on_gpu"]["status"] == ["completed"]


def test_trials_that_need_none_leave_the_gpu_alone(placement: Any) -> None:
    assert used(placement["on_cpu"]) == set(placement["plain"])


@pytest.fixture(scope="module")
def undisturbed(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The trials of the same study on one quiet node."""
    from tests.integration import clustered

    out = tmp_path_factory.mktemp("undisturbed") / "out"
    clustered.run(None, out)
    return records.read(out).trials[SAME]


@pytest.mark.parametrize("what", ["killed", "replaced"])
def test_a_node_that_dies_loses_nothing(what: str, tmp_path: Path, undisturbed: pd.DataFrame) -> None:
    facts = scenario(what, tmp_path / "out")
    pd.testing.assert_frame_equal(records.read(tmp_path / "out").trials[SAME], undisturbed)
    assert any(len(nodes) == 2 for nodes in facts["nodes"].values()), "no trial went on on another node"
    assert facts["epochs"] == undisturbed["epochs"].sum()
    assert len(used(facts)) == (3 if what == "replaced" else 2)


def test_a_study_starts_on_what_others_leave_it(tmp_path: Path) -> None:
    facts = scenario("busy", tmp_path / "out")
    assert facts["status"] == ["completed"]
    sweep = records.read(tmp_path / "out").sweeps.iloc[0]
    assert sweep["workers"] == 2


def start_cluster(folder: Path, cpus: int, port: int) -> subprocess.Popen[bytes]:
    """A head node with its own processes, which all end with the one that is returned."""
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--num-cpus={cpus}"]
    places = [f"--port={port}", f"--temp-dir={folder}", "--include-dashboard=false"]
    return subprocess.Popen([*command, *places], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_study_whose_cluster_went_away_goes_on_when_the_head_is_back_with_more_processors(
    tmp_path: Path, undisturbed: pd.DataFrame
) -> None:
    out, port, folders = tmp_path / "out", free_port(), [Path(f"/tmp/ht_{os.getpid()}_{n}") for n in range(2)]
    environment = {**os.environ, "CLUSTER": f"127.0.0.1:{port}"}
    command = [sys.executable, "-m", "tests.integration.clustered", "join", str(out)]
    cluster = start_cluster(folders[0], 1, port)
    try:
        driver = start_when_up(command, environment)
        wait_for_epochs(out, 12, driver)
        kill_tree(cluster.pid)
        cluster.wait(60)
        output, _ = driver.communicate(timeout=400)
        assert driver.returncode != 0, output
        known = records.read(out)
        assert len(known.curves) >= 12

        cluster = start_cluster(folders[1], 3, port)
        driver = start_when_up(command, environment)
        output, _ = driver.communicate(timeout=400)
        assert driver.returncode == 0, output
        resumed = records.read(out)
        pd.testing.assert_frame_equal(resumed.trials[SAME], undisturbed)
        assert not resumed.curves.duplicated(["trial_id", "epoch"]).any()
        assert resumed.provenance["workers"] == 3
    finally:
        cluster.terminate()
        cluster.wait(60)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def start_when_up(command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    """Starts a driver once something answers at the cluster's port."""
    host, port = environment["CLUSTER"].split(":")
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                break
        time.sleep(0.5)
    time.sleep(5)  # the node itself follows the port
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
