"""All uses of Ray's private names: which, why, and what happens without them.

Private names may change in minor releases. All of them are in this file, as of Ray 2.60, so that only one file has to
be compared with a new release. `ray_names` lists them and looks for them when a study starts; each function copes
without them.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from hypertune.tuning.ray_names import AUTHENTICATION
from hypertune.tuning.token import wants_token

MODE = "RAY_AUTH_MODE"

# Ray's start ---------------------------------------------------------------------------------------------------------


def set_uv_hook(module: Any, enabled: bool) -> None:
    """Ray reads `RAY_ENABLE_UV_RUN_RUNTIME_ENV` as it is imported; where it has been, what counts is the constant in
    `module`, `ray._private.ray_constants` as `sys.modules` has it."""
    module.RAY_ENABLE_UV_RUN_RUNTIME_ENV = enabled


@contextmanager
def replaced(module: str, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Within the block, replaces a module's name by `make` of it; does nothing if the name does not exist."""
    try:
        owner: Any = import_module(module)
        before = getattr(owner, name)
    except (ImportError, AttributeError):
        yield
        return
    setattr(owner, name, make(before))
    try:
        yield
    finally:
        setattr(owner, name, before)


def any_agent_port() -> Any:
    """A context in which the agent of a Ray started here takes any free port.

    It would take one fixed port, as the agent of every other Ray here does, and without it tell the dashboard nothing.
    `ray start` has an option for it, `ray.init` has none (Ray's issues 27736 and 37229).
    """
    return replaced(
        "ray._private.parameter", "RayParams", lambda params: partial(params, dashboard_agent_listen_port=0)
    )


def for_this_machine() -> Any:
    """A context in which a Ray that starts here has the address 127.0.0.1, as on Windows and macOS, so that nobody
    reaches its ports from elsewhere, of which that of the metrics asks for no token."""
    return replaced("ray._private.ray_constants", "ENABLE_RAY_CLUSTER", lambda enabled: False)


def in_a_group_of_its_own() -> Any:
    """A context in which a Ray that starts here is out of reach of signals to this process's group: `timeout`, a shell
    and many a batch system send it SIGTERM. Ray's processes, which heed it, would be gone before the study has ended.
    They still die when this process does: Ray asks the kernel for that."""
    return replaced("ray._private.services", "ConsolePopen", lambda popen: partial(popen, process_group=0))


def our_sigterm() -> Any:
    """A context in which Ray does not replace our SIGTERM handler; Ray's own would exit with code 15."""
    kept = callable(signal.getsignal(signal.SIGTERM))
    return replaced(
        "ray._private.utils", "set_sigterm_handler", lambda setter: (lambda handler: None) if kept else setter
    )


@contextmanager
def as_it_asks(address: str | None) -> Iterator[None]:
    """A context in which Ray sends this user's token to a cluster at `HOST:PORT` or `auto` if that asks for one.

    By itself Ray never does for the first, and for the second whenever there is a token. But a driver that sends one
    expects one, and takes no call of a cluster that runs without: all its actors die before they have begun.
    """
    if address == "auto":
        found = getattr(import_module("ray._private.utils"), "read_ray_address", lambda: None)
        address = os.environ.get("RAY_ADDRESS") or found()
    if not address or address == "local" or MODE in os.environ:
        yield
        return
    if wants_token(address):
        getattr(import_module(AUTHENTICATION), "maybe_enable_token_auth_if_token_available", lambda warns: None)(False)
        yield
        return
    os.environ[MODE] = "disabled"
    try:
        yield
    finally:
        del os.environ[MODE]


def cpus_here() -> int:
    """The number of CPUs that Ray would find on this machine; in a container, those that it may use."""
    count = getattr(import_module("ray._private.utils"), "get_num_cpus", os.cpu_count)
    return int(count() or 1)


def most_captured() -> int:
    """Bytes that Ray sends of a trainable and what it captures."""
    return int(getattr(import_module("ray._private.ray_constants"), "FUNCTION_SIZE_ERROR_THRESHOLD", 10**8))


# A Ray that runs -----------------------------------------------------------------------------------------------------


def node() -> Any | None:
    """The node that this process has started or joined; None where there is none on this machine."""
    worker = getattr(getattr(import_module("ray"), "_private", None), "worker", None)
    return getattr(getattr(worker, "global_worker", None), "node", None)


def dashboard() -> str | None:
    """The dashboard's `HOST:PORT`."""
    worker: Any = import_module("ray._private.worker")
    known = getattr(node(), "webui_url", None) or getattr(worker, "get_dashboard_url", lambda: None)()
    return str(known) if known else None


def logs_folder() -> Path | None:
    """Ray's folder of logs of this node; None if this process has not started or joined one here."""
    here = node()
    return Path(here.get_logs_dir_path()) if here is not None else None


def started_processes() -> Mapping[str, Any]:
    """The processes of a Ray started here, name (`gcs_server`, `raylet`, ...) to `subprocess.Popen`."""
    processes = getattr(node(), "all_processes", {})
    return {name: infos[0].process for name, infos in processes.items() if infos}


def raylet_socket() -> str:
    """The socket of this node's daemon, which is also in that process's command line."""
    return str(getattr(node(), "raylet_socket_name", ""))


def autoscaled() -> bool:
    """Whether an autoscaler may add nodes to the cluster: one that has kinds of nodes, with names of their own, besides
    the `node_ID` by which Ray calls nodes that it was given."""
    kinds: set[str] = set()
    try:
        kv, sdk = import_module("ray.experimental.internal_kv"), import_module("ray.autoscaler.v2.sdk")
        told = json.loads(kv._internal_kv_get("__autoscaling_status") or "{}").get("autoscaler_report") or {}
        kinds |= {*(told.get("node_type_mapping") or {}).values(), *told.get("active_nodes", {})}
        status = sdk.get_cluster_status(import_module("ray").get_runtime_context().gcs_address)
        kinds |= {node.ray_node_type_name for node in (*status.active_nodes, *status.idle_nodes)}
    except (ImportError, AttributeError, ValueError):
        pass  # what another Ray does not tell
    return any(kind and not kind.startswith("node_") for kind in kinds)


def change_job(address: str, job_id: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes what Ray's page of jobs shows of a submitted job that runs; raises what Ray raises."""
    gcs: Any = import_module("ray._raylet").GcsClient(address=address)
    key, kept = f"_ray_internal_job_info_{job_id}".encode(), b"job"
    told = json.loads(gcs.internal_kv_get(key, kept, 5) or "{}")
    if told.get("status") == "RUNNING":  # Ray itself does not write before that has ended
        change(told)
        gcs.internal_kv_put(key, json.dumps(told).encode(), True, kept, 5)


# Ray Tune's controller -----------------------------------------------------------------------------------------------


def unwrapped(controller: Any) -> Any:
    """The controller itself instead of Ray's wrapper, which warns at every access."""
    return getattr(controller, "_tune_controller", controller)


def without_telemetry() -> None:
    """Keeps Ray from importing mlflow, wandb and comet, if installed, just to count who uses their callbacks."""
    vars(import_module("ray.air._internal.usage"))["_count_callbacks"] = lambda callbacks: {}


def without_snapshots(controller: Any) -> None:
    """Keeps the controller from saving snapshots during the run; `tune.run` requires one at the end."""
    save = controller.checkpoint
    controller.checkpoint = lambda force=False, wait=False: save(force=force, wait=wait) if force else None
    controller._mark_trial_to_checkpoint = lambda trial: None


def ask_how_many_reports(controller: Any, granted: Callable[[Any, str], int], seconds: float) -> None:
    """Lets a trial send several reports at once; Ray's own setting is one number for all trials.

    Args:
        granted: returns how many reports a trial may send, given the search algorithm and the trial's id. The algorithm
            is passed in, since Ray leaves it out when it pickles the controller at the end.
        seconds: how long a trial may hold back a report.
    """
    controller._maybe_buffer_training = lambda trial: (granted(controller._search_alg, trial.trial_id), seconds)


def keep_idle_workers(controller: Any, factory: Any, count: int) -> None:
    """Keeps `count` idle workers; Ray keeps only one, and the next sweep would have to start new processes."""
    if (cache := getattr(controller, "_actor_cache", None)) is not None:
        cache.increase_max(factory, by=count)


def live_workers(controller: Any) -> int:
    """The number of workers that have been placed."""
    return int(getattr(getattr(controller, "_actor_manager", None), "num_live_actors", 0))


def stop_within(controller: Any, seconds: float) -> None:
    """Asks the controller to end, and to give workers this long (instead of ten seconds) to end their epochs."""
    controller._actor_force_cleanup_timeout = seconds
    controller.request_stop_experiment()


def set_worker_environment(controller: Any, variables: Mapping[str, str], extra: Mapping[str, Any]) -> None:
    """Starts workers with these environment variables, regardless of how Ray was started."""
    if (cache := getattr(controller, "_class_cache", None)) is None:
        return
    actor_class = cache.get

    def get(trainable: Any) -> Any:
        made = actor_class(trainable)
        asked = made._default_options["runtime_env"]
        asked.update({**extra, "env_vars": {**asked["env_vars"], **variables}})
        return made

    cache.get = get


def on_lost_worker(controller: Any, told: Callable[[Any | None, Exception], Exception]) -> None:
    """Converts errors of lost workers: Ray Tune handles only one kind and ends the experiment at others.

    Args:
        told: receives the trial and the error of every failed task or start, and returns the error to pass on to Ray.
    """
    manager = getattr(controller, "_actor_manager", None)

    def telling(failed: Callable[..., None], exception: Exception, **what: Any) -> None:
        (thing,) = what.values()
        trial = controller._actor_to_trial.get(getattr(thing, "_tracked_actor", thing))
        failed(**what, exception=told(trial, exception))

    for name in ("_actor_task_failed", "_actor_start_failed"):
        if failed := getattr(manager, name, None):
            setattr(manager, name, partial(telling, failed))


def release(controller: Any) -> None:
    """Releases the workers, and thereby the CPUs, of a controller that raised before it could do so."""
    if controller is None:
        return
    controller = unwrapped(controller)
    for clean_up in (controller.cleanup, controller._actor_manager.cleanup):
        try:
            clean_up()
            return
        except Exception:  # noqa: BLE001 -- it may be just this that raises; the second is what the first ends with
            continue


# A worker's process --------------------------------------------------------------------------------------------------


def reporting(read: Callable[[Any], dict[str, Any]], storage: Any) -> None:
    """Lets a function trainable of this process report through `read`: Ray refuses tensors before anybody could turn
    them into numbers. The first trial of a process is told of the folder that it works in, as all later ones are."""
    module: Any = import_module("ray.train._internal.session")
    session, report = module.get_session(), module.get_session().report
    getattr(module, "_checked_resources", set()).clear()  # or Ray refuses nested tasks only in a process's first trial
    session.report = lambda metrics, checkpoint=None: report(read(metrics), checkpoint=checkpoint)
    session.trial_info.logdir = storage.trial_working_directory


# Ray Tune's trials ---------------------------------------------------------------------------------------------------


def restore_from(trial: Any, checkpoint: Any, metrics: Mapping[str, Any]) -> None:
    """Makes a trial start from a checkpoint on any storage, with its iterations and seconds: Ray takes a restore path
    for one on the local disk, and counts those of a function trainable from zero again."""
    if result := trial._restore_checkpoint_result:
        result.checkpoint = checkpoint
        result.metrics.update(metrics)


def actor_of(trial: Any) -> Any | None:
    """The actor that currently trains a trial."""
    return trial.temporary_state.ray_actor


def forgive(trial: Any) -> None:
    """Subtracts one failure from a trial's count."""
    trial.run_metadata.num_failures -= 1
