"""The list of submitted studies, told by a client that only pretends to reach a cluster."""

from __future__ import annotations

import os
from argparse import Namespace
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest

from hypertune.cluster import jobs, logs
from hypertune.cluster.jobs import require_job, studies
from hypertune.commands import submit
from hypertune.records.live import JOB_NAME, PROGRESS, STUDY, STUDY_TEXT, Status
from hypertune.tuning.time_left import so_far
from tests.sweep.scripted import make_study


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


@pytest.mark.parametrize("trial", ["hyperopt+asha_s0_0001", "my searcher_s0_0001", "größe_s1_0002"])
def test_the_log_of_a_trial_of_any_strategy_is_shown(
    trial: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = {STUDY: "digits", STUDY_TEXT: "[study]", "out": "s3://bucket/out", "strategies": "random"}
    monkeypatch.setattr(logs, "jobs_client", lambda address: nullcontext(Client([Job("first", sent)])))
    monkeypatch.setattr(logs, "read_file", lambda client, job, name: f"printed in {name}".encode())
    assert logs.logs(Namespace(id="first", trial=trial, follow=False, address=None)) == 0
    assert capsys.readouterr().out == f"printed in logs/{trial}.txt"
    for wrong in ("../x", "a/b", "a\\b", "a\x1b"):
        with pytest.raises(ValueError, match="not the id of a trial"):
            logs.logs(Namespace(id="first", trial=wrong, follow=False, address=None))


def test_each_of_two_jobs_with_the_same_study_shows_its_own_progress() -> None:
    both = [Status(study="digits", metric="acc", mode="max", budget="b", sweeps=4, sweeps_done=n) for n in (1, 3)]
    alone = Status(study="other", metric="acc", mode="max", budget="b", sweeps=4, sweeps_done=2)
    running = jobs._by_name([*both, alone])
    told = [Job("a", {STUDY: "digits", PROGRESS: "25%"}), Job("b", {STUDY: "digits", PROGRESS: "75%"})]
    assert [jobs._progress(job, running.get("digits")) for job in told] == ["25%", "75%"]
    assert jobs._progress(Job("new", {STUDY: "digits"}), running.get("digits")) == "-"
    assert jobs._progress(Job("c", {STUDY: "other"}), running.get("other")) == so_far(alone)


def test_a_user_without_a_name_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr(submit.getpass, "getuser", unknown)
    assert submit._metadata(make_study(), "id", "~/out")["user"] == str(os.getuid())
