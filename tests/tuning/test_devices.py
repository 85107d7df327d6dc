"""Whether and how the trials of a study share GPUs; the processes themselves are tested with a real Ray."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hypertune.study.file import Budget, Resources, Training
from hypertune.study.study import Study
from hypertune.training.trainable import CNN
from hypertune.tuning import checks, connect
from hypertune.tuning.devices import Sharing, sharing_of
from hypertune.tuning.member import Seats
from tests.integration.sharing import Descent


def study(resources: Mapping[str, Any], **changes: Any) -> Study:
    made = Study.load("digits_cnn")
    return made.replace(**{"budget": Budget(seconds=60), "resources": Resources(**resources), **changes})


def shared(monkeypatch: pytest.MonkeyPatch, nodes: list[dict[str, float]], *asked: Any) -> Sharing | None:
    monkeypatch.setattr(connect, "alive_nodes", lambda: [{"Resources": node, "Labels": {}} for node in nodes])
    return sharing_of(*asked)


def test_built_in_models_share_every_gpu_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [{"CPU": 16.0, "GPU": 1.0}, {"CPU": 32.0, "GPU": 2.0}, {"CPU": 8.0}]
    found = shared(monkeypatch, nodes, study({}), CNN)
    assert found is not None
    assert (found.devices, found.slots, found.workers) == (3, 64, 192)


def test_few_cpus_have_few_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = shared(monkeypatch, [{"CPU": 4.0, "GPU": 1.0}], study({}), CNN)
    assert found is not None
    assert found.slots == 16


@pytest.mark.parametrize(("most", "devices", "slots"), [(1, 1, 1), (3, 2, 1), (64, 2, 32), (500, 2, 64)])
def test_no_more_workers_than_allowed(monkeypatch: pytest.MonkeyPatch, most: int, devices: int, slots: int) -> None:
    found = shared(monkeypatch, [{"CPU": 32.0, "GPU": 2.0}], study({"max_workers": most}), CNN)
    assert found is not None
    assert (found.devices, found.slots) == (devices, slots)


def test_a_study_keeps_to_its_part_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = study({"node_labels": {"pool": "mine"}})
    assert shared(monkeypatch, [{"CPU": 32.0, "GPU": 2.0}], asked, CNN) is None


@pytest.mark.parametrize(
    ("budget", "gpus", "devices", "slots"),
    [
        (Budget(trials=3), 1, 1, 3),
        (Budget(trials=5), 1, 1, 4),
        (Budget(trials=20), 1, 1, 5),
        (Budget(trials=640), 1, 1, 64),
        (Budget(epochs=12 * 40), 1, 1, 10),
        (Budget(epochs=12 * 40), 4, 4, 2),
        (Budget(epochs=12 * 3), 4, 3, 1),
        (Budget(epochs=12 * 6), 8, 6, 1),
    ],
)
def test_the_trials_of_a_sweep_come_in_several_rounds(
    monkeypatch: pytest.MonkeyPatch, budget: Budget, gpus: int, devices: int, slots: int
) -> None:
    found = shared(monkeypatch, [{"CPU": 16.0 * gpus, "GPU": float(gpus)}], study({}, budget=budget), CNN)
    assert found is not None
    assert (found.devices, found.slots) == (devices, slots)


def test_as_many_slots_as_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = shared(
        monkeypatch, [{"CPU": 16.0, "GPU": 1.0}], study({"trials_per_gpu": 64}, budget=Budget(trials=5)), CNN
    )
    assert found is not None
    assert found.slots == 64


@pytest.mark.parametrize("slots", [1, 3, 7, 64, 600, 1000])
def test_ray_places_exactly_the_slots_beside_each_device_and_never_two_devices(
    monkeypatch: pytest.MonkeyPatch, slots: int
) -> None:
    found = shared(monkeypatch, [{"CPU": 16.0, "GPU": 1.0}], study({"trials_per_gpu": slots}), CNN)
    assert found is not None
    member, device = round(found.member["GPU"] * 1e4), round(found.device["GPU"] * 1e4)  # Ray's own steps
    assert device > 5000
    assert (10_000 - device) // member == slots
    assert device + slots * member == 10_000


@pytest.mark.parametrize(
    ("resources", "changes"),
    [
        ({"trials_per_gpu": 0}, {}),
        ({"gpus_per_trial": 0.25}, {}),
        ({}, {"training": Training(trainable="cnn", dataset="digits", config={"device": "cpu"})}),
    ],
)
def test_who_asks_for_something_else_gets_it(
    monkeypatch: pytest.MonkeyPatch, resources: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert shared(monkeypatch, [{"CPU": 16.0, "GPU": 1.0}], study(resources, **changes), CNN) is None


def test_a_class_derived_from_a_built_in_one_trains_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    class Named(CNN):
        """Only called otherwise."""

    class Own(Named):
        def step(self) -> dict[str, Any]:
            return {**super().step(), "own": 1.0}

    nodes = [{"CPU": 16.0, "GPU": 1.0}]
    assert shared(monkeypatch, nodes, study({}), Named) is not None
    assert shared(monkeypatch, nodes, study({}), Own) is None


def test_without_a_gpu_trials_are_alone_unless_they_must_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shared(monkeypatch, [{"CPU": 2.0}], study({}), CNN) is None
    with pytest.raises(ValueError, match=r"resources\.trials_per_gpu: 4 asked for, but no node .* has a GPU"):
        shared(monkeypatch, [{"CPU": 2.0}], study({"trials_per_gpu": 4}), CNN)


@pytest.mark.parametrize("cpus", [1.0, 2.0, 16.0])
def test_a_users_population_needs_no_gpu(monkeypatch: pytest.MonkeyPatch, cpus: float) -> None:
    found = shared(monkeypatch, [{"CPU": cpus}], study({}), Descent)
    assert found is not None
    assert found.workers == 8
    assert found.device["CPU"] + 8 * found.member["CPU"] <= cpus + 1e-9
    assert int((cpus - found.device["CPU"]) / found.member["CPU"] + 1e-6) == 8


def test_other_trainables_cannot_be_trained_together() -> None:
    with pytest.raises(ValueError, match=r"resources\.trials_per_gpu: only built-in models and populations"):
        checks._check_resources(study({"trials_per_gpu": 4}), print)
    with pytest.raises(ValueError, match=r"resources\.gpus_per_trial: Descent trains many trials on each GPU"):
        checks._check_resources(study({"gpus_per_trial": 1}), Descent)


def test_seats_are_given_out_evenly_and_once() -> None:
    seats = Seats(["first", "second"], [])
    assert [seats.take(name) for name in "abcd"] == ["first", "second", "first", "second"]
    seats.leave("b")
    seats.leave("nobody")
    assert seats.take("e") == "second"
    assert seats.take("a") == "first"  # its worker had died without leaving
