"""Why trials failed, by kind: counted together where messages differ in numbers and paths only."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from hypertune.comparison.failures import LONGEST, failure_sentence, gave_up_sentence, length_sentence, reasons
from hypertune.comparison.verdict import conclusion
from hypertune.records.failures import Failures, from_ledger, kind_of, to_ledger
from hypertune.records.records import Book, read
from hypertune.study.study import Study
from tests.sweep.scripted import make_study


def told(*errors: str, gave_up: bool = False, study: Study | None = None) -> Book:
    """The books of a study whose first sweep has a trial for each error, none for an empty one."""
    book = Book(study or make_study())
    book.apply({"event": "sweep", "strategy": "random", "seed": 0, "workers": 1, "at": ""})
    for number, error in enumerate(errors):
        trial: dict[str, Any] = {"trial_id": f"t{number}"}
        book.apply({
            "event": "trial", **trial, "strategy": "random", "seed": 0, "config": {"lr": 0.01, "width": 1}, "at": "",
        })  # fmt: skip
        facts = {"error": error, "traceback": f"where {number}", "log": f"logs/t{number}.txt"} if error else {}
        book.apply({"event": "end", **trial, "status": "failed" if error else "completed", "at": "", **facts})
    if gave_up:
        book.apply({"event": "gave_up", "at": ""})
    return book


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ValueError: bad value 0.008 at step 3", "ValueError: bad value 1e-05 at step 12"),
        ("OSError: /tmp/run_1/model.pt is missing", "OSError: /data/x/y.pt is missing"),
        ("TypeError: <object at 0x7f00aa> is none", "TypeError: <object at 0x1b> is none"),
    ],
)
def test_messages_that_differ_in_numbers_paths_and_addresses_are_of_one_kind(one: str, other: str) -> None:
    assert kind_of(one) == kind_of(other)


def test_other_messages_are_not() -> None:
    assert kind_of("KeyError: 'lr'") != kind_of("KeyError: 'width'")
    assert kind_of("ValueError: x") != kind_of("TypeError: x")


def test_the_most_frequent_kind_comes_first_with_its_first_trial() -> None:
    first, second = told("A: 1", "B: x", "B: x", "", "A: 2", "A: 3").failures.all()
    assert (first.error, first.count, first.trial_id, first.traceback, first.log) == (
        "A: 1", 3, "t0", "where 0", "logs/t0.txt",
    )  # fmt: skip
    assert (second.error, second.count, second.trial_id) == ("B: x", 2, "t1")


def test_a_failed_retraining_counts_too() -> None:
    failures = Failures()
    failures.note({"event": "retrained", "trial_id": "t0", "status": "failed"})
    (only,) = failures.all()
    assert (only.error, only.count) == ("no reason given", 1)


def test_the_table_has_the_reason_and_the_ledger_keeps_the_kinds() -> None:
    records = told("A: 1", "").records()
    assert list(records.trials["error"].fillna("")) == ["A: 1", ""]
    assert list(records.trials.columns).index("error") == list(records.trials.columns).index("device") + 1
    assert from_ledger(to_ledger(records.failures)) == records.failures


def test_the_conclusion_gives_the_reasons_with_their_counts() -> None:
    records = told("A: 1", "A: 2", "B: x", "C: " + "y" * 500, "D", "E").records()
    said = failure_sentence(records)
    assert "6 failed (random 6)" in said
    assert "2 times A: 1; 1 times B: x" in said
    assert "2 times 2 other reasons" in said
    assert len(max(reasons(records).split("; "), key=len)) <= LONGEST + 20
    assert reasons(told("").records()) == ""


def test_a_study_that_gave_up_says_so_first_and_a_resume_takes_it_back() -> None:
    book = told("A: 1", "A: 2", gave_up=True)
    assert conclusion(book.records()).startswith("The study was ended after 2 trials, since all of them failed")
    assert conclusion(book.records()).count("A: 1") == 1
    again = told("A: 1", gave_up=True)
    trial = {"trial_id": "new", "strategy": "random", "seed": 0, "config": {"lr": 0.1, "width": 2}, "at": ""}
    again.apply({"event": "trial", **trial})
    assert gave_up_sentence(again.records()) == ""


def epochs(book: Book, count: int) -> Book:
    """Every trial has reported so often."""
    for row in book.trials.values():
        row["epochs"] = count
    return book


def test_trainings_that_end_by_themselves_are_told_with_the_remedy() -> None:
    from hypertune.study.file import Training

    own = make_study(training=Training(trainable="my.module:train", max_epochs=9))
    assert "reports 5 times, not max_epochs = 9 times: set max_epochs = 5" in length_sentence(
        epochs(told("", "", study=own), 5).records()
    )
    assert length_sentence(epochs(told("", "", study=own), 9).records()) == ""
    assert length_sentence(epochs(told("", ""), 5).records()) == ""  # a built-in model


def test_a_folder_from_before_the_column_is_read(tmp_path: Any) -> None:
    import json

    records = told("A: 1", "").records()
    (tmp_path / "study.toml").write_text(records.study.to_toml())
    records.trials.drop(columns="error").to_csv(tmp_path / "trials.csv", index=False)
    pd.DataFrame({"trial_id": [], "epoch": []}).to_parquet(tmp_path / "curves.parquet")
    (tmp_path / "provenance.json").write_text(
        json.dumps({"sweeps": json.loads(records.sweeps.to_json(orient="records"))})
    )
    old = read(tmp_path)
    assert old.trials["error"].isna().all()
    assert old.failures == ()
    assert not old.gave_up
