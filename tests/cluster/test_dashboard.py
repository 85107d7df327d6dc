"""Addresses and tokens: what is asked, of whom, and what a user is told."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from hypertune.cluster.dashboard import find_address, jobs_client
from hypertune.tuning import token
from hypertune.tuning.token import find_token, make_token


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(token, "TOKEN_FILE", tmp_path / ".ray" / "auth_token")


class Answers(BaseHTTPRequestHandler):
    """A server that answers every request as it is told, and remembers the last one's token."""

    status, body, token = 200, b"", ""

    def do_GET(self) -> None:
        type(self).token = self.headers.get("Authorization", "")
        self.send_response(self.status)
        if self.status == 302:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    http = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (None, "http://127.0.0.1:8265"),
        ("head", "http://head:8265"),
        ("head:1234", "http://head:1234"),
        ("http://head:1234/", "http://head:1234"),
        ("https://ray.example.org/team", "https://ray.example.org:443/team"),
        ("http://[::1]:8265", "http://[::1]:8265"),
    ],
)
def test_addresses(given: str | None, url: str) -> None:
    assert find_address(given) == url


def test_the_environment_names_the_address_unless_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert find_address(None) == "http://127.0.0.1:8265"
    monkeypatch.setenv("RAY_ADDRESS", "http://head:8265")
    assert find_address(None) == "http://head:8265"
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://other:8265")
    assert find_address(None) == "http://other:8265"
    assert find_address("third") == "http://third:8265"


@pytest.mark.parametrize("address", ["auto", "ray://head:10001", "http://", "http://me:pw@head:8265"])
def test_what_is_no_dashboard_is_refused_without_repeating_a_password(address: str) -> None:
    with pytest.raises(ValueError, match="--address") as told:
        find_address(address)
    assert "pw" not in str(told.value)


def test_the_token_comes_from_where_ray_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_token() is None
    make_token()
    assert len(find_token() or "") == 64
    (tmp_path / "token").write_text("from a file\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    assert find_token() == "from a file"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "given")
    assert find_token() == "given"


def test_a_token_file_that_is_named_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/nowhere/token")
    with pytest.raises(ValueError, match="RAY_AUTH_TOKEN_PATH: /nowhere/token does not exist"):
        find_token()


def test_a_token_is_made_once_and_for_its_user_alone() -> None:
    make_token()
    first = token.TOKEN_FILE.read_text()
    assert stat.S_IMODE(token.TOKEN_FILE.stat().st_mode) == 0o600
    make_token()
    assert token.TOKEN_FILE.read_text() == first


def test_a_token_that_others_can_read_is_closed_to_them() -> None:
    make_token()
    token.TOKEN_FILE.chmod(0o644)
    make_token()
    assert stat.S_IMODE(token.TOKEN_FILE.stat().st_mode) == 0o600


def test_a_token_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(token, "TOKEN_FILE", tmp_path / "file" / "auth_token")
    with pytest.raises(ValueError, match="cannot be written .*RAY_AUTH_TOKEN_PATH"):
        make_token()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b"", "the cluster asks for a token"),
        (200, b"<html>", "what answers there is not a Ray dashboard"),
        (302, b"", "what answers there is not a Ray dashboard"),
        (200, json.dumps({"ray_version": "2.9.3"}).encode(), "runs Ray 2.9.3; hypertune needs 2.60 or newer there"),
    ],
)
def test_what_answers_is_looked_at_first(server: str, status: int, body: bytes, said: str) -> None:
    Answers.status, Answers.body = status, body
    with pytest.raises(ValueError, match=said), jobs_client(server):
        pytest.fail("was entered")


def test_a_wrong_token_is_told_and_not_repeated(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Answers.status = 403
    monkeypatch.setenv("RAY_AUTH_TOKEN", "hunter2")
    with pytest.raises(ValueError, match="the token is wrong") as told, jobs_client(server):
        pytest.fail("was entered")
    assert Answers.token == "Bearer hunter2"
    assert "hunter2" not in str(told.value)


def test_nothing_answers() -> None:
    with pytest.raises(ValueError, match="no Ray dashboard answers there .*usually 8265"), jobs_client("127.0.0.1:1"):
        pytest.fail("was entered")
    assert "RAY_API_SERVER_ADDRESS" not in os.environ
