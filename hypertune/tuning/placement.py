"""Where the workers of a study go on a cluster of several kinds of nodes."""

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
    """What one trial asks Ray for."""
    if not resources.gpus_per_trial:
        return PlainNodesFirst(resources)
    return PlacementGroupFactory([{"CPU": resources.cpus_per_trial, "GPU": resources.gpus_per_trial}])


class PlainNodesFirst(PlacementGroupFactory):
    """Processors on a node without GPU, while one has room, so that the others stay free for what needs a GPU.

    Ray does so for single tasks and actors, but not for the placement groups in which Ray Tune puts every trial.
    """

    def __init__(self, resources: Resources) -> None:
        super().__init__([{"CPU": resources.cpus_per_trial}])
        self._resources, self._turn = resources, itertools.count()

    def to_placement_group(self) -> Any:
        """Asks for the next trial's place; where the node that is its turn has none, Ray takes any other."""
        places = plain_places(ray.nodes(), self._resources)
        if not places:
            return super().to_placement_group()
        node = places[next(self._turn) % len(places)]
        return placement_group(self.bundles, strategy="STRICT_PACK", _soft_target_node_id=node)


def plain_places(nodes: Iterable[dict[str, Any]], resources: Resources) -> list[str]:
    """The nodes without GPU, each as often as trials fit on it, in turn; none where no node has a GPU."""
    alive = [node for node in nodes if node["Alive"]]
    plain = [node for node in alive if not node["Resources"].get("GPU")]
    if len(plain) == len(alive):
        return []
    room = [[node["NodeID"]] * fit(node["Resources"], resources) for node in plain]
    return [node for layer in itertools.zip_longest(*room) for node in layer if node is not None]
