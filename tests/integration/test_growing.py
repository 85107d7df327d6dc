"""Studies on a cluster whose nodes come and go meanwhile; an autoscaler of Ray starts real nodes on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hypertune.api import load
from hypertune.comparison.workers import workers_sentence
from tests.integration.test_nodes import scenario, used

pytestmark = pytest.mark.slow


def test_a_cluster_grows_for_a_study_and_shrinks_when_it_has_ended(tmp_path: Path) -> None:
    facts = scenario("grows", tmp_path / "out", "growing")
    assert facts["status"] == ["completed"]
    assert (facts["workers"][0], max(facts["workers"])) == (1, 3)
    assert len(used(facts)) == 3
    assert facts["mean"][0] > 1
    assert facts["accounted_s"] == pytest.approx(facts["offered_s"])


@pytest.mark.parametrize("name", ["from_zero", "from_zero_2"])
def test_a_cluster_scaled_to_zero_is_asked_for_as_many_as_the_study_may_have(name: str, tmp_path: Path) -> None:
    facts = scenario(name, tmp_path / "out", "growing")
    assert "waiting for one with 1 CPU" in facts["waited"]
    assert facts["status"] == ["completed"]
    assert max(facts["workers"]) == 2
    assert len(used(facts)) == 2


def test_ctrl_c_ends_a_study_that_waits_for_a_node(tmp_path: Path) -> None:
    facts = scenario("unmet", tmp_path / "out", "growing")
    assert "waiting for one with 2 CPU" in facts["told"]
    assert facts["told"].endswith("Interrupted before anything was recorded.")
    assert facts["code"] == 130
    assert not (tmp_path / "out" / "study.toml").exists()  # so that the same command can be given again


def test_a_node_that_is_reclaimed_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    facts = scenario("preempted", tmp_path / "out", "growing")
    assert facts["status"] == ["completed"]
    assert facts["epochs"] == 24 * 9
    assert len(used(facts)) == 3


def test_a_driver_that_is_killed_leaves_no_node_behind_and_the_next_one_goes_on(tmp_path: Path) -> None:
    facts = scenario("driver_killed", tmp_path / "out", "growing")
    assert facts["known"] > 4
    assert "waiting for one with 1 CPU" in facts["waited"]
    assert (facts["status"], facts["epochs"]) == (["completed"], 4 * 9)


def test_workers_that_die_on_nodes_that_came_for_the_study_lose_nothing(tmp_path: Path) -> None:
    facts = scenario("workers_killed", tmp_path / "out", "growing")
    assert facts["killed"] == 6
    assert (facts["status"], facts["epochs"]) == (["completed"], 6 * 9)
    assert len(used(facts)) == 2


def test_two_studies_share_a_cluster(tmp_path: Path) -> None:
    facts = scenario("shared", tmp_path / "out", "growing")
    assert [study["status"] for study in facts["studies"]] == [["completed"]] * 2
    assert [max(study["workers"]) for study in facts["studies"]] == [1, 1]


def test_a_study_keeps_to_the_nodes_with_its_labels(tmp_path: Path) -> None:
    facts = scenario("labelled", tmp_path / "out")
    assert used(facts) == {facts["part"]}
    assert (facts["status"], facts["workers"]) == (["completed"], 1)


def test_a_node_that_joins_without_the_output_folder_ends_the_study(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to hide a folder from a process (unshare --mount)")
    facts = scenario("blind", tmp_path / "out")
    assert "a node that has joined, " in facts["error"]
    assert facts["error"].endswith(f"and resume: hypertune compare --resume {tmp_path / 'out'}")
    trials = load(tmp_path / "out").trials
    assert 6 <= trials["epochs"].sum() < 400 * 9
    assert trials["status"].eq("failed").sum() <= 1  # one may have begun there before the node has answered


def test_a_node_that_joins_by_hand_is_taken_in(tmp_path: Path) -> None:
    facts = scenario("joined", tmp_path / "out")
    assert len(used(facts)) == 2
    assert 1 < facts["workers"] < 2
    assert not workers_sentence(load(tmp_path / "out").records)  # of one sweep there is nothing to compare
