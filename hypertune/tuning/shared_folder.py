"""Whether every node of a cluster sees a study's output folder, since trials write their checkpoints there."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypertune.storage.storage import resume_command
from hypertune.study.file import Resources
from hypertune.sweep.trial import StudyError
from hypertune.tuning.connect import alive_nodes, nodes_for

REMEDY = "give a folder that all of them mount, or a URL such as s3://bucket/path"


@functools.cache
def _sees() -> Any:
    """The remote function that is asked; made once, since Ray keeps each."""
    import ray

    @ray.remote(num_cpus=0, max_retries=0)
    def sees(path: str) -> bool:
        import os

        return os.path.isdir(path)

    return sees


def _asked(folder: Path, node: dict[str, Any]) -> Any:
    """The reference of the answer of a node, whether `folder` exists there."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    return _sees().options(scheduling_strategy=there).remote(str(folder))


def unseen(folder: Path, nodes: Iterable[dict[str, Any]]) -> list[str]:
    """Addresses of the nodes on which `folder` does not exist."""
    import ray

    alive = [node for node in nodes if node["Alive"]]
    seen = ray.get([_asked(folder, node) for node in alive])
    return [node["NodeManagerAddress"] for node, there in zip(alive, seen, strict=True) if not there]


def check_shared(folder: Path, resources: Resources) -> set[str]:
    """Checks that every node that trials may run on sees the output folder; returns the nodes' ids.

    Raises:
        ValueError: naming a node that does not see it.
    """
    nodes = nodes_for(resources)
    missing = unseen(folder.resolve(), nodes) if len(alive_nodes()) > 1 else []
    if missing:
        raise ValueError(
            f"--out {folder}: {len(missing)} of {len(nodes)} nodes do not see it, e.g. {missing[0]}; {REMEDY}"
        )
    return {node["NodeID"] for node in nodes}


class Newcomers:
    """The nodes that join while a study runs; on one that does not see the folder every trial would fail at once.

    Args:
        resources: of the study, which say on which nodes trials may run.
        known: ids of the nodes that see the folder.
    """

    def __init__(self, folder: Path, resources: Resources, known: set[str]) -> None:
        self._folder, self._resources, self._known = folder.resolve(), resources, set(known)
        self._asked: dict[Any, str] = {}

    def check(self) -> None:
        """Asks new nodes, and looks at the answers that have come, without waiting for any.

        Raises:
            StudyError: naming a node that does not see the folder.
        """
        import ray
        from ray.exceptions import RayError

        for node in nodes_for(self._resources):
            if node["NodeID"] not in self._known:
                self._known.add(node["NodeID"])
                self._asked[_asked(self._folder, node)] = node["NodeManagerAddress"]
        if not self._asked:
            return
        for answer in ray.wait(list(self._asked), num_returns=len(self._asked), timeout=0)[0]:
            address = self._asked.pop(answer)
            try:
                there = ray.get(answer)
            except RayError:  # it has gone again
                continue
            if not there:
                raise StudyError(
                    f"--out {self._folder}: a node that has joined, {address}, does not see it, so that no trial can "
                    "save itself there; let it mount the folder, or take it out of the cluster, and resume: "
                    f"{resume_command(self._folder)}"
                )
