"""The private names of Ray that `ray_internals` uses, and whether the installed Ray has them.

`TESTED` is the release that all tests have passed with; the dependency in `pyproject.toml` allows that one only.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import Any

TESTED = "2.60"


@dataclass(frozen=True, slots=True)
class Name:
    """A private name of Ray, and the loss without it."""

    module: str
    path: str
    without: str

    def exists(self) -> bool:
        """Whether the installed Ray has it; an instance attribute is searched for in the code that sets it."""
        try:
            thing: Any = import_module(self.module)
        except ImportError:
            return False
        *owners, last = self.path.split(".")
        for owner in owners:
            thing = getattr(thing, owner, None)
        if inspect.isclass(thing):
            made = getattr(thing.__init__, "__code__", None)
            return hasattr(thing, last) or (made is not None and last in made.co_names)
        return hasattr(thing, last)


AUTHENTICATION = "ray._private.authentication.authentication_token_setup"
CONTROLLER = "ray.tune.execution.tune_controller"
NAMES = (
    Name("ray._private.ray_constants", "RAY_ENABLE_UV_RUN_RUNTIME_ENV", "workers may start through `uv run`"),
    Name("ray._private.ray_constants", "ENABLE_RAY_CLUSTER", "a local Ray's metrics can be read from other machines"),
    Name(AUTHENTICATION, "maybe_enable_token_auth_if_token_available", "--address HOST:PORT needs RAY_AUTH_MODE=token"),
    Name("ray._private.parameter", "RayParams", "two Rays on this machine may share an agent's port"),
    Name("ray._private.services", "ConsolePopen", "SIGTERM to the process group ends Ray before the study"),
    Name("ray._private.utils", "set_sigterm_handler", "SIGTERM while Ray starts exits with 15"),
    Name("ray._private.utils", "get_num_cpus", "a dry run counts the machine's CPUs, not the container's"),
    Name("ray._private.worker", "global_worker", "neither dashboard nor live status nor the death of Ray is seen"),
    Name("ray.experimental.internal_kv", "_internal_kv_get", "clusters are taken for ones that do not grow"),
    Name("ray.autoscaler.v2.sdk", "get_cluster_status", "clusters are taken for ones that do not grow"),
    Name("ray._raylet", "GcsClient", "Ray's page of jobs shows neither progress nor outcome of a submitted study"),
    Name("ray.train._internal.session", "get_session", "reports of functions are not read"),
    Name("ray.train._internal.session", "_checked_resources", "nested tasks without room wait for ever"),
    Name("ray.air._internal.usage", "_count_callbacks", "mlflow and others are imported for Ray's statistics"),
    Name(CONTROLLER, "TuneController._actor_cache", "workers are restarted for every sweep"),
    Name(CONTROLLER, "TuneController._actor_manager", "lost workers of rarer kinds end the study"),
    Name(CONTROLLER, "TuneController._actor_to_trial", "lost workers of rarer kinds end the study"),
    Name(CONTROLLER, "TuneController._class_cache", "workers keep the settings of a Ray started by others"),
    Name(CONTROLLER, "TuneController._actor_force_cleanup_timeout", "stopping waits ten seconds for long epochs"),
    Name(CONTROLLER, "TuneController._mark_trial_to_checkpoint", "Ray writes snapshots that nothing reads"),
    Name(CONTROLLER, "TuneController._maybe_buffer_training", "trials with very short epochs report one by one"),
)


def missing() -> list[str]:
    """One line per name that the installed Ray lacks, with the loss."""
    import ray

    gone = [name for name in NAMES if not name.exists()]
    has_no = f"hypertune was tested with Ray {TESTED}; Ray {ray.__version__} has no"
    return [f"{has_no} {one.module}.{one.path} any more; without it, {one.without}" for one in gone]
