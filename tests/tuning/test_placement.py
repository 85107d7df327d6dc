"""Which node a trial's worker asks for; where it then really starts is in tests/integration/test_nodes.py."""

from __future__ import annotations

from typing import Any

import pytest

from hypertune.study.study import Resources
from hypertune.tuning.placement import plain_places


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
