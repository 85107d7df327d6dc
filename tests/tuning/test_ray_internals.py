"""What is used of Ray without a public name: all of it in one file, all of it there in the Ray that is installed."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import pytest

from hypertune.tuning import ray_internals, ray_names
from hypertune.tuning.ray_names import AUTHENTICATION, NAMES, TESTED, Name

PACKAGE = Path(ray_internals.__file__).parents[1]


def test_the_installed_ray_has_every_name() -> None:
    assert ray_names.missing() == []


def test_a_name_that_is_gone_is_told_with_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Name("ray.tune.execution.tune_controller", "TuneController._no_such_thing", "nothing works")
    nowhere = Name("ray._private.no_such_module", "anything", "less works")
    monkeypatch.setattr(ray_names, "NAMES", (*NAMES, gone, nowhere))
    first, second = ray_names.missing()
    assert "TuneController._no_such_thing any more; without it, nothing works" in first
    assert "less works" in second


def test_no_other_file_uses_a_private_name_of_ray() -> None:
    names = {name.path.rpartition(".")[2] for name in NAMES}
    private = {name for name in names if name.startswith("_")}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name in ("ray_internals.py", "ray_names.py"):
            continue
        assert not re.search(r"ray\._private|ray\.\w+\._internal", re.sub(r'"ray\._private[.\w]*"', "", text)), path
        for name in private:
            assert f".{name}" not in text, f"{path} uses {name}"


def test_the_dependency_allows_the_release_that_was_tested_and_no_later_one() -> None:
    told = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]["dependencies"]
    major, minor = map(int, TESTED.split("."))
    assert f"ray[default,tune]>={TESTED},<{major}.{minor + 1}" in told


def test_where_a_name_is_gone_the_block_runs_without() -> None:
    with ray_internals.replaced("ray._private.no_such_module", "anything", lambda before: None):
        pass
    with ray_internals.replaced("ray._private.services", "no_such_name", lambda before: None):
        pass


def test_the_controller_of_another_ray_is_left_as_it_is() -> None:
    class Controller:
        pass

    ray_internals.keep_idle_workers(Controller(), None, 3)
    ray_internals.set_worker_environment(Controller(), {}, {})
    ray_internals.on_lost_worker(Controller(), lambda trial, error: error)
    assert ray_internals.live_workers(Controller()) == 0


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of something that answers as a cluster does: with that status to every call without a token."""

    class Answers(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            def answer(message: bytes, context: Any) -> bytes:
                if request.param is not None:
                    context.abort(request.param, "as asked")
                return b""

            return grpc.unary_unary_rpc_method_handler(answer, request_deserializer=bytes, response_serializer=bytes)

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Answers()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.mark.parametrize(
    ("cluster", "wants"), [(None, False), (grpc.StatusCode.UNAUTHENTICATED, True)], indirect=["cluster"]
)
def test_a_token_is_sent_to_a_cluster_that_asks_for_one_and_to_no_other(
    cluster: str, wants: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    sent: list[bool] = []
    setup = import_module(AUTHENTICATION)
    monkeypatch.setattr(setup, "maybe_enable_token_auth_if_token_available", sent.append)
    for address in (cluster, "auto"):
        monkeypatch.setenv("RAY_ADDRESS", cluster)
        with ray_internals.as_it_asks(address):
            assert os.environ.get("RAY_AUTH_MODE") == (None if wants else "disabled")
        assert "RAY_AUTH_MODE" not in os.environ
    assert sent == [False, False] * wants


def test_who_has_chosen_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with ray_internals.as_it_asks("127.0.0.1:1"):
        assert os.environ["RAY_AUTH_MODE"] == "token"
    monkeypatch.delenv("RAY_AUTH_MODE")
    with ray_internals.as_it_asks(None):
        assert "RAY_AUTH_MODE" not in os.environ
