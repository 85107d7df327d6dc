"""Studies on a cluster whose nodes an autoscaler starts and ends: real nodes, by Ray's own provider for tests.

`python -m tests.integration.growing SCENARIO OUT`; the last line printed is JSON about what was seen.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import ray

from hypertune.records import records
from hypertune.records.records import Event
from hypertune.storage.files import JOURNAL
from hypertune.tuning import connect
from tests.integration import clustered, trainables
from tests.integration.clustered import After, Facts, free_port, kill_tree

PROVIDER = "tests.integration.cloud.Cloud"
HEAD, WORKER = "ray.head.default", "cpu"
HEAD_ID = "f" * 51 + "00000"
VERSION_2 = {
    "RAY_enable_autoscaler_v2": "1", "RAY_CLOUD_INSTANCE_ID": HEAD_ID, "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
    "RAY_NODE_TYPE_NAME": HEAD,
}  # fmt: skip
"""What makes the autoscaler the one of KubeRay; the rest is what KubeRay and `ray up` tell a head about itself."""
WIDE = """
[study]
name = "wide"
strategies = ["random"]
budget = { trials = 2 }
metric = "valid_loss"
mode = "min"
[training]
trainable = "mlp"
dataset = "digits"
[resources]
cpus_per_trial = 2
[space]
lr = { loguniform = [1e-3, 1e-1] }
"""
EMPTY = {
    "auth": {}, "file_mounts": {}, "cluster_synced_files": [], "file_mounts_sync_continuously": False,
    "rsync_exclude": [], "rsync_filter": [], "setup_commands": [], "initialization_commands": [],
    "head_setup_commands": [], "worker_setup_commands": [], "head_start_ray_commands": [],
    "worker_start_ray_commands": [],
}  # fmt: skip


def config(port: int, least: int, most: int, idle_s: float) -> dict[str, Any]:
    """A head without CPUs, and from `least` to `most` nodes of one CPU, which end when idle for `idle_s`."""
    provider = {
        "type": "external", "module": PROVIDER, "gcs_address": f"{ray.util.get_node_ip_address()}:{port}",
        "launch_multiple": True, "head_node_id": HEAD_ID, "use_node_id_as_ip": True, "disable_node_updaters": True,
        "disable_launch_config_check": True,
    }  # fmt: skip
    kinds = {
        HEAD: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        WORKER: {"resources": {"CPU": 1}, "node_config": {}, "min_workers": least, "max_workers": most},
    }
    return {
        **EMPTY, "cluster_name": "growing", "provider": provider, "available_node_types": kinds, "max_workers": most,
        "head_node_type": HEAD, "upscaling_speed": 10, "idle_timeout_minutes": idle_s / 60,
    }  # fmt: skip


@contextlib.contextmanager
def autoscaling(*, least: int, most: int, idle_s: float = 600, version: int = 1) -> Iterator[str]:
    """The address of such a cluster, with that version of Ray's autoscaler; all of its processes end with the block."""
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="ht_", dir="/tmp"))
    (folder / "cluster.json").write_text(json.dumps(config(port, least, most, idle_s)))
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=0"]
    places = [f"--port={port}", f"--temp-dir={folder}", "--include-dashboard=false"]
    environment = {**os.environ, "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1"}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2])}  # of the provider, for the autoscaler's process
    environment |= VERSION_2 if version == 2 else {}
    grows = f"--autoscaling-config={folder / 'cluster.json'}"
    told = folder / "head.log"
    with told.open("w") as log:
        head = subprocess.Popen([*command, *places, grows], env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(lambda: "Ray runtime started" in told.read_text(), "the head did not come up")
        yield f"127.0.0.1:{port}"
    finally:
        kill_tree(head.pid)
        head.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(happened: Callable[[], bool], otherwise: str, seconds: float = 100) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.5)


class Seen:
    """An observer that keeps how many workers there were, and what was waited for."""

    def __init__(self) -> None:
        self.workers: list[int] = []
        self.waited = ""

    def __call__(self, event: Event) -> None:
        if event["event"] in ("connected", "sweep", "workers"):
            self.workers.append(event["workers"])
        if event["event"] == "waiting":
            self.waited = event["told"]


def run(address: str, out: Path, *observers: Callable[[Event], None], **changes: Any) -> Facts:
    seen = Seen()
    space = {"lr": clustered.tune.loguniform(1e-4, 1e-1), "width": clustered.tune.randint(1, 9), "sleep": 0.5}
    result = clustered.run(
        None, out, **{"address": address, "space": space, "observers": (seen, *observers), **changes}
    )
    ledger = result.records.sweeps
    return {
        **clustered.seen(result), "workers": seen.workers, "waited": seen.waited,
        "mean": [float(mean) for mean in ledger["workers"]],
        "offered_s": [float(s) for s in ledger["workers"] * ledger["wall_s"]],
        "accounted_s": [float(s) for s in ledger["busy_s"] + ledger["idle_s"]],
    }  # fmt: skip


def nodes() -> int:
    return len(connect.alive_nodes()) - 1  # without the head


def grows(out: Path) -> Facts:
    """From one node to three during the study, and back to one after it."""
    with autoscaling(least=1, most=3, idle_s=5) as address:
        connect.connect(address)
        _wait_for(lambda: nodes() == 1, "the first node did not come up")
        facts = run(address, out, budget={"trials": 30})
        _wait_for(lambda: nodes() == 1, "the nodes have not been let go of", 120)
        return facts


def from_zero(out: Path, version: int = 1) -> Facts:
    """A cluster without any node that can run a trial; at most two of the four that there may be are asked for."""
    with autoscaling(least=0, most=4, version=version) as address:
        return run(address, out, resources={"max_workers": 2})


def unmet(out: Path) -> Facts:
    """A study that asks for more CPUs than any node has waits for one; Ctrl-C ends it."""
    with autoscaling(least=0, most=1) as address:
        study = out.with_suffix(".toml")
        study.write_text(WIDE)
        command = [sys.executable, "-m", "hypertune", "compare", str(study), "--address", address, "--out", str(out)]
        driver = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip
        told: list[str] = []
        for line in driver.stdout or ():
            told.append(line)
            if "waiting for one with" in line:
                os.killpg(driver.pid, signal.SIGINT)
        return {"told": " ".join("".join(told).split()), "code": driver.wait(60)}


def preempted(out: Path) -> Facts:
    """One of two nodes is killed in the middle of the study; the autoscaler brings another."""
    with autoscaling(least=0, most=2) as address:

        def kill() -> None:
            raylets = [one for one in psutil.process_iter(["name"]) if one.info["name"] == "raylet"]
            of_ours = [one for one in raylets if any(address.split(":")[1] in part for part in one.cmdline())]
            workers = [one for one in of_ours if not any("--head" in part for part in one.cmdline())]
            kill_tree(max(workers, key=lambda one: one.create_time()).pid)

        return run(address, out, After(40, kill), budget={"trials": 24})


def driver_killed(out: Path) -> Facts:
    """A driver is killed on a cluster that came up for it; its nodes are let go of, and others come for the next."""
    with autoscaling(least=0, most=2, idle_s=5) as address:
        command = [sys.executable, "-m", "tests.integration.growing", "joins", str(out)]
        driver = subprocess.Popen(command, env={**os.environ, "CLUSTER": address}, stdout=subprocess.DEVNULL)
        journal = out / JOURNAL
        _wait_for(lambda: journal.exists() and journal.read_bytes().count(b'"event": "epoch"') > 4, "no epochs")
        driver.kill()
        driver.wait()
        known = len(records.read(out).curves)
        connect.connect(address)
        _wait_for(lambda: nodes() == 0, "the nodes have not been let go of", 120)
        facts = run(address, out, resources={"max_workers": 1}, budget={"trials": 4}, resume=True)
        return {**facts, "known": known}


def stumbling(config: dict[str, Any]) -> None:
    """Each trial's process is killed once, before its third step."""
    marker = Path(config["marks"], f"{config['lr']:.9f}")

    def stumble(step: int) -> None:
        if step == 3 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    trainables.checkpointing(config, before=stumble, on_node=clustered.here())


def workers_killed(out: Path) -> Facts:
    """Every worker dies once, on nodes that came for the study."""
    marks = out.with_name("marks")
    marks.mkdir()
    space = {"lr": clustered.tune.loguniform(1e-4, 1e-1), "width": clustered.tune.randint(1, 9), "marks": str(marks)}
    with autoscaling(least=0, most=2) as address:
        facts = run(address, out, trainable=stumbling, space=space, budget={"trials": 6})
        return {**facts, "killed": len(list(marks.iterdir()))}


def shared(out: Path) -> Facts:
    """Two studies at once on a cluster of at most two nodes, each with at most one worker."""
    with autoscaling(least=0, most=2) as address:
        command = [sys.executable, "-m", "tests.integration.growing", "joins"]
        environment = {**os.environ, "CLUSTER": address}
        both = [
            subprocess.Popen([*command, str(out / name)], env=environment, stdout=subprocess.PIPE, text=True)
            for name in ("a", "b")
        ]
        told = [process.communicate(timeout=400)[0] for process in both]
        return {"studies": [json.loads(text.splitlines()[-1]) for text in told]}


def joins(out: Path) -> Facts:
    return run(os.environ["CLUSTER"], out, resources={"max_workers": 1}, budget={"trials": 4})


SCENARIOS: dict[str, Callable[[Path], Facts]] = {
    "grows": grows,
    "from_zero": from_zero,
    "from_zero_2": partial(from_zero, version=2),
    "unmet": unmet,
    "preempted": preempted,
    "driver_killed": driver_killed,
    "workers_killed": workers_killed,
    "shared": shared,
    "joins": joins,
}

if __name__ == "__main__":
    connect.prepare_environment()
    facts = SCENARIOS[sys.argv[1]](Path(sys.argv[2]))
    ray.shutdown()
    print(json.dumps(facts))
