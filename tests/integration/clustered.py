"""Runs studies on a Ray cluster of several nodes on this machine, as a process of its own, and does things to it.

`python -m tests.integration.clustered SCENARIO OUT`; the last line printed is JSON about what was seen.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import tune
from ray.cluster_utils import Cluster

from hypertune.api import Result, compare
from hypertune.records.records import Event
from hypertune.study.study import Study
from hypertune.training.trainable import MLP
from hypertune.tuning import connect
from tests.integration import trainables

Facts = dict[str, Any]
SPACE = {"lr": tune.loguniform(1e-4, 1e-1), "width": tune.randint(1, 9)}
DIGITS = """
[study]
name = "digits"
strategies = ["random"]
budget = { trials = 8 }
metric = "valid_loss"
mode = "min"
retrain = 0
[training]
trainable = "mlp"
dataset = "digits"
max_epochs = 2
[space]
lr = { loguniform = [1e-3, 1e-1] }
"""


def here() -> float:
    """The node this runs on, as a number that a metric can hold."""
    return float(int(ray.get_runtime_context().get_node_id()[-12:], 16))


def roaming(config: dict[str, Any]) -> None:
    """Says after each epoch which node it is on, and saves itself."""
    trainables.checkpointing(config, on_node=here())


def lingering(config: dict[str, Any]) -> None:
    """As `roaming`, and takes its time until the file `config["both"]` is there."""
    both = Path(config["both"])
    trainables.checkpointing(config, before=lambda step: time.sleep(0 if both.exists() else 1), on_node=here())


class Placed(MLP):
    """Says which node it is on, and which copy of the data it reads."""

    def step(self) -> dict[str, Any]:
        return {**super().step(), "on_node": here(), "copy": float(copy_of(self._data.images))}


def copy_of(array: np.ndarray[Any, Any]) -> int:
    """What tells one copy in shared memory from another: the file that is mapped there, and where in it; 0 if none."""
    address = array.__array_interface__["data"][0]
    for line in Path("/proc/self/maps").read_text().splitlines():
        found = re.match(r"(\w+)-(\w+) \S+ (\w+) \S+ (\d+)", line)
        assert found
        start, end, offset = (int(number, 16) for number in found.groups()[:3])
        if start <= address < end:
            return zlib.crc32(f"{found[4]} {offset + address - start}".encode()) if found[4] != "0" else 0
    return 0


def run(cluster: Cluster | None, out: Path, **changes: Any) -> Result:
    arguments: dict[str, Any] = {
        "trainable": roaming,
        "space": {**SPACE, "sleep": 0.2},
        "strategies": ["random"],
        "seeds": 1,
        "budget": {"trials": 8},
        "metric": "score",
        "mode": "max",
        "max_epochs": 9,
        "address": cluster.address if cluster else None,
        "out": out,
    }
    return compare(**{**arguments, **changes})


def seen(result: Result) -> Facts:
    curves = result.curves
    nodes = curves.groupby("trial_id")["on_node"].unique().map(list).to_dict()
    return {"nodes": nodes, "status": sorted(set(result.trials["status"])), "epochs": len(curves)}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def number_of(node: Any) -> float:
    return float(int(node.node_id[-12:], 16))


def placement(out: Path) -> Facts:
    """Three nodes of two processors, one of which has a (pretended) GPU; the head runs no trials."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    plain = [cluster.add_node(num_cpus=2) for _ in range(2)]
    gpu = cluster.add_node(num_cpus=2, num_gpus=1)
    cluster.wait_for_nodes()
    digits = compare(Study.parse(tomllib.loads(DIGITS)), trainable=Placed, address=cluster.address, out=out / "digits")
    copies = digits.curves.groupby("on_node")["copy"].unique().map(list)
    gpus = run(cluster, out / "gpu", resources={"cpus_per_trial": 1, "gpus_per_trial": 1}, budget={"trials": 3})
    cpus = run(cluster, out / "cpu", resources={"cpus_per_trial": 2, "trials_per_gpu": 0}, budget={"trials": 2})
    return {
        "plain": [number_of(node) for node in plain],
        "gpu": number_of(gpu),
        "workers": int(digits.records.sweeps["workers"].iloc[0]),
        "copies": {str(node): found for node, found in copies.items()},
        "digits": seen(digits),
        "on_gpu": seen(gpus),
        "on_cpu": seen(cpus),
    }


class After:
    """An observer that does something once `count` epochs have been recorded."""

    def __init__(self, count: int, act: Callable[[], None]) -> None:
        self.left, self.act = count, act

    def __call__(self, event: Event) -> None:
        self.left -= event["event"] == "epoch"
        if event["event"] == "epoch" and self.left == 0:
            self.act()


class BothUsed:
    """An observer that creates a file once epochs from two nodes have been recorded."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.nodes: set[float] = set()

    def __call__(self, event: Event) -> None:
        if event["event"] == "epoch" and len(self.nodes) < 2:
            self.nodes.add(event["metrics"]["on_node"])
            if len(self.nodes) == 2:
                self.file.touch()


def kill_tree(pid: int) -> None:
    """Ends a process and all that it has started, as when the power goes: left to themselves Ray's workers notice only
    seconds later that their node is gone."""
    children = [task.joinpath("children").read_text().split() for task in Path(f"/proc/{pid}/task").iterdir()]
    os.kill(pid, signal.SIGKILL)
    for child in (int(number) for found in children for number in found):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            kill_tree(child)


def killed_node(out: Path, *, replaced: bool) -> Facts:
    """One of two nodes is killed in the middle of the sweep, and replaced or not."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    first, _ = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()

    def kill() -> None:
        kill_tree(first.all_processes["raylet"][0].process.pid)
        cluster.remove_node(first, allow_graceful=False)
        if replaced:
            cluster.add_node(num_cpus=1)

    return seen(run(cluster, out, observers=(After(12, kill),)))


def busy(out: Path) -> Facts:
    """Something else holds one of the two nodes' processors when the study starts."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    connect.connect(cluster.address)

    @ray.remote(num_cpus=1)
    class Other:
        def up(self) -> bool:
            return True

    other = Other.remote()  # type: ignore[attr-defined]
    ray.get(other.up.remote())
    return seen(run(cluster, out, budget={"trials": 2}))


def labelled(out: Path) -> Facts:
    """Two nodes, one of which has the study's label."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    part = cluster.add_node(num_cpus=1, labels={"team": "vision"})
    cluster.add_node(num_cpus=1, labels={"team": "speech"})
    cluster.wait_for_nodes()
    result = run(cluster, out, budget={"trials": 3}, resources={"node_labels": {"team": "vision"}})
    return {**seen(result), "part": number_of(part), "workers": int(result.records.sweeps["workers"].iloc[0])}


def joined(out: Path) -> Facts:
    """A second node joins in the middle of the study, without an autoscaler. On a busy machine it takes its time, so
    the study waits for it."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    joining, both = After(6, lambda: cluster.add_node(num_cpus=1, wait=False)), out.parent / "both"
    result = run(
        cluster, out, trainable=lingering, space={**SPACE, "both": str(both)}, observers=(joining, BothUsed(both)),
        budget={"trials": 40},
    )  # fmt: skip
    return {**seen(result), "workers": float(result.records.sweeps["workers"].iloc[0])}


def blind(out: Path) -> Facts:
    """A second node joins that does not see the output folder: another file system lies over it there."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    ray_ = shlex.quote(str(Path(sys.executable).with_name("ray")))
    hidden = f"mount -t tmpfs tmpfs {shlex.quote(str(out.parent))}"
    node = f"exec {ray_} start --address={cluster.address} --num-cpus=1 --block"
    nodes: list[subprocess.Popen[bytes]] = []

    def join() -> None:
        command = ["unshare", "--mount", "sh", "-c", f"{hidden} && {node}"]
        nodes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    try:
        run(cluster, out, observers=(After(6, join),), budget={"trials": 400})
    except ValueError as error:
        return {"error": str(error)}
    finally:
        for one in nodes:
            kill_tree(one.pid)
    return {"error": None}


def join(out: Path) -> Facts:
    """Joins the cluster at `$CLUSTER`, and resumes the study if there is one."""
    return seen(run(None, out, address=os.environ["CLUSTER"], resume=(out / "study.toml").exists()))


SCENARIOS: dict[str, Callable[[Path], Facts]] = {
    "placement": placement,
    "killed": lambda out: killed_node(out, replaced=False),
    "replaced": lambda out: killed_node(out, replaced=True),
    "busy": busy,
    "labelled": labelled,
    "joined": joined,
    "blind": blind,
    "join": join,
}

if __name__ == "__main__":
    connect.prepare_environment()
    facts = SCENARIOS[sys.argv[1]](Path(sys.argv[2]))
    ray.shutdown()
    print(json.dumps(facts))
