"""Places the workers of a study on a cluster with several kinds of nodes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import ray
from ray.tune import PlacementGroupFactory
from ray.util.placement_group import placement_group

from hypertune.study.study import Resources
from hypertune.tuning.connect import fit


def placed(resources: Resources) -> PlacementGroupFactory:
    """The placement group that one trial requests from Ray."""
    if not resources.gpus_per_trial:
        return PlainNodesFirst(resources)
    return PlacementGroupFactory([{"CPU": resources.cpus_per_trial, "GPU": resources.gpus_per_trial}])


class PlainNodesFirst(PlacementGroupFactory):
    """Requests CPUs on nodes without GPU while they have room, so that GPU nodes stay free for GPU work.

    Ray does this for tasks and actors, but not for placement groups, in which Ray Tune puts every trial.
    """

    def __init__(self, resources: Resources) -> None:
        super().__init__([{"CPU": resources.cpus_per_trial}])
        self._resources, self._turn = resources, itertools.count()

    def to_placement_group(self) -> Any:
        """Requests a place for the next trial on the next node; if that one is full, Ray takes any other."""
        places = plain_places(ray.nodes(), self._resources)
        if not places:
            return super().to_placement_group()
        node = places[next(self._turn) % len(places)]
        return placement_group(self.bundles, strategy="STRICT_PACK", _soft_target_node_id=node)


def plain_places(nodes: Iterable[dict[str, Any]], resources: Resources) -> list[str]:
    """The nodes without GPU in turn, each as often as trials fit on it; empty if no node has a GPU."""
    alive = [node for node in nodes if node["Alive"]]
    plain = [node for node in alive if not node["Resources"].get("GPU")]
    if len(plain) == len(alive):
        return []
    room = [[node["NodeID"]] * fit(node["Resources"], resources) for node in plain]
    return [node for layer in itertools.zip_longest(*room) for node in layer if node is not None]
