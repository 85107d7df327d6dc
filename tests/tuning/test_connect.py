"""Joining or starting a cluster: closed to others by default, and honest about what it cannot do."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from hypertune.study.file import Resources
from hypertune.sweep.trial import StudyError
from hypertune.tuning import connect, token
from hypertune.tuning.shared_folder import Newcomers, check_shared, unseen


class Started(BaseException):
    """Ray would have been started."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """The arguments of `ray.init`, which is not called."""
    import ray

    given: dict[str, Any] = {}

    def init(**arguments: Any) -> None:
        given.update(arguments)
        raise Started

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(token, "TOKEN_FILE", tmp_path / ".ray" / "auth_token")
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    return given


def test_the_dashboard_listens_here_alone_and_a_token_is_there(started: dict[str, Any]) -> None:
    with pytest.raises(Started):
        connect.connect(None)
    assert started["dashboard_host"] == "127.0.0.1"
    assert token.TOKEN_FILE.exists()


@pytest.mark.parametrize(
    ("address", "said"),
    [(None, "Ray did not start on this machine (timed out)"), ("auto", "--address auto: no Ray cluster answers there")],
)
def test_a_ray_that_does_not_start_is_told_in_one_line(
    address: str | None, said: str, started: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    def init(**arguments: Any) -> None:
        raise Exception("timed out\nand much more")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        connect.connect(address)
    assert "\n" not in str(raised.value)


def test_it_listens_elsewhere_if_asked_to(started: dict[str, Any]) -> None:
    with pytest.raises(Started):
        connect.connect(None, "0.0.0.0")
    assert started["dashboard_host"] == "0.0.0.0"


def test_a_public_dashboard_without_a_token_is_refused(
    started: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(ValueError, match="anyone who reaches it could run code here"):
        connect.connect(None, "0.0.0.0")
    with pytest.raises(Started):
        connect.connect(None)


def test_a_running_clusters_dashboard_is_its_own(started: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"localhost:{server.getsockname()[1]}"
        with pytest.raises(ValueError, match=f"--dashboard-host: only for a Ray that starts here; .* {address}"):
            connect.connect(address, "0.0.0.0")
        with pytest.raises(Started):
            connect.connect(address)
    assert not token.TOKEN_FILE.exists()


@pytest.mark.usefixtures("local_ray")
def test_nodes_that_do_not_see_the_output_folder_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    (node,) = ray.nodes()
    assert unseen(tmp_path, [node]) == []
    assert unseen(tmp_path / "elsewhere", [node, {"Alive": False}]) == [node["NodeManagerAddress"]]
    check_shared(tmp_path / "elsewhere", Resources())  # one node alone has nobody to share with
    monkeypatch.setattr(ray, "nodes", lambda: [node, node])
    with pytest.raises(ValueError, match=r"2 of 2 nodes do not see it, .* or a URL such as s3://bucket/path"):
        check_shared(tmp_path / "elsewhere", Resources())


@pytest.mark.usefixtures("local_ray")
def test_a_node_that_joins_is_asked_once_and_only_if_trials_may_run_there(tmp_path: Path) -> None:
    import ray

    (node,) = ray.nodes()
    Newcomers(tmp_path / "elsewhere", Resources(), {node["NodeID"]}).check()
    others = Newcomers(tmp_path / "elsewhere", Resources(node_labels={"team": "vision"}), set())
    there, blind = (Newcomers(folder, Resources(), set()) for folder in (tmp_path, tmp_path / "elsewhere"))

    def look_for_a_minute() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            others.check()
            there.check()
            blind.check()

    with pytest.raises(StudyError, match="a node that has joined, .*, does not see it, .* compare --resume /"):
        look_for_a_minute()


def test_an_address_that_cannot_be_used_is_told_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="Ray Client is not supported"):
        connect._check_reachable("ray://host:10001")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ValueError, match=r"--address auto: RAY_ADDRESS=127.0.0.1:1: no Ray cluster answers"):
        connect._check_reachable("auto")
    with pytest.raises(ValueError, match=r"--address nope.invalid:1: no machine is known by the name nope.invalid"):
        connect._check_reachable("nope.invalid:1")
    connect._check_reachable(None)
