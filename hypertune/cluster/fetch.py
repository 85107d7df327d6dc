"""`hypertune fetch`: copies a study's output folder from the cluster, by the jobs API or from shared storage."""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import secrets
import shlex
import shutil
import tarfile
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypertune.cluster import fetched, pack_results
from hypertune.cluster.dashboard import jobs_client
from hypertune.cluster.jobs import require_job, require_running, wait
from hypertune.records.records import FILES
from hypertune.storage.files import STUDY
from hypertune.storage.lease import LEASE
from hypertune.storage.storage import Storage, is_url

MOST_BYTES = 500 * 2**20
"""Maximal size of a packed folder fetched through a job's log, which the head node keeps in memory."""
ATTEMPTS = 3
"""How often a folder is packed and read before it is told that it arrives damaged."""


class Damaged(ValueError):
    """The results have not arrived as they were sent."""


def fetch(arguments: argparse.Namespace) -> int:
    """Copies a study's output folder here, without Ray Tune's checkpoints; returns the exit code.

    Raises:
        ValueError: if the study has written nothing yet, or the local folder holds something else.
    """
    with jobs_client(arguments.address) as client:
        job = require_job(client, arguments.id)
        target = arguments.out or Path("hypertune-out") / job.submission_id
        fetched.check(target, job.submission_id)
        _copy(client, job, target)
    print(f"{target}: fetched from {job.metadata['out']}" + ("" if job.end_time else "; the study is still running"))
    return 0


class Copied:
    """A copy of a study's records on a cluster, made anew as often as it is asked for.

    Args:
        address: the dashboard's.
        job_id: the study's job, or what its id begins with; None for the only study that runs.
        folder: where the copy is.

    Attributes:
        job_id: the job's id.
        out: the output folder on the cluster, or its URL.

    Raises:
        ValueError: if there is no such study, or several run.
    """

    def __init__(self, address: str, job_id: str | None, folder: Path) -> None:
        self._address, self._folder = address, folder
        with jobs_client(address) as client:
            job = require_job(client, job_id) if job_id else require_running(client)
        self.job_id, self.out = str(job.submission_id), str(job.metadata["out"])

    def renew(self) -> bool:
        """Copies what there is now; returns whether the study was still running then.

        Raises:
            ValueError: if the cluster does not answer, or the study has written nothing yet.
        """
        with jobs_client(self._address) as client:
            job = require_job(client, self.job_id)
            _copy(client, job, self._folder, *FILES)
        return not job.end_time


def _copy(client: Any, job: Any, target: Path, *names: str) -> None:
    """Copies the output folder, or these of its files."""
    job_id, place = job.submission_id, job.metadata["out"]
    with tempfile.TemporaryDirectory(prefix="hypertune-") as folder:
        staged = Path(folder)
        if is_url(place):
            storage = Storage(place)
            storage.download(staged, names or (name for name in storage.files() if name != LEASE))
        else:
            unpack(_through_log(client, job_id, place, *names), staged)
        if not (staged / STUDY).is_file():
            raise ValueError(f"{job_id}: has written nothing to {place} yet; try again later")
        fetched.replace(staged, target, job_id)


def read_file(client: Any, job: Any, name: str) -> bytes | None:
    """The content of one file of a study's output folder; None if there is none of that name."""
    place = job.metadata["out"]
    if is_url(place):
        return Storage(place).read(name)
    with tempfile.TemporaryDirectory(prefix="hypertune-") as folder:
        unpack(_through_log(client, job.submission_id, place, name), Path(folder))
        path = Path(folder, name)
        return path.read_bytes() if path.is_file() else None


def _through_log(client: Any, job_id: str, place: str, *names: str) -> bytes:
    """The packed folder, or these of its files, from the log of a small job on the head node, where the study's driver
    ran; tried again where it arrives damaged, as by what else is written to that log."""
    for _ in range(ATTEMPTS - 1):
        with suppress(Damaged):
            return _sent(client, job_id, place, *names)
    return _sent(client, job_id, place, *names)


def _sent(client: Any, job_id: str, place: str, *names: str) -> bytes:
    helper = f"fetch-{job_id}-{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory(prefix="hypertune-job-") as folder:
        shutil.copyfile(pack_results.__file__, Path(folder) / "pack_results.py")
        client.submit_job(
            entrypoint="exec " + shlex.join(["python", "pack_results.py", place, str(MOST_BYTES), *names]),
            submission_id=helper,
            runtime_env={"working_dir": folder},
            metadata={"hypertune_fetch": job_id},
        )
    try:
        ended = wait(client, helper)
        return read_packed(client.get_job_logs(helper), reason=ended.message or "")
    finally:
        wait(client, helper)
        client.delete_job(helper)


def read_packed(log: str, *, reason: str = "") -> bytes:
    """Extracts the archive from the log of `pack_results`.

    Raises:
        ValueError: if it is missing, saying why.
        Damaged: if it is not whole.
    """
    lines = log.splitlines()
    if pack_results.BEGIN not in lines:
        said = next((line for line in reversed(lines) if line.strip()), reason)
        raise ValueError(f"the results could not be packed on the cluster: {said}")
    begin = lines.index(pack_results.BEGIN) + 1
    end = next((i for i, line in enumerate(lines) if i >= begin and line.startswith(f"{pack_results.END} ")), None)
    if end is None:
        raise Damaged("the results arrived truncated; fetch them again")
    try:
        content = base64.b64decode("".join(lines[begin:end]))
    except ValueError:
        content = b""
    if hashlib.sha256(content).hexdigest() != lines[end].split()[-1]:
        raise Damaged("the results arrived damaged; fetch them again")
    return content


def unpack(content: bytes, folder: Path) -> None:
    """Unpacks an untrusted archive from a cluster; only writes below `folder`.

    Raises:
        ValueError: if an entry is not a file or folder below `folder`.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for entry in archive:
                if not (entry.isfile() or entry.isdir()):
                    raise ValueError(f"the results contain {entry.name!r}, which is neither a file nor a folder")
                archive.extract(entry, folder, filter="data")
    except (
        tarfile.TarError,
        EOFError,
        zlib.error,
        OSError,
        OverflowError,
    ) as error:  # the last is of sizes in a header
        raise ValueError(f"the results cannot be unpacked: {error}") from None
