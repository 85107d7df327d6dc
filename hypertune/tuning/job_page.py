"""What Ray's page of jobs tells of a study that was submitted as a job: how far it is, and then what it found."""

from __future__ import annotations

import json
import os
import time
from textwrap import shorten
from typing import Any

from hypertune.records.live import JOB_NAME, PROGRESS, STUDY, VERDICT, Status
from hypertune.storage.telling import tell_user
from hypertune.tuning.ray_internals import change_job
from hypertune.tuning.time_left import so_far

EVERY_S = 10.0
LONGEST = 100
"""Characters of an outcome in a job's name."""
PATIENCE = 3
"""Failures in a row after which nothing more is told."""


class JobPage:
    """The entry of the job that this process is the driver of; of no job, it does nothing."""

    def __init__(self) -> None:
        self._address, self._job_id = os.environ.get("RAY_ADDRESS", ""), _job_id()
        self._due, self._failures = 0.0, 0

    def __bool__(self) -> bool:
        """Whether this process is a job's driver."""
        return self._job_id is not None

    def progress(self, status: Status) -> None:
        """Tells how far the study is, every ten seconds at most."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY_S
        told = so_far(status)

        def change(job: dict[str, Any]) -> None:
            job["message"] = f"{status.study}: {told}"
            kept = {name: value for name, value in (job["metadata"] or {}).items() if name != VERDICT}
            job["metadata"] = {**kept, STUDY: status.study, PROGRESS: told}

        self._change(change)

    def verdict(self, study: str, sentence: str) -> None:
        """Tells what can be concluded from the study; also in the job's name, unless somebody has given it another."""

        def change(job: dict[str, Any]) -> None:
            facts = {**(job["metadata"] or {}), STUDY: study, VERDICT: sentence}
            if facts.get(JOB_NAME, study) == study:
                facts[JOB_NAME] = f"{study}: {shorten(sentence, LONGEST, placeholder='...')}"
            job["metadata"] = facts

        self._change(change)

    def _change(self, change: Any) -> None:
        if not self._job_id:
            return
        try:
            change_job(self._address, self._job_id, change)
            self._failures = 0
        except Exception as error:  # noqa: BLE001 -- whatever Ray raises; a page is not worth a study
            self._failures += 1
            if self._failures == PATIENCE:
                self._job_id = None
                tell_user(f"Ray's page of jobs no longer follows this study: {type(error).__name__}: {error}")


def _job_id() -> str | None:
    """The submission id of the job whose driver this process is, which Ray tells it in its environment."""
    try:
        told = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
        return (told.get("metadata") or {}).get("job_submission_id")
    except (ValueError, AttributeError):
        return None
