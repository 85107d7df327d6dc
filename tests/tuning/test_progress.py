"""What a person without a terminal reads while a study runs."""

from __future__ import annotations

import io
from concurrent.futures import CancelledError
from datetime import datetime, timedelta

import pytest
from rich.console import Console

from hypertune.records.records import Event
from hypertune.study.study import Study
from hypertune.tuning.display import PLAIN_SECONDS, Progress
from hypertune.tuning.reading import Reading


def test_retraining_says_how_far_it_is_and_how_long_it_takes() -> None:
    now, text = [0.0], io.StringIO()
    noon = datetime(2026, 5, 4, 12, 0)
    progress = Progress(
        Study.load("digits_cnn"),
        Console(file=text, width=200),
        clock=lambda: now[0],
        now=lambda: noon + timedelta(seconds=now[0]),
    )
    progress({"event": "retraining", "jobs": 4})
    for _ in range(4):
        now[0] += PLAIN_SECONDS
        progress({"event": "retrained"})
    lines = [line.strip() for line in text.getvalue().splitlines()]
    assert lines[1:] == [
        "retraining 1 of 4, about 30 s left, until 12:00",
        "retraining 2 of 4, about 20 s left, until 12:00",
        "retraining 3 of 4, about 10 s left, until 12:00",
    ]


def test_nothing_is_said_more_often_than_it_is_worth() -> None:
    now, text = [0.0], io.StringIO()
    progress = Progress(Study.load("digits_cnn"), Console(file=text, width=200), clock=lambda: now[0])
    progress({"event": "retraining", "jobs": 100})
    for _ in range(50):
        now[0] += PLAIN_SECONDS / 10
        progress({"event": "retrained"})
    assert text.getvalue().count("retraining ") == 5


def test_the_reading_of_many_images_is_followed() -> None:
    now, text = [0.0], io.StringIO()
    progress = Progress(Study.load("digits_cnn"), Console(file=text, width=200), clock=lambda: now[0])
    reading = Reading(progress, clock=lambda: now[0])
    for done in range(1, 31):
        now[0] += 1
        reading(done, 1200)
    progress({"event": "connected", "workers": 2, "dashboard": "", "notes": ["left out: 3 .txt"]})
    lines = [line.strip() for line in text.getvalue().splitlines()]
    assert lines[:3] == ["reading images: 1 of 1,200", "reading images: 11 of 1,200", "reading images: 21 of 1,200"]
    assert lines[3] == "Note: left out: 3 .txt"


def test_a_short_reading_is_not_spoken_of_and_a_stopped_one_ends() -> None:
    events: list[Event] = []
    now = [0.0]
    reading = Reading(events.append, clock=lambda: now[0])
    for done in range(100):
        now[0] += 0.009
        reading(done, 100)
    assert events == []
    reading.stop()
    with pytest.raises(CancelledError):
        reading(100, 100)
