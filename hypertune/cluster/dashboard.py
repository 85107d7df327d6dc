"""Talks to a cluster's dashboard: its address, its token, and errors in one line."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from hypertune.tuning.token import TOKEN_FILE, token_headers

PORT = 8265
TIMEOUT_S = 10.0
OLDEST_RAY = (2, 60)


def find_address(given: str | None) -> str:
    """The dashboard's URL: as given, else from `RAY_API_SERVER_ADDRESS` or `RAY_ADDRESS`, else this machine's.

    Raises:
        ValueError: for an address that is not a dashboard's.
    """
    address = given or os.environ.get("RAY_API_SERVER_ADDRESS") or _http(os.environ.get("RAY_ADDRESS"))
    if address is None:
        return f"http://127.0.0.1:{PORT}"
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme not in ("http", "https") or parts.hostname in (None, "auto", "local"):
        raise ValueError(f"--address {address}: give the dashboard's address, e.g. http://HEAD:{PORT}")
    if parts.username or parts.password:
        raise ValueError("--address: contains credentials; give the token in RAY_AUTH_TOKEN or a file")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port or (PORT if parts.scheme == "http" else 443)
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"


def is_dashboard(address: str) -> bool:
    """Whether it is a dashboard's address, and no folder or other URL."""
    return address.startswith(("http://", "https://"))


def _http(address: str | None) -> str | None:
    return address if address and is_dashboard(address) else None


@contextmanager
def jobs_client(address: str | None) -> Iterator[Any]:
    """Yields Ray's `JobSubmissionClient`; Ray's exceptions in the block become a ValueError of one line.

    Raises:
        ValueError: if nothing or no dashboard answers, or its Ray is too old, or it rejects the token.
    """
    url = find_address(address)
    headers = token_headers()
    _check(url, headers)
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    for name in ("dashboard.modules.dashboard_sdk", "dashboard.modules.job.sdk", "_private.runtime_env.packaging"):
        logging.getLogger(f"ray.{name}").setLevel(logging.WARNING)
    with _only(url):
        client = JobSubmissionClient(url, headers=headers)
    try:
        yield client
    except (AuthenticationError, ConnectionError, RuntimeError, OSError) as error:
        raise ValueError(f"--address {url}: {_line(error)}") from None


@contextmanager
def _only(url: str) -> Iterator[None]:
    """Hides the addresses in the environment, which Ray would prefer to the one that the user gave."""
    name = "RAY_API_SERVER_ADDRESS"
    before = os.environ.get(name)
    os.environ[name] = url
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _check(url: str, headers: dict[str, str]) -> None:
    """Makes one request, so that a wrong address is reported at once in one line."""
    import requests

    try:
        # No redirects: the token is for this address only.
        answer = requests.get(f"{url}/api/version", headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
    except requests.RequestException as error:
        hint = f"; its port is usually {PORT}" if urlsplit(url).port != PORT else ""
        raise ValueError(f"--address {url}: no Ray dashboard answers there ({type(error).__name__}){hint}") from None
    if answer.status_code in (401, 403):
        _refused(url, bool(headers))
    try:
        version = str(answer.json()["ray_version"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"--address {url}: what answers there is not a Ray dashboard") from None
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_RAY:
        wanted = ".".join(map(str, OLDEST_RAY))
        raise ValueError(f"--address {url}: runs Ray {version}; hypertune needs {wanted} or newer there")


def _refused(url: str, had_token: bool) -> None:
    if had_token:
        raise ValueError(
            f"--address {url}: the token is wrong; it comes from RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or {TOKEN_FILE}"
        )
    raise ValueError(
        f"--address {url}: the cluster asks for a token; give it in RAY_AUTH_TOKEN, or a file that holds it in "
        f"RAY_AUTH_TOKEN_PATH or as {TOKEN_FILE}"
    )


def _line(error: BaseException) -> str:
    """An error's message; the last line of a traceback from the dashboard."""
    lines = [line.strip().rstrip('".') for line in str(error).replace("\\n", "\n").splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return (lines[-1] if "Traceback" in lines[0] else " ".join(lines))[:300]
