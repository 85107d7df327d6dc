"""Decides whether the trials of a study share their GPUs in populations, and starts the processes for it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import ray
from ray.tune import PlacementGroupFactory

from hypertune.storage.telling import tell_user
from hypertune.study.extent import most_at_once
from hypertune.study.study import Study
from hypertune.tuning.connect import nodes_for, worker_environment
from hypertune.tuning.device import Device
from hypertune.tuning.member import Seats, Slots, member_of
from hypertune.tuning.placement import Placement, labelled
from hypertune.tuning.population import is_population

MOST_SLOTS, SLOTS_PER_CPU = 64, 4
"""Slots of a GPU by default: more than 64 gain little (measured on an H100), and each has a light process, of which a
CPU takes about a second to start one."""
ROUNDS = 4
"""Full trainings one after another that a GPU's slots leave to a sweep by default, since strategies that learn from
results learn nothing from trials that train at the same time. On an H100, 16 slots reach three quarters of the images
per second of 64."""
WITHOUT_GPU = 8
"""Slots of a user's own population where there is no GPU."""
MEMBERS_SHARE = 0.4
"""The part of a GPU, by Ray's account, that its trials share, so that no more than its slots are placed there; the rest
is the device's, more than half, since Ray would put two of up to half a GPU on the same one."""
OWN = ("setup", "step", "reset_config", "save_checkpoint", "load_checkpoint", "cleanup")
"""Methods that a class derived from a built-in one may replace; its trials then have processes of their own."""
TICK = 1e-4
"""The least amount of a resource that Ray counts."""
WAIT_S = 20.0
"""Seconds after which the user is told that devices have not been placed yet."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """How many processes hold a population, how many trials each trains together, and what both ask Ray for."""

    devices: int
    slots: int
    device: Mapping[str, float]
    member: Mapping[str, float]

    @property
    def workers(self) -> int:
        """Trials at the same time."""
        return self.devices * self.slots

    def __str__(self) -> str:
        kind = "GPU" if "GPU" in self.device else "process"
        plural = ("" if self.devices == 1 else "s") if kind == "GPU" else ("" if self.devices == 1 else "es")
        return f"up to {self.slots} trained together on each of {self.devices} {kind}{plural}"


class LightPlacement(Placement):
    """Next to nothing for each trial, since devices have been placed already: their number does not change."""

    grows = False

    def __init__(self, study: Study, sharing: Sharing) -> None:
        self._light = PlacementGroupFactory([dict(sharing.member)], **labelled(study.resources))
        self._sharing, self.varies = sharing, False

    def of(self, config: Mapping[str, Any] | None) -> PlacementGroupFactory:
        return self._light

    def workers(self) -> int:
        return self._sharing.workers

    room = places = workers


def sharing_of(study: Study, trainable: Any) -> Sharing | None:
    """How the connected cluster shares its GPUs; None where each trial has a process of its own.

    Raises:
        ValueError: if `[resources] trials_per_gpu` cannot be had.
    """
    asked, own = study.resources.trials_per_gpu, is_population(trainable)
    if not own and (asked == 0 or study.resources.gpus_per_trial or _on_cpu(study) or not _built_in(trainable)):
        return None
    nodes = [node["Resources"] for node in nodes_for(study.resources)]
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    if not gpus and not own:
        if asked == "auto":
            return None
        raise ValueError(
            f"resources.trials_per_gpu: {asked} asked for, but no node of the cluster has a GPU; leave it out, and "
            "trials train on CPUs"
        )
    cpus = max(study.resources.cpus_per_trial, 1.0)
    hosts = [node for node in nodes if node.get("CPU", 0) >= cpus and (node.get("GPU", 0) >= 1 or not gpus)]
    devices = sum(min(int(node["GPU"]) if gpus else 1, int(node["CPU"] // cpus)) for node in hosts)
    if not devices:
        raise ValueError(
            f"resources.cpus_per_trial: no node has {cpus:g} CPUs{' beside its GPU' * bool(gpus)}; ask for fewer"
        )
    most = min(MOST_SLOTS, int(SLOTS_PER_CPU * sum(node["CPU"] for node in hosts) / devices)) if gpus else WITHOUT_GPU
    if asked in ("auto", 0):
        slots, at_once = most, _useful(study, devices)
    else:
        slots, at_once = int(asked), study.resources.max_workers
    if at_once is not None:
        devices = min(devices, at_once)
        slots = min(slots, at_once // devices)
    if gpus:
        share = _share(MEMBERS_SHARE, slots)
        return Sharing(devices, slots, {"CPU": cpus, "GPU": 1 - slots * share}, {"CPU": 0, "GPU": share})
    # Without GPUs the trials share the CPUs that are left.
    left = min(node["CPU"] for node in hosts) - cpus
    share = _share(max(left, MEMBERS_SHARE), slots)
    return Sharing(devices, slots, {"CPU": cpus if left else cpus - slots * share}, {"CPU": share})


def _share(amount: float, slots: int) -> float:
    """A slot's share of an amount of a resource."""
    return max(int(amount / slots / TICK), 1) * TICK


def _built_in(trainable: Any) -> bool:
    """Whether it is a built-in trainable, and not a class derived from one that trains in a way of its own."""
    classes = getattr(trainable, "__mro__", ())
    owner = next((number for number, one in enumerate(classes) if "member" in vars(one)), None)
    return owner is not None and not any(name in vars(one) for one in classes[:owner] for name in OWN)


def _on_cpu(study: Study) -> bool:
    """Whether the study trains on CPUs though there may be GPUs, for all trials or some."""
    config = {**study.training.config, **study.space.entries}
    return config.get("device", "auto") not in ("auto", "cuda")


def _useful(study: Study, devices: int) -> int | None:
    """Trials at the same time if nobody says how many: a sweep's come in `ROUNDS`, but every device has one."""
    most = most_at_once(study)
    if most is None or study.resources.max_workers is not None:
        return most
    return min(max(most // ROUNDS, ROUNDS, devices), most)


@contextmanager
def shared(study: Study, trainable: Any, data: Any, sharing: Sharing) -> Iterator[type]:
    """Within the block, the populations of a study train; the value is the trainable for Ray Tune.

    Args:
        trainable: a built-in trainable or a `Population`.
        data: its data set, copied to each device's node once; None for a `Population`.
    """
    name, namespace = f"hypertune-{uuid.uuid4().hex[:12]}", ray.get_runtime_context().namespace
    slots = Slots(name, namespace)
    environment = {"env_vars": worker_environment()}
    made: Any = ray.remote(Device)
    asked = sharing.device
    options = {
        "num_cpus": asked["CPU"], "num_gpus": asked.get("GPU", 0), "max_restarts": -1, "runtime_env": environment,
        "max_concurrency": 2 * sharing.slots + 8, "scheduling_strategy": "SPREAD",
        **({"label_selector": study.resources.node_labels} if study.resources.node_labels else {}),
    }  # fmt: skip
    stored = None if data is None else ray.put(data)
    make = trainable if is_population(trainable) else partial(_built, trainable, slots, _settings(study))
    actors = [made.options(**options).remote(make) for _ in range(sharing.devices)]
    seats: Any = ray.remote(Seats)
    actors.append(seats.options(name=name, num_cpus=0, runtime_env=environment).remote(actors, [stored]))
    try:
        _wait([actor.placed.remote() for actor in actors])
        yield member_of(trainable, slots) if is_population(trainable) else trainable.member(slots)
    finally:
        for actor in actors:
            ray.kill(actor)


def _wait(placed: list[Any]) -> None:
    """Waits until all have a place: trials that are placed earlier might take it."""
    _, missing = ray.wait(placed, num_returns=len(placed), timeout=WAIT_S)
    if missing:
        tell_user(
            f"waiting for {len(missing)} of {len(placed) - 1} processes that train trials together: the CPUs or GPUs "
            "are taken by others"
        )
    ray.get(placed)


def _built(trainable: Any, slots: Slots, settings: Mapping[str, Any]) -> Any:
    """The built-in population, in the process that holds it."""
    return trainable.population(slots.data(), **settings)


def _settings(study: Study) -> dict[str, Any]:
    training = study.training
    return {
        "max_epochs": training.max_epochs,
        "steps_per_epoch": training.steps_per_epoch,
        "threads": max(int(study.resources.cpus_per_trial), 1),
    }
