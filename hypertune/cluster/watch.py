"""Reads the status of running studies from a Ray cluster's dashboard, whose port is all it needs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec

from hypertune.cluster.dashboard import TIMEOUT_S, find_address
from hypertune.records.live import STATUS_FILE, STUDY, Status
from hypertune.tuning.token import token_headers


def studies(address: str) -> list[Status]:
    """The studies running on the cluster whose dashboard is at `address`, e.g. `http://HEAD:8265`.

    Raises:
        ValueError: if no dashboard answers there.
    """
    address = find_address(address)
    answer = _get(f"{address}/api/jobs/")
    if not answer.ok:
        raise ValueError(f"{address}: what answers there is not a Ray dashboard (HTTP {answer.status_code})")
    jobs = answer.json()
    found = [_status(address, *place) for job in jobs if job["status"] == "RUNNING" if (place := _place(job))]
    return [status for status in found if status is not None]


def _place(job: dict[str, Any]) -> tuple[str, str] | None:
    """The node of the job's driver and the name of its study, if it runs one."""
    study, driver = (job["metadata"] or {}).get(STUDY), job["driver_info"]
    return (driver["node_ip_address"], study) if study and driver else None


def _status(address: str, node: str, study: str) -> Status | None:
    """One study's status; None if it has not written any yet, or its node is too busy to answer."""
    query = urlencode({"node_ip": node, "filename": STATUS_FILE.format(study=study), "lines": -1})
    answer = _get(f"{address}/api/v0/logs/file?{query}")
    body = answer.content if answer.ok else b""
    return msgspec.json.decode(body, type=Status) if body.startswith(b"{") else None  # otherwise an error message


def _get(url: str) -> Any:
    import requests

    headers = token_headers()
    try:
        answer = requests.get(url, headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
    except requests.RequestException as error:
        raise ValueError(f"{url}: no Ray dashboard answers there ({type(error).__name__})") from None
    if answer.status_code in (401, 403):
        raise ValueError(f"{url}: the cluster asks for a token; give it in RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH")
    return answer
