"""`hypertune jobs` and `stop`: the studies submitted to a cluster as jobs."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from textwrap import shorten
from typing import Any

from hypertune.cluster import watch
from hypertune.cluster.dashboard import jobs_client
from hypertune.records.live import PROGRESS, STUDY_TEXT, VERDICT, Status
from hypertune.storage.printable import printable
from hypertune.storage.telling import though_unread
from hypertune.tuning.time_left import so_far

TERMINAL = ("SUCCEEDED", "FAILED", "STOPPED")
LONGEST_VERDICT = 60
"""Characters of an outcome in the table; all of it stands in the report."""
ENDINGS = {
    0: "done",
    1: "something in it failed",
    2: "the input is wrong",
    130: "interrupted, can be resumed",
}
"""Meanings of the exit codes of `hypertune compare`."""


def jobs(arguments: argparse.Namespace) -> int:
    """Prints the cluster's studies, the newest first; returns the exit code."""
    from rich.table import Table

    from hypertune.tuning.terminal import Terminal

    with jobs_client(arguments.address) as client:
        found = studies(client)
        address = client.get_address()
        running = _by_name(watch.studies(address)) if found else {}
    if not found:
        print(f"no study has been submitted to {address}")
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "study", "status", "progress", "began", "took", "strategies", "results"):
        table.add_column(name, overflow="fold")
    for job in found:
        facts = job.metadata
        cells = (
            job.submission_id,
            facts["study"],
            ending(job),
            _progress(job, running.get(facts["study"])),
            _began(job),
            _took(job),
            facts["strategies"],
            facts["out"],
        )
        table.add_row(*cells)
    console = Terminal()
    (console if console.is_terminal else Terminal(width=200)).print(table)
    return 0


def studies(client: Any) -> list[Any]:
    """The jobs that `hypertune submit` has sent, the newest first; others may run studies, too, without telling how."""
    found = [job for job in client.list_jobs() if job.submission_id and STUDY_TEXT in (job.metadata or {})]
    return sorted(found, key=lambda job: -(job.start_time or 0))


def require_job(client: Any, job_id: str) -> Any:
    """The study's job with that id, or the only one whose id begins with it.

    Raises:
        ValueError: if there is none, or more than one.
    """
    found = [job for job in studies(client) if job.submission_id.startswith(job_id)]
    exact = [job for job in found if job.submission_id == job_id]
    if exact or len(found) == 1:
        return (exact or found)[0]
    if found:
        raise ValueError(f"{job_id}: several jobs match: {', '.join(job.submission_id for job in found)}")
    raise ValueError(f"{job_id}: no study with that id at {client.get_address()}; hypertune jobs lists them")


def require_running(client: Any) -> Any:
    """The job of the only study that runs.

    Raises:
        ValueError: if none runs, or more than one.
    """
    found = [job for job in studies(client) if job.status.value == "RUNNING"]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"several studies run: {', '.join(job.submission_id for job in found)}; choose one by --job ID"
        )
    raise ValueError(f"no submitted study is running at {client.get_address()}; hypertune jobs lists those that ran")


def ending(job: Any) -> str:
    """The state of a job in words."""
    status = str(job.status.value)
    if status == "FAILED":
        code = job.driver_exit_code
        return ENDINGS.get(code, f"failed (exit code {code})") if code is not None else "failed"
    return {"SUCCEEDED": "done", "STOPPED": "stopped, can be resumed"}.get(status, status.lower())


def _by_name(statuses: Iterable[Status]) -> dict[str, Status]:
    """Each study's status by its name, without those of which several run."""
    statuses = list(statuses)
    count = Counter(status.study for status in statuses)
    return {status.study: status for status in statuses if count[status.study] == 1}


def _progress(job: Any, status: Status | None) -> str:
    """How far a running study is, and how long it will take; of one that has ended, what it found.

    Args:
        status: of a study of that name, which need not be the job's; used while the job has told nothing itself.
    """
    if job.status.value != "RUNNING":
        return shorten(job.metadata.get(VERDICT, "-"), LONGEST_VERDICT, placeholder="...")
    if PROGRESS in job.metadata:
        return str(job.metadata[PROGRESS])
    return "-" if status is None else so_far(status)


def _began(job: Any) -> str:
    if not job.start_time:
        return "-"
    return datetime.fromtimestamp(job.start_time / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _took(job: Any) -> str:
    if not job.start_time:
        return "-"
    seconds = round((job.end_time or time.time() * 1000) / 1000 - job.start_time / 1000)
    return f"{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}"


def follow(client: Any, job_id: str) -> int:
    """Prints a job's output until it ends; returns the study's exit code, 130 if it was stopped.

    Ctrl-C ends only the printing, not the job.
    """
    try:
        asyncio.run(_tail(client, job_id))
        job = wait(client, job_id)
    except KeyboardInterrupt:
        with though_unread():
            print(f"\n{job_id} keeps running; hypertune stop {job_id} stops it", flush=True)
        raise
    print(f"{job_id}: {ending(job)}")
    return exit_code(job)


async def _tail(client: Any, job_id: str) -> None:
    async for lines in client.tail_job_logs(job_id):
        print(printable(lines), end="", flush=True)


def exit_code(job: Any) -> int:
    """The exit code that `hypertune compare` would have returned for the study."""
    status = job.status.value
    if status == "SUCCEEDED":
        return 0
    return 130 if status == "STOPPED" else job.driver_exit_code or 1


def wait(client: Any, job_id: str, *, pause_s: float = 0.5, tell: Callable[[], None] = lambda: None) -> Any:
    """Waits for the job to end and returns it."""
    while (job := client.get_job_info(job_id)).status.value not in TERMINAL:
        tell()
        time.sleep(pause_s)
    return job


def stop(arguments: argparse.Namespace) -> int:
    """Stops a study like Ctrl-C, and waits until it has ended."""
    with jobs_client(arguments.address) as client:
        job_id = require_job(client, arguments.id).submission_id
        if client.stop_job(job_id):
            print(f"{job_id}: stopping; writing its tables and report first")
        job = wait(client, job_id)
    if job.status.value == "STOPPED":
        print(f"{job_id}: stopped. Resume with: hypertune submit --resume {job_id}")
    else:
        print(f"{job_id}: had already ended ({ending(job)})")
    return 0
