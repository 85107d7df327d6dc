"""What a person without a terminal reads while a study runs."""

from __future__ import annotations

import io
import re
import time
from concurrent.futures import CancelledError
from datetime import datetime, timedelta
from typing import Any

import pytest

from hypertune.records.records import Event
from hypertune.study.file import Training
from hypertune.study.study import Study
from hypertune.tuning.display import PLAIN_SECONDS, Progress
from hypertune.tuning.reading import Reading
from hypertune.tuning.terminal import Terminal
from tests.sweep.scripted import Runner, make_study


def test_retraining_says_how_far_it_is_and_how_long_it_takes() -> None:
    now, text = [0.0], io.StringIO()
    noon = datetime(2026, 5, 4, 12, 0)
    progress = Progress(
        Study.load("digits_cnn").replace(seeds=tuple(range(10))),
        Terminal(file=text, width=200),
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
    progress = Progress(
        Study.load("digits_cnn").replace(seeds=tuple(range(10))), Terminal(file=text, width=200), clock=lambda: now[0]
    )
    progress({"event": "retraining", "jobs": 100})
    for _ in range(50):
        now[0] += PLAIN_SECONDS / 10
        progress({"event": "retrained"})
    assert text.getvalue().count("retraining ") == 5


def shown(study: Study, events: list[Event], **facts: Any) -> list[str]:
    """The lines of a log, each event a second after the other."""
    now, text = [0.0], io.StringIO()
    noon = datetime(2026, 5, 4, 12, 0)
    console = Terminal(file=text, width=80)
    progress = Progress(study, console, title="the study", clock=lambda: now[0], now=lambda: noon)
    with progress:
        progress({"event": "connected", "dashboard": "http://127.0.0.1:8265", "workers": 2, "past": 0, **facts})
        for event in events:
            now[0] += 1
            progress(event)
    return text.getvalue().splitlines()


def sweeps_of(study: Study) -> list[Event]:
    order = [(strategy, seed) for seed in study.seeds for strategy in study.strategies]
    return [event for strategy, seed in order for event in Runner(study, strategy, seed).run().events]


def test_a_log_has_the_dashboard_the_time_left_from_the_first_epoch_on_and_every_sweep() -> None:
    study = make_study(training=Training(trainable="package:train", max_epochs=9))
    lines = shown(study, sweeps_of(study))
    assert lines[:2] == ["the study", "Ray is up: 2 trials at a time, dashboard http://127.0.0.1:8265"]
    assert lines[2].startswith("  random seed 0: 1 of 40 epochs, best ")
    assert " left, until 12:0" in lines[2]
    done = [line for line in lines if line.startswith("  [")]
    assert [line.split(":")[0] for line in done] == [
        "  [1/4] random seed 0", "  [2/4] asha   seed 0", "  [3/4] random seed 1", "  [4/4] asha   seed 1",
    ]  # fmt: skip
    assert "40 epochs, " in done[0]


def test_a_resumed_study_says_what_lies_behind_it_once() -> None:
    study = make_study()
    events = sweeps_of(study)
    past = [number for number, event in enumerate(events, 1) if event["event"] == "done"][2]
    lines = shown(study, events, past=past)
    assert lines[2] == "Resuming: 3 of 4 sweeps are done"
    assert [line[:7] for line in lines if line.startswith("  [")] == ["  [4/4]"]


def test_a_failed_retraining_is_told() -> None:
    failed = {"event": "retrained", "status": "failed", "trial_id": "random_s0_0001", "error": "RuntimeError: out"}
    lines = shown(make_study(), [{"event": "retraining", "jobs": 2}, failed, failed])
    assert "  retraining of random_s0_0001 failed: RuntimeError: out" in lines


def test_a_reader_that_has_gone_does_not_end_the_study() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    progress = Progress(make_study(), Terminal(file=Gone(), width=80))
    with progress:
        for event in sweeps_of(make_study()):
            progress(event)
    assert progress.state.finished == 4


def test_a_terminal_shows_bars_within_its_width_and_leaves_the_lines() -> None:
    study, text = make_study(strategies=("optuna-cmaes+asha", "random")), io.StringIO()
    progress = Progress(study, Terminal(file=text, width=80, force_terminal=True, color_system=None))
    with progress:
        for event in sweeps_of(make_study(strategies=("random",), seeds=(0,)))[:20]:
            progress(event)
        assert progress.state.current is not None
        progress.state.current.strategy = "optuna-cmaes+asha"
        time.sleep(0.6)  # the display draws itself four times a second
    frames = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.getvalue())
    assert "0 of 4 sweeps, 2 running, about " in frames
    assert max(len(line.rstrip()) for line in frames.replace("\r", "\n").splitlines()) <= 80


def test_the_reading_of_many_images_is_followed() -> None:
    now, text = [0.0], io.StringIO()
    progress = Progress(
        Study.load("digits_cnn").replace(seeds=tuple(range(10))), Terminal(file=text, width=200), clock=lambda: now[0]
    )
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
