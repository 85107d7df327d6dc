"""The list of submitted studies, told by a client that only pretends to reach a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hypertune.cluster.jobs import require_job, studies
from hypertune.records.live import JOB_NAME, PROGRESS, STUDY, STUDY_TEXT


class State(Enum):
    RUNNING = "RUNNING"


@dataclass
class Job:
    submission_id: str | None
    metadata: dict[str, str] | None
    start_time: int = 0
    status: State = State.RUNNING


@dataclass
class Client:
    jobs: list[Job] = field(default_factory=list)

    def list_jobs(self) -> list[Any]:
        return self.jobs

    def get_address(self) -> str:
        return "http://127.0.0.1:8265"


def test_only_what_was_submitted_by_the_command_is_listed() -> None:
    sent = {STUDY: "digits", STUDY_TEXT: "[study]", "out": "s3://bucket/out", "strategies": "random"}
    told = {STUDY: "digits", PROGRESS: "25%", JOB_NAME: "digits"}  # of a RayJob whose driver runs a study
    driver = Job(None, sent)
    client = Client([Job("first", sent, 1), Job("rayjob", told, 2), Job("other", None), driver, Job("new", sent, 3)])
    assert [job.submission_id for job in studies(client)] == ["new", "first"]
    assert require_job(client, "fir").submission_id == "first"
