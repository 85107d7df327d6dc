"""Wall-clock times compare only where the sweeps had the same workers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hypertune.comparison.assessment import assess
from hypertune.comparison.wording import sentences
from hypertune.comparison.workers import workers_sentence
from hypertune.records.offered import Offered
from hypertune.records.records import Records
from tests.comparison.synthetic import make_records
from tests.sweep.scripted import Runner, make_study


def test_a_number_that_never_changes_stays_whole() -> None:
    assert Offered(3).mean(0) == Offered(3).mean(12.5) == 3
    assert isinstance(Offered(3).mean(12.5), int)


def test_the_mean_is_over_the_seconds() -> None:
    offered = Offered(1)
    offered.change(3, 10)
    assert offered.mean(10) == 1
    assert offered.mean(20) == 2
    offered.change(0, 20)
    assert offered.mean(40) == 1


@pytest.fixture
def records() -> Records:
    return make_records()


def of(records: Records, **workers: float) -> Records:
    """The records, with so many workers in the sweeps of each strategy."""
    found = records.sweeps["strategy"].map(workers).fillna(records.sweeps["workers"])
    return dataclasses.replace(records, sweeps=records.sweeps.assign(workers=found))


def test_nothing_is_said_of_the_same_workers_throughout(records: Records) -> None:
    assert workers_sentence(records) == ""


def test_different_workers_are_told_and_nobody_is_called_the_fastest(records: Records) -> None:
    assert any(sentence.startswith("Speed: ") for sentence in sentences(assess(records)))
    grown = of(records, random=1.5)
    (told,) = [sentence for sentence in sentences(assess(grown)) if "Wall-clock" in sentence]
    assert told == workers_sentence(grown)
    assert "random 1.5" in told
    assert not any(sentence.startswith("Speed: ") for sentence in sentences(assess(grown)))


def test_the_ledger_has_the_mean_and_what_was_idle() -> None:
    runner = Runner(make_study(), "random", workers=1)
    advance, at_once = runner.advance, set()

    def growing(trial: Any) -> None:
        at_once.add(len(runner.sweep.running))
        advance(trial)
        if runner.now == 5:
            runner.sweep.resize(3)

    runner.advance = growing  # type: ignore[method-assign]
    runner.run()
    (sweep,) = runner.book().sweeps.values()
    assert at_once == {1, 2, 3}
    assert sweep["workers"] == pytest.approx((5 * 1 + (sweep["wall_s"] - 5) * 3) / sweep["wall_s"])
    assert sweep["idle_s"] == pytest.approx(sweep["workers"] * sweep["wall_s"] - sweep["busy_s"])
