"""Connects to a running Ray cluster by its address, or starts one on this machine."""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from hypertune.records.provenance import machine
from hypertune.storage.telling import tell_user
from hypertune.study.file import Resources
from hypertune.tuning.ray_internals import (
    any_agent_port,
    as_it_asks,
    dashboard,
    for_this_machine,
    in_a_group_of_its_own,
    our_sigterm,
    set_uv_hook,
)
from hypertune.tuning.ray_names import AUTHENTICATION
from hypertune.tuning.token import make_token

LOCALHOST = "127.0.0.1"
NEAR = (None, LOCALHOST, "localhost", "::1")
"""Hosts of a dashboard that only this machine reaches."""
REACHABLE_S = 10.0
ZERO = "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
UV_HOOK = "RAY_ENABLE_UV_RUN_RUNTIME_ENV"
QUIET = {
    # Our records replace Ray Tune's JSON, CSV and TensorBoard files, which halve the trial rate.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # A resume rebuilds the study from the journal; Ray's snapshots of the experiment are never read.
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1000000000",
    # Only Ray's older output engine can be silenced.
    "RAY_AIR_NEW_OUTPUT": "0",
    ZERO: "0",
    # Under `uv run` Ray would copy the current folder and build an environment in it for each study's workers.
    UV_HOOK: "0",
}
"""Settings of Ray that are set unless the user has set them."""


def prepare_environment() -> None:
    """Applies our settings of Ray, and enables Python's bytecode cache.

    Containers often disable that cache to keep images small. Each of Ray's processes would then compile torch's and
    Ray's sources again, which more than doubles its start (5.6 s of imports instead of 2.3 s).

    Also works after Ray has been imported, although Ray reads one of these settings at import.
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

    A local Ray asks for a token, and all of its ports can be reached from this machine only, unless `dashboard_host` is
    another address.

    Args:
        metadata: facts to show on the dashboard's page of jobs.

    Raises:
        ValueError: if no cluster answers at `address`, or if a reachable dashboard would not ask for a token.
    """
    prepare_environment()
    _check_closed(address, dashboard_host)
    import ray
    from ray.job_config import JobConfig

    if ray.is_initialized():
        _tell_what_stays()
    else:
        _check_reachable(address)
        if address:
            logging.getLogger(AUTHENTICATION).setLevel(logging.ERROR)  # it would warn of a token that is there
        try:
            alone = _only_here(address) if address else dashboard_host in NEAR
            near = for_this_machine() if alone else nullcontext()
            with as_it_asks(address), any_agent_port(), near, in_a_group_of_its_own(), our_sigterm():
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
    """The settings that workers read, who would otherwise have those of their node; an empty value unsets one."""
    return {ZERO: os.environ.get(ZERO, QUIET[ZERO]), NO_BYTECODE: ""}


def starts_through_uv() -> bool:
    """Whether Ray was initialised under `uv run` before hypertune, so that its hook starts every worker."""
    import ray

    wanted = os.environ.get(UV_HOOK, "1").lower() in ("1", "true")
    command = (ray.get_runtime_context().runtime_env.get("py_executable") or "").split()
    return bool(command) and Path(command[0]).name == "uv" and not wanted


def alive_nodes() -> list[dict[str, Any]]:
    """The live nodes of the connected cluster, as described by Ray."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def nodes_for(resources: Resources) -> list[dict[str, Any]]:
    """The live nodes on which the study's trials may run, those that have its labels."""
    wanted = resources.node_labels.items()
    return [node for node in alive_nodes() if wanted <= node.get("Labels", {}).items()]


def _tell_what_stays() -> None:
    """Warns about settings that can no longer be changed, since Ray was initialised before hypertune."""
    if starts_through_uv() and len(alive_nodes()) > 1:
        tell_user(
            "Ray was initialised before hypertune under `uv run`: each worker starts through uv and may rebuild the "
            f"project; set {UV_HOOK}=0 before Ray is imported, or leave ray.init to hypertune"
        )


def _no_ray(address: str | None, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if address:
        return f"--address {address}: no Ray cluster answers there ({reason})"
    logs = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "session_latest" / "logs"
    return f"Ray did not start on this machine ({reason}); its logs are in {logs}; trying again often helps"


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
    except (socket.gaierror, UnicodeError) as error:
        raise ValueError(f"{named}: no machine is known by the name {host} ({error})") from None
    except (OSError, OverflowError) as error:
        raise ValueError(f"{named}: no Ray cluster answers there ({error})") from None


def _only_here(address: str) -> bool:
    """Whether it is a Ray of this machine that does not listen on the machine's own address, where Ray would look."""
    import ray

    host, _, port = address.rpartition(":")
    if host not in NEAR or not port.isdigit():
        return False
    try:
        socket.create_connection((ray.util.get_node_ip_address(), int(port)), timeout=REACHABLE_S).close()
    except OSError:
        return True
    return False


def _check_closed(address: str | None, dashboard_host: str | None) -> None:
    if address and dashboard_host:
        raise ValueError(f"--dashboard-host: only for a Ray that starts here; the one at {address} has its own")
    token = os.environ.get("RAY_AUTH_MODE", "token").lower() != "disabled"
    if not token and dashboard_host not in NEAR:
        raise ValueError(
            f"--dashboard-host {dashboard_host}: anyone who reaches it could run code here, since "
            "RAY_AUTH_MODE=disabled; unset that, and Ray asks for a token"
        )
    if token and not address:
        make_token()


def check_room(resources: Resources) -> None:
    """For a cluster none of whose nodes can run even one trial.

    Raises:
        ValueError: naming the resource that is short.
    """
    alive = nodes_for(resources)
    if resources.node_labels and not alive:
        labels = ", ".join(f"{label}={value}" for label, value in resources.node_labels.items())
        raise ValueError(f"resources.node_labels: no node of the cluster has {labels}; see `ray list nodes --detail`")
    nodes = [node["Resources"] for node in alive]
    for key, name, asked in (
        ("gpus_per_trial", "GPU", resources.gpus_per_trial),
        ("cpus_per_trial", "CPU", resources.cpus_per_trial),
    ):
        most = max((node.get(name, 0) for node in nodes), default=0)
        if asked > most:
            raise ValueError(f"resources.{key}: {asked:g} asked for, but no node of the cluster has more than {most:g}")
    raise ValueError("resources: no node of the cluster has both the CPUs and the GPUs that one trial asks for")


def fit(node: dict[str, Any], resources: Resources) -> int:
    """The number of trials that a node with these resources can run at the same time."""
    shares = [
        float(node.get(name, 0)) / asked
        for name, asked in (("CPU", resources.cpus_per_trial), ("GPU", resources.gpus_per_trial))
        if asked
    ]
    return math.floor(min(shares) + 1e-9)


def hardware() -> dict[str, Any]:
    """This machine, and the total resources of the connected cluster."""
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
