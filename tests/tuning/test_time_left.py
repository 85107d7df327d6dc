"""How long a study will still take, against how long a simulated one then takes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from hypertune.records.records import Event
from hypertune.study.file import Budget, Training
from hypertune.study.study import Study
from hypertune.tuning.time_left import Estimate, TimeLeft, rough
from tests.sweep.scripted import Runner, make_study

OWN = Training(trainable="package:train", max_epochs=9)
RETRAINING_S = 4.0


def told(study: Study, workers: int = 1) -> Iterator[tuple[float, Event]]:
    """The events of a whole study with their times; an epoch takes half a second, wherever it runs."""
    began = 3.0
    for seed in study.seeds:
        for strategy in study.strategies:
            wall_s = 0.0
            for event in Runner(study, strategy, seed, workers=workers).run().events:
                wall_s = max(wall_s, event.get("wall_s", 0.0))
                yield began + wall_s, event
            began += wall_s
    if study.training.dataset is not None:
        jobs = study.retrain * len(study.strategies) * len(study.seeds)
        yield began, {"event": "retraining", "jobs": jobs}
        for number in range(1, jobs + 1):
            yield began + number * RETRAINING_S, {"event": "retrained", "status": "completed"}


class Followed:
    """Estimates with the time that was really left, after each event."""

    def __init__(self, study: Study, events: list[tuple[float, Event]], past: int = 0) -> None:
        self.now = 0.0
        time_left = TimeLeft(study, lambda: self.now)
        time_left({"event": "connected", "workers": 1, "past": past})
        self.estimates: list[tuple[float, Estimate | None]] = []
        end = events[-1][0]
        for number, (self.now, event) in enumerate(events):
            time_left(event)
            if number >= past:
                self.estimates.append((end - self.now, time_left.estimate()))

    def known(self) -> list[tuple[float, float]]:
        return [(true, estimate.seconds) for true, estimate in self.estimates if estimate is not None]


@pytest.mark.parametrize("budget", [Budget(epochs=40), Budget(trials=6), Budget(seconds=15)], ids=str)
def test_every_budget_has_an_estimate_from_the_first_epoch_on(budget: Budget) -> None:
    study = make_study(budget=budget, training=OWN, strategies=("random", "bayes"))
    events = list(told(study))
    followed = Followed(study, events)
    first = next(number for number, (_, event) in enumerate(events) if event["event"] == "epoch")
    assert all(estimate is not None for _, estimate in followed.estimates[first:])
    if budget.seconds is None:
        assert all(estimate is None for _, estimate in followed.estimates[:first])
    for true, estimate in followed.known()[-len(events) + first :]:
        assert estimate == pytest.approx(true, rel=0.15, abs=2)


def test_trials_that_end_early_are_expected_to_go_on_doing_so() -> None:
    study = make_study(budget=Budget(trials=10), training=OWN, strategies=("asha",), seeds=(0, 1, 2, 3))
    known = Followed(study, list(told(study))).known()
    for true, estimate in known[len(known) // 3 :]:
        assert true / 2 - 5 < estimate < true * 1.5 + 5  # trained in full, they would take 1.7 times as long in all


def test_the_retrainings_count_from_the_start() -> None:
    study = make_study(retrain=3)
    for true, estimate in Followed(study, list(told(study))).known():
        assert estimate == pytest.approx(true, rel=0.15, abs=2)


def test_of_seconds_the_sweeps_are_known_before_the_first_epoch_and_the_retrainings_come_on_top() -> None:
    study = make_study(budget=Budget(seconds=10))
    _, estimate = Followed(study, list(told(study))[:1]).estimates[0]
    assert estimate == Estimate(40.0, least=True)
    assert estimate.text(datetime(2026, 5, 4, 12, 0)) == "at least 40 s left, until 12:00 or later"


def test_after_a_resume_the_pace_counts_from_there_on() -> None:
    """Neither what lies behind it nor the start of the workers says how long the rest takes."""
    study = make_study(training=OWN)
    events = list(told(study))
    half = len(events) // 2
    replayed = [(0.0, event) for _, event in events[:half]]
    begun: list[tuple[float, Event]] = [(30.0, {"event": "resumed", "strategy": "asha", "seed": 0})]
    went_on = [(at - events[half][0] + 30.5, event) for at, event in events[half:]]
    followed = Followed(study, replayed + begun + went_on, past=half)
    assert followed.estimates[0][1] is None
    for true, estimate in followed.known():
        assert estimate == pytest.approx(true, rel=0.15, abs=2)


def test_the_first_of_many_workers_does_not_make_the_others_look_idle() -> None:
    now = [0.0]
    study = make_study(training=OWN, strategies=("random",), seeds=(0,), budget=Budget(epochs=1000))
    time_left = TimeLeft(study, lambda: now[0])
    time_left({"event": "connected", "workers": 100, "past": 0})
    time_left({"event": "sweep", "strategy": "random", "seed": 0, "workers": 100})
    for number in range(100):
        time_left({"event": "trial", "strategy": "random", "seed": 0, "trial_id": str(number)})
    now[0] = 60.0
    epoch: dict[str, Any] = {"event": "epoch", "epoch": 1, "metrics": {"acc": 0.5}, "spent": 1, "wall_s": 60.0}
    time_left({**epoch, "trial_id": "0"})
    estimate = time_left.estimate()
    assert estimate is not None
    assert estimate.seconds == pytest.approx(9 * 60, rel=0.01)


def test_a_date_where_it_is_not_today() -> None:
    noon = datetime(2026, 5, 4, 12, 0)
    assert Estimate(180).text(noon) == "about 3 min left, until 12:03"
    assert Estimate(13 * 3600).text(noon) == "about 13 h 00 min left, until 2026-05-05 01:00"


def test_an_estimate_is_told_as_roughly_as_it_is() -> None:
    assert [rough(seconds) for seconds in (0, 40.4, 99, 125, 3599, 7500, 200_000)] == [
        "0 s", "40 s", "99 s", "2 min", "1 h 00 min", "2 h 05 min", "2 d 7 h",
    ]  # fmt: skip
