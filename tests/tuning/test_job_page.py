"""What Ray's page of jobs is told of a study."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from hypertune.records.live import Status
from hypertune.tuning import job_page
from hypertune.tuning.job_page import JobPage

STATUS = Status(study="digits", metric="loss", mode="min", budget="epochs=9", sweeps=4, sweeps_done=1, left_s=600.0)


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The entry of the job that this process pretends to be the driver of."""
    entry: dict[str, Any] = {"message": "Job is currently running.", "metadata": None}
    told = {"metadata": {"job_submission_id": "raysubmit_1"}, "runtime_env": {}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(told))

    def change_job(address: str, job_id: str, change: Callable[[dict[str, Any]], None]) -> None:
        assert job_id == "raysubmit_1"
        change(entry)

    monkeypatch.setattr(job_page, "change_job", change_job)
    return entry


def test_progress_then_the_verdict(job: dict[str, Any]) -> None:
    page = JobPage()
    assert page
    page.progress(STATUS)
    assert job["message"].startswith("digits: 25%, about ")
    page.verdict("digits", "Take random. " * 20)
    assert job["metadata"]["study"] == "digits"
    assert job["metadata"]["verdict"] == "Take random. " * 20
    assert job["metadata"]["job_name"].startswith("digits: Take random.")
    assert len(job["metadata"]["job_name"]) < 120
    JobPage().progress(STATUS)  # of a second study of the same job
    assert "verdict" not in job["metadata"]


def test_a_name_that_somebody_gave_a_job_stays(job: dict[str, Any]) -> None:
    job["metadata"] = {"job_name": "nightly", "team": "vision"}
    JobPage().verdict("digits", "Take random.")
    assert job["metadata"] == {"job_name": "nightly", "team": "vision", "study": "digits", "verdict": "Take random."}


def test_a_ray_that_does_not_answer_is_told_once_and_left_alone(
    job: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def fails(*_: Any) -> None:
        calls.append(1)
        raise TimeoutError("no answer")

    monkeypatch.setattr(job_page, "change_job", fails)
    monkeypatch.setattr(job_page, "EVERY_S", 0.0)
    page = JobPage()
    for _ in range(6):
        page.progress(STATUS)
    assert len(calls) == 3
    assert capsys.readouterr().err.count("no longer follows this study: TimeoutError: no answer") == 1


@pytest.mark.parametrize("told", ["", "[]", "{}", "{"])
def test_a_process_that_is_no_job(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", told)
    assert not JobPage()
    JobPage().progress(STATUS)
