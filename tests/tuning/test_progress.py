"""What a person without a terminal reads while a study runs."""

from __future__ import annotations

import io

from rich.console import Console

from hypertune.study import Study
from hypertune.tuning.display import PLAIN_SECONDS, Progress


def test_retraining_says_how_far_it_is_and_how_long_it_takes() -> None:
    now, text = [0.0], io.StringIO()
    progress = Progress(Study.load("digits_cnn"), Console(file=text, width=200), clock=lambda: now[0])
    progress({"event": "retraining", "jobs": 4})
    for _ in range(4):
        now[0] += PLAIN_SECONDS
        progress({"event": "retrained"})
    lines = [line.strip() for line in text.getvalue().splitlines()]
    assert lines[1:] == [
        "retraining 1 of 4, about 30 s left",
        "retraining 2 of 4, about 20 s left",
        "retraining 3 of 4, about 10 s left",
    ]


def test_nothing_is_said_more_often_than_it_is_worth() -> None:
    now, text = [0.0], io.StringIO()
    progress = Progress(Study.load("digits_cnn"), Console(file=text, width=200), clock=lambda: now[0])
    progress({"event": "retraining", "jobs": 100})
    for _ in range(50):
        now[0] += PLAIN_SECONDS / 10
        progress({"event": "retrained"})
    assert text.getvalue().count("retraining ") == 5
