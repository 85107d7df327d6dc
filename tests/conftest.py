"""Fixtures shared by all tests."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

from hypertune.tuning.connect import prepare_environment

# Before any test imports Ray, which reads its settings as it is imported.
prepare_environment()
REPOSITORY = Path(__file__).parent.parent
# No example has a time limit: on a busy machine any of them can exceed Hypothesis's 200 ms.
settings.register_profile("hypertune", deadline=None)
settings.load_profile("hypertune")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the real data sets; the test is skipped where it is absent."""
    folder = Path(os.environ.get("HYPERTUNE_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "FashionMNIST").is_dir():
        pytest.skip(f"needs Fashion-MNIST; {folder} does not hold it (set HYPERTUNE_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of an S3 server on this machine."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def google_server() -> Iterator[str]:
    """`HOST:PORT` of a server on this machine with the interface of Google's storage."""
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    host, port = server._api._httpd.server_address
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture(params=["s3", "gs", "fsspec"])
def url_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], str]:
    """Makes the URL of a folder on empty storage of one of the kinds that there are; `local://` is one of fsspec's."""
    if request.param == "s3":
        bucket = request.getfixturevalue("bucket")
        return lambda name: f"{bucket}/{name}"
    monkeypatch.setenv("HYPERTUNE_WORK_DIR", str(tmp_path / "working"))
    if request.param == "fsspec":
        (tmp_path / "shared").mkdir()
        return lambda name: f"local://{tmp_path}/shared/{name}"
    from pyarrow.fs import GcsFileSystem

    server, name = request.getfixturevalue("google_server"), f"bucket-{uuid.uuid4().hex}"
    GcsFileSystem(anonymous=True, scheme="http", endpoint_override=server, project_id="none").create_dir(name)
    return lambda folder: f"gs://anonymous@{name}/{folder}?scheme=http&endpoint_override={server}"


class Relay:
    """Passes connections on to a server, and holds back whatever is sent while it is `stalled`."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (str(parts.hostname), int(parts.port or 80))
        self.flowing = threading.Event()
        self.flowing.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                inner, _ = self._listening.accept()
                outer = socket.create_connection(self._target)
                for pair in ((inner, outer), (outer, inner)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.flowing.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.flowing.set()
        self._listening.close()


@pytest.fixture
def relay(s3_server: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """The way to the S3 server of `bucket`, which can be stalled."""
    relay = Relay(s3_server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", relay.url)
    yield relay
    relay.close()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The URL of an empty bucket of its own, reached as a user reaches another S3: by environment variables."""
    import boto3

    settings = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "HYPERTUNE_WORK_DIR": str(tmp_path / "working"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """One Ray for all tests of a session, with two CPUs; starting one takes seconds."""
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield
    ray.shutdown()
