"""Which node a trial's worker asks for; where it then really starts is in tests/integration/test_nodes.py."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from ray import tune

from hypertune.study.extent import few_at_once
from hypertune.study.study import Budget, Resources
from hypertune.sweep.trial import StudyError
from hypertune.tuning import connect
from hypertune.tuning.growth import most_wanted
from hypertune.tuning.placement import Placement, plain_places, room_for
from tests.sweep.scripted import make_study


def node(name: str, *, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"NodeID": name, "Alive": alive, "Resources": resources}


@pytest.mark.parametrize(
    ("nodes", "places"),
    [
        ([node("a", CPU=2), node("b", CPU=4)], []),
        ([node("g", CPU=2, GPU=1), node("a", CPU=2)], ["a", "a"]),
        ([node("a", CPU=2), node("g", CPU=8, GPU=1), node("b", CPU=4)], ["a", "b", "a", "b", "b", "b"]),
        ([node("a", CPU=2, alive=False), node("g", CPU=2, GPU=1)], []),
        ([node("head", CPU=0), node("g", CPU=2, GPU=1)], []),
        ([node("g", CPU=2, GPU=1), node("h", CPU=2, GPU=4)], []),
    ],
    ids=["no GPU anywhere", "one of each", "in turn", "dead", "nothing fits", "GPUs only"],
)
def test_trials_without_gpu_ask_for_nodes_without_gpu_in_turn(nodes: list[dict[str, Any]], places: list[str]) -> None:
    assert plain_places(nodes, Resources(cpus_per_trial=1)) == places


def test_a_node_has_as_many_places_as_trials_fit() -> None:
    assert plain_places([node("g", GPU=1), node("a", CPU=5)], Resources(cpus_per_trial=2)) == ["a", "a"]


@pytest.mark.parametrize(
    ("bundles", "nodes", "trials"),
    [
        ([{"CPU": 2.0}], [{"CPU": 5}, {"CPU": 3}], 3),
        ([{"CPU": 1.0}, {"CPU": 1.0}], [{"CPU": 1}, {"CPU": 2}], 1),  # bundles may lie on several nodes
        ([{"CPU": 1.0, "GPU": 0.5}], [{"CPU": 8, "GPU": 1}, {"CPU": 8}], 2),
        ([{"CPU": 1.0, "license": 1.0}], [{"CPU": 8, "license": 3}], 3),
        ([{"CPU": 4.0}], [{"CPU": 2}, {"CPU": 2}], 0),
        ([{}], [{"CPU": 2}, {"CPU": 2}], 4),
    ],
)
def test_as_many_trials_run_at_once_as_their_bundles_fit(
    bundles: list[dict[str, float]], nodes: list[dict[str, float]], trials: int
) -> None:
    assert room_for(bundles, nodes) == trials


def train(config: dict[str, Any]) -> None: ...


class Plain(tune.Trainable): ...


class Asking(tune.Trainable):
    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([{"CPU": config["width"]}])


def by_width(config: dict[str, Any]) -> tune.PlacementGroupFactory:
    assert set(config) == {"lr", "width"}
    return tune.PlacementGroupFactory([{"CPU": config["width"]}])


CONFIG = {"lr": 0.1, "width": 3}


@pytest.mark.parametrize(
    ("trainable", "asked", "varies"),
    [
        (train, {"CPU": 2}, False),
        (Plain, {"CPU": 2}, False),
        (tune.with_resources(partial(train), {"cpu": 3, "gpu": 1}), {"CPU": 3, "GPU": 1}, False),
        (tune.with_resources(partial(train), tune.PlacementGroupFactory([{"CPU": 1}] * 2)), {"CPU": 2}, False),
        (tune.with_resources(partial(train), by_width), {"CPU": 3}, True),
        (tune.with_resources(Plain, {"cpu": 4}), {"CPU": 4}, False),
        (Asking, {"CPU": 3}, True),
    ],
)
def test_a_trial_gets_what_the_trainable_asks_for(trainable: Any, asked: dict[str, float], varies: bool) -> None:
    placement = Placement(make_study(resources=Resources(cpus_per_trial=2)), trainable)
    assert placement.of(CONFIG).required_resources == asked
    assert placement.varies == varies


@pytest.mark.parametrize(
    ("budget", "most", "asked"),
    [
        (Budget(trials=20), None, 20),
        (Budget(epochs=40), None, 4),
        (Budget(epochs=4), None, 1),
        (Budget(epochs=40), 3, 3),
        (Budget(epochs=40), 30, 30),
        (Budget(epochs=4), 30, 4),
        (Budget(seconds=60), 30, 30),
    ],
)
def test_a_cluster_is_asked_for_as_many_workers_as_can_train_to_the_end(
    budget: Budget, most: int | None, asked: int
) -> None:
    assert most_wanted(make_study(budget=budget, resources=Resources(max_workers=most))) == asked


@pytest.mark.parametrize(
    ("budget", "most", "room"),
    [
        (Budget(epochs=40), None, 4),
        (Budget(epochs=4), None, 1),
        (Budget(trials=20), None, 20),
        (Budget(trials=99), None, 64),
        (Budget(seconds=60), None, 64),
        (Budget(epochs=40), 30, 30),
        (Budget(epochs=40), 99, 64),
    ],
)
def test_no_trial_is_begun_in_vain_on_a_large_cluster(
    monkeypatch: pytest.MonkeyPatch, budget: Budget, most: int | None, room: int
) -> None:
    monkeypatch.setattr(connect, "alive_nodes", lambda: [{"Resources": {"CPU": 32.0}, "Labels": {}}] * 2)
    study = make_study(budget=budget, resources=Resources(max_workers=most))
    placement = Placement(study, train)
    assert (placement.room(), placement.places()) == (room, 64)
    told = few_at_once(study, placement.places())
    assert bool(told) == (room < 64 and most is None)
    assert not told or told.endswith("trains to the end; --max-workers for more of the 64 possible")


@pytest.mark.parametrize("gpus", [0, 1])
def test_labels_are_part_of_what_a_trial_asks_for(gpus: int) -> None:
    resources = Resources(gpus_per_trial=gpus, node_labels={"team": "vision"})
    placement = Placement(make_study(resources=resources), train)
    assert placement.told().endswith(", the label team=vision")
    assert placement.of(None) != Placement(make_study(resources=Resources(gpus_per_trial=gpus)), train).of(None)


def test_a_request_that_fails_is_told_in_one_line() -> None:
    request = tune.with_resources(
        partial(train), lambda config: tune.PlacementGroupFactory([{"CPU": config["no such"]}])
    )
    with pytest.raises(StudyError, match=r"^resources: the resource request fails for \{.*\} with KeyError"):
        Placement(make_study(), request)
