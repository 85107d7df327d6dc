"""Places the workers of a study on a cluster with several kinds of nodes."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ray.tune import PlacementGroupFactory
from ray.tune.execution.placement_groups import resource_dict_to_pg_factory
from ray.util.placement_group import placement_group

from hypertune.records.failures import one_line
from hypertune.study.extent import most_at_once
from hypertune.study.study import Resources, Study
from hypertune.sweep.trial import StudyError
from hypertune.tuning.checks import asks_itself, corners
from hypertune.tuning.connect import check_room, fit, nodes_for


class Placement:
    """What each trial of a study requests from Ray: as the trainable says, else as `[resources]` says.

    Attributes:
        varies: whether that depends on the configuration.
        grows: whether more workers can be used where the cluster grows.

    Raises:
        StudyError: if the trainable cannot say it of a configuration of the study, then or later.
    """

    grows = True

    def __init__(self, study: Study, trainable: Any) -> None:
        self._request, self._plain = own_request(trainable), placed(study.resources)
        self._resources, self._most = study.resources, most_at_once(study)
        self._samples: list[PlacementGroupFactory] = []
        for config in corners(study.space) if self._request else ():
            request = self.of({**study.training.config, **config})
            if request not in self._samples:
                self._samples.append(request)
        self.varies = len(self._samples) > 1

    def of(self, config: Mapping[str, Any] | None) -> PlacementGroupFactory:
        """What a trial of this configuration requests; None stands for any if requests do not vary."""
        if self._request is None:
            return self._plain
        if config is None:
            return self._samples[0]
        try:
            asked = self._request(dict(config))
        except Exception as error:
            told = one_line(f"resources: the resource request fails for {dict(config)} with {error!r}")
            raise StudyError(told) from error
        if asked is None:
            return self._plain
        return asked if isinstance(asked, PlacementGroupFactory) else resource_dict_to_pg_factory(asked)

    def workers(self) -> int:
        """How many trials may run on the cluster at the same time, the most if their requests differ.

        Raises:
            ValueError: if one of them fits nowhere.
        """
        if room := self.room():
            return room
        if self._request is None:
            check_room(self._resources)
        bundles = self._samples[self._counts().index(0)].bundles
        raise ValueError(f"resources: a trial asks for {bundles}, which the cluster does not have")

    def room(self) -> int:
        """As `workers`, but 0 if one of them fits nowhere."""
        places = self.places()
        return min(places, self._most or places)

    def places(self) -> int:
        """How many trials the cluster has places for, whether or not the study uses them."""
        counts = self._counts()
        return 0 if 0 in counts else max(counts)

    def _counts(self) -> list[int]:
        """For each request that there is, how many fit on the nodes."""
        nodes = [node["Resources"] for node in nodes_for(self._resources)]
        if self._request is None:
            return [sum(fit(node, self._resources) for node in nodes)]
        return [room_for(request.bundles, nodes) for request in self._samples]

    def told(self) -> str:
        """What one trial requests, in words."""
        amounts = [f"{amount:g} {name}" for name, amount in self.of(None).required_resources.items()]
        return ", ".join([*amounts, *(f"the label {k}={v}" for k, v in self._resources.node_labels.items())])


def own_request(trainable: Any) -> Callable[[dict[str, Any]], Any] | None:
    """What a configuration needs according to the trainable; None if it does not say."""
    if not asks_itself(trainable):
        return None
    if inspect.isclass(trainable):
        return trainable.default_resource_request  # type: ignore[attr-defined, no-any-return]
    own: Any = trainable._resources
    return own if callable(own) and not isinstance(own, PlacementGroupFactory) else lambda config: own


def room_for(bundles: Iterable[Mapping[str, float]], nodes: Iterable[Mapping[str, float]]) -> int:
    """How many trials that ask for these bundles fit on nodes with these resources, each bundle on one of them."""
    free, asked = [dict(node) for node in nodes], [bundle for bundle in bundles if any(bundle.values())]
    if not asked:
        return max(1, int(sum(node.get("CPU", 0) for node in free)))
    for count in itertools.count():
        for bundle in asked:
            if not _take(bundle, free):
                return count
    raise AssertionError("no cluster is infinite")


def _take(bundle: Mapping[str, float], free: list[dict[str, float]]) -> bool:
    for node in free:
        if all(node.get(name, 0) >= amount - 1e-9 for name, amount in bundle.items()):
            for name, amount in bundle.items():
                node[name] = node.get(name, 0) - amount
            return True
    return False


def placed(resources: Resources) -> PlacementGroupFactory:
    """The placement group that one trial requests from Ray."""
    if not resources.gpus_per_trial:
        return PlainNodesFirst(resources)
    bundles = [{"CPU": resources.cpus_per_trial, "GPU": resources.gpus_per_trial}]
    return PlacementGroupFactory(bundles, **labelled(resources))


def labelled(resources: Resources) -> dict[str, Any]:
    """The argument of a placement group that keeps its one bundle to nodes with the study's labels."""
    return {"bundle_label_selector": [resources.node_labels]} if resources.node_labels else {}


class PlainNodesFirst(PlacementGroupFactory):
    """Requests CPUs on nodes without GPU while they have room, so that GPU nodes stay free for GPU work.

    Ray does this for tasks and actors, but not for placement groups, in which Ray Tune puts every trial.
    """

    def __init__(self, resources: Resources) -> None:
        super().__init__([{"CPU": resources.cpus_per_trial}], **labelled(resources))
        self._resources, self._turn = resources, itertools.count()

    def to_placement_group(self) -> Any:
        """Requests a place for the next trial on the next node; if that one is full, Ray takes any other."""
        places = plain_places(nodes_for(self._resources), self._resources)
        if not places:
            return super().to_placement_group()
        node = places[next(self._turn) % len(places)]
        return placement_group(
            self.bundles, strategy="STRICT_PACK", _soft_target_node_id=node, **labelled(self._resources)
        )


def plain_places(nodes: Iterable[dict[str, Any]], resources: Resources) -> list[str]:
    """The nodes without GPU in turn, each as often as trials fit on it; empty if no node has a GPU."""
    alive = [node for node in nodes if node["Alive"]]
    plain = [node for node in alive if not node["Resources"].get("GPU")]
    if len(plain) == len(alive):
        return []
    room = [[node["NodeID"]] * fit(node["Resources"], resources) for node in plain]
    return [node for layer in itertools.zip_longest(*room) for node in layer if node is not None]
