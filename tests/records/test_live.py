"""What a person watches is what the records say."""

from __future__ import annotations

import msgspec
import pytest

from hypertune.records.live import Live, Status
from hypertune.records.records import FINAL_STATUSES, Book
from hypertune.result import is_complete
from tests.sweep.scripted import Runner, make_study

STRATEGIES = ("random", "hyperband", "pbt")


@pytest.mark.parametrize("cut", [7, 40, None])
def test_a_study_seen_live_agrees_with_its_records(cut: int | None) -> None:
    study = make_study(strategies=STRATEGIES, seeds=(0,))
    live = Live(study)
    for name in STRATEGIES:
        runner = Runner(study, name).run()
        runner.events = runner.events[:cut]
        for event in runner.events:
            live(event)
        row, book = next(iter(runner.book().sweeps.values())), runner.book()
        seen = next(strategy for strategy in live.status().strategies if strategy.strategy == name)
        assert seen.epochs == row["epochs"]
        assert sum(seen.trials.values()) == row["trials"]
        assert {status: seen.trials.get(status, 0) for status in FINAL_STATUSES} == {s: row[s] for s in FINAL_STATUSES}
        assert seen.best == max(trial.get("acc", -1.0) for trial in book.trials.values())
        assert seen.utilisation == pytest.approx(row["busy_s"] / (row["workers"] * row["wall_s"]))
        assert seen.sweeps == int(row["finished"]) == (cut is None)


def test_the_share_and_the_rate_are_those_of_the_sweep_that_runs() -> None:
    study = make_study(strategies=("random",), seeds=(0, 1))
    live = Live(study)
    runner = Runner(study, "random", workers=1).run()  # half a second an epoch
    *most, done = runner.events
    for event in most:
        live(event)
    status = live.status()
    assert (status.running, status.share, status.workers) == ("random seed 0", 1.0, 1)
    assert status.strategies[0].epochs_per_s == pytest.approx(2.0)
    live(done)
    status = live.status()
    assert (status.running, status.sweeps_done) == (None, 1)
    assert status.strategies[0].epochs_per_s == 0


def test_a_status_survives_the_way_to_another_machine() -> None:
    study = make_study()
    live = Live(study)
    for event in Runner(study, "asha").run().events:
        live(event)
    assert msgspec.json.decode(msgspec.json.encode(live.status()), type=Status) == live.status()


def test_a_study_that_has_been_decided_is_done_with_fewer_sweeps() -> None:
    study = make_study(strategies=("random", "asha"), seeds=tuple(range(10)), until_decided=True, retrain=0)
    live, book = Live(study), Book(study)
    for strategy, seed in [("random", 0), ("random", 1), ("random", 2), ("asha", 0), ("asha", 1), ("asha", 2)]:
        for event in Runner(study, strategy, seed=seed).run().events:
            live(event)
            book.apply(event)
    assert (live.status().sweeps, is_complete(book.records())) == (20, False)
    look = {"event": "look", "seeds": 3, "ended": True, "why": "decided", "dropped": ["asha"], "told": ""}
    planned = {"event": "planned", "plan": {}, "before": {"margin": None}}
    for event, sweeps, done in ((look, 6, True), (planned, 13, False)):  # `asha` gets no more seeds, `random` seven
        live(event)
        book.apply(event)
        status = live.status()
        assert (status.sweeps, status.sweeps_done) == (sweeps, 6)
        assert is_complete(book.records()) == done
        assert len(book.records().sweeps_planned) == sweeps


def test_retrainings_are_counted() -> None:
    study = make_study(strategies=("random",), seeds=(0,))
    live = Live(study)
    for event in Runner(study, "random").run().events:
        live(event)
    assert live.status().retrained is None
    live({"event": "retraining", "jobs": 1})
    assert live.status().retrained == (0, 1)
    live({"event": "retrained"})
    assert live.status().retrained == (1, 1)
