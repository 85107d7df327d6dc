"""Connects to a Ray cluster: a running one by its address, or one started on this machine."""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypertune.records.provenance import machine
from hypertune.storage.workspace import tell_user
from hypertune.study.file import Resources
from hypertune.tuning.ray_internals import (
    any_agent_port,
    dashboard,
    in_a_group_of_its_own,
    our_sigterm,
    set_uv_hook,
)
from hypertune.tuning.token import make_token

LOCALHOST = "127.0.0.1"
REACHABLE_S = 10.0
ZERO = "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
UV_HOOK = "RAY_ENABLE_UV_RUN_RUNTIME_ENV"
QUIET = {
    # Our records replace Ray Tune's JSON, CSV and TensorBoard files, which halve the trial rate.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # A resumed study is rebuilt from the journal; Ray's own snapshots of the experiment are never read.
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1000000000",
    # Its older output engine is the one that can be silent.
    "RAY_AIR_NEW_OUTPUT": "0",
    ZERO: "0",
    # Under `uv run` Ray would copy the current folder and make a whole environment in it for each study's workers.
    UV_HOOK: "0",
}
"""Ray's settings, set only where the user has not set them."""


def prepare_environment() -> None:
    """Sets Ray's settings, and lets Python keep what it compiles.

    Containers often forbid that, to keep an image small; every one of Ray's processes would then compile torch's and
    Ray's sources anew, which doubles and trebles its start (5.6 s of imports instead of 2.3 s).

    It holds where Ray has been imported already, too: of these settings Ray reads one as it is imported.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    constants = sys.modules.get("ray._private.ray_constants")
    if constants is not None:
        set_uv_hook(constants, os.environ[UV_HOOK].lower() in ("1", "true"))
    os.environ.pop(NO_BYTECODE, None)
    sys.dont_write_bytecode = False


def connect(
    address: str | None, dashboard_host: str | None = None, *, metadata: dict[str, str] | None = None
) -> str | None:
    """Joins the cluster at `address` (`auto`, `HOST:PORT`), or starts Ray here; returns the dashboard's URL.

    A Ray that is started here asks for a token, and its dashboard listens on this machine alone unless `dashboard_host`
    names another address.

    Args:
        metadata: what the dashboard's page of jobs shows of this one.

    Raises:
        ValueError: if no cluster answers at `address`, or if a dashboard that others reach would ask for no token.
    """
    prepare_environment()
    _check_closed(address, dashboard_host)
    import ray
    from ray.job_config import JobConfig

    if ray.is_initialized():
        _tell_what_stays()
    else:
        _check_reachable(address)
        try:
            with any_agent_port(), in_a_group_of_its_own(), our_sigterm():
                ray.init(
                    address=address or "local",
                    job_config=JobConfig(metadata=metadata),
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    include_dashboard=None if address else True,
                    dashboard_host=dashboard_host or LOCALHOST,
                )
        except Exception as error:  # noqa: BLE001 -- Ray raises bare exceptions where one of its processes does not start
            raise ValueError(_no_ray(address, error)) from None
    for name in ("ray.tune", "ray.train", "ray"):
        logging.getLogger(name).setLevel(logging.CRITICAL if name != "ray" else logging.ERROR)
    url = dashboard()
    return f"http://{url}" if url else None


def worker_environment() -> dict[str, str]:
    """What of these settings a worker reads itself, which has those of its node otherwise; an empty one is unset."""
    return {ZERO: os.environ.get(ZERO, QUIET[ZERO]), NO_BYTECODE: ""}


def starts_through_uv() -> bool:
    """Whether Ray was initialised under `uv run` before hypertune had a say, so that its hook starts every worker."""
    import ray

    wanted = os.environ.get(UV_HOOK, "1").lower() in ("1", "true")
    command = (ray.get_runtime_context().runtime_env.get("py_executable") or "").split()
    return bool(command) and Path(command[0]).name == "uv" and not wanted


def alive_nodes() -> list[dict[str, Any]]:
    """The nodes of the connected cluster, as Ray describes them."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _tell_what_stays() -> None:
    """Says what a Ray that was initialised before hypertune had a say keeps doing."""
    if starts_through_uv() and len(alive_nodes()) > 1:
        tell_user(
            "Ray was initialised before hypertune, under `uv run`: each worker starts through that and may build the "
            f"project anew; set {UV_HOOK}=0 before Ray is imported, or leave ray.init to hypertune"
        )


def _no_ray(address: str | None, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if address:
        return f"--address {address}: no Ray cluster answers there ({reason})"
    logs = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "session_latest" / "logs"
    return f"Ray did not start on this machine ({reason}); its logs are in {logs}, and trying again often helps"


def _check_reachable(address: str | None) -> None:
    """Finds out in seconds what Ray finds out in minutes.

    Raises:
        ValueError: for an address of Ray Client, and for one at which nothing listens.
    """
    given = address
    if address == "auto":
        given = os.environ.get("RAY_ADDRESS") or None
    if given is None or given == "local":
        return
    named = f"--address {address}" + (f": RAY_ADDRESS={given}" if given != address else "")
    if given.startswith("ray://"):
        raise ValueError(
            f"{named}: Ray Client is not supported, since Ray Tune does not run through it; give HOST:6379 on a "
            "machine of the cluster, or send the study there: hypertune submit STUDY --address http://HOST:8265"
        )
    host, _, port = given.rpartition(":")
    if not host or not port.isdigit():
        return  # whatever Ray makes of it
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACHABLE_S).close()
    except socket.gaierror:
        return  # a name that only Ray's own resolver may know
    except (OSError, OverflowError) as error:
        raise ValueError(f"{named}: no Ray cluster answers there ({error})") from None


def _check_closed(address: str | None, dashboard_host: str | None) -> None:
    if address and dashboard_host:
        raise ValueError(f"--dashboard-host: is of a Ray that starts here; the one at {address} has its own")
    token = os.environ.get("RAY_AUTH_MODE", "token").lower() != "disabled"
    if not token and dashboard_host not in (None, LOCALHOST, "localhost", "::1"):
        raise ValueError(
            f"--dashboard-host {dashboard_host}: whoever reaches it could run code here, since RAY_AUTH_MODE=disabled; "
            "unset that, and Ray asks for a token"
        )
    if token and not address:
        make_token()


def unseen(folder: Path, nodes: Iterable[dict[str, Any]]) -> list[str]:
    """Addresses of those of the nodes on which `folder` is not there."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    @ray.remote(num_cpus=0)
    def sees(path: str) -> bool:
        import os

        return os.path.isdir(path)

    alive = [node for node in nodes if node["Alive"]]
    answers = [
        sees.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(str(folder))
        for node in alive
    ]
    seen = ray.get(answers)
    return [node["NodeManagerAddress"] for node, there in zip(alive, seen, strict=True) if not there]


def check_shared(folder: Path) -> None:
    """Checks that every node of the connected cluster sees the output folder, where checkpoints are written from all.

    Raises:
        ValueError: naming a node that does not.
    """
    nodes = alive_nodes()
    missing = unseen(folder.resolve(), nodes) if len(nodes) > 1 else []
    if missing:
        raise ValueError(
            f"--out {folder}: {len(missing)} of {len(nodes)} nodes do not see it, e.g. {missing[0]}; give a folder "
            "that all of them mount, or a URL such as s3://bucket/path"
        )


def workers(resources: Resources) -> int:
    """How many trials the cluster can run at the same time.

    Raises:
        ValueError: if not a single one fits on any node, naming what is short.
    """
    nodes = [node["Resources"] for node in alive_nodes()]
    fitting = sum(fit(node, resources) for node in nodes)
    if fitting:
        return fitting
    for key, name, asked in (
        ("gpus_per_trial", "GPU", resources.gpus_per_trial),
        ("cpus_per_trial", "CPU", resources.cpus_per_trial),
    ):
        most = max((node.get(name, 0) for node in nodes), default=0)
        if asked > most:
            raise ValueError(f"resources.{key}: {asked:g} asked for, but no node of the cluster has more than {most:g}")
    raise ValueError("resources: no node of the cluster has both the CPUs and the GPUs that one trial asks for")


def fit(node: dict[str, Any], resources: Resources) -> int:
    """How many trials a node with these resources can run at the same time."""
    shares = [
        float(node.get(name, 0)) / asked
        for name, asked in (("CPU", resources.cpus_per_trial), ("GPU", resources.gpus_per_trial))
        if asked
    ]
    return math.floor(min(shares) + 1e-9)


def hardware() -> dict[str, Any]:
    """This machine, and what the connected cluster has in all."""
    import ray

    total = ray.cluster_resources()
    return {
        **machine(),
        "cluster_nodes": sum(node["Alive"] for node in ray.nodes()),
        "cluster_cpus": total.get("CPU", 0),
        "cluster_gpus": total.get("GPU", 0),
        "cluster_memory_gib": round(total.get("memory", 0) / 2**30, 1),
        "accelerators": sorted(key.split(":", 1)[1] for key in total if key.startswith("accelerator_type:")),
    }
