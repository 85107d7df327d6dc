"""What of a study cannot change half-way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hypertune.records.records import stored_study
from hypertune.storage.workspace import Workspace
from hypertune.study.file import Budget
from hypertune.study.rules import changed, difference, rules
from hypertune.study.study import Study
from hypertune.tuning import driver
from tests.records.test_records import recorded
from tests.sweep.scripted import make_study

BEFORE = make_study(options={"asha": {"grace_period": 1}})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"asha": {"grace_period": 1}}, None),
        ({"asha": {"grace_period": 3}}, "strategies.asha: differs from the study"),
        ({}, "strategies.asha: differs from the study"),
        ({"asha": {"grace_period": 1}, "random": {}}, None),
    ],
)
def test_the_options_of_a_strategy_stay(options: dict[str, Any], told: str | None) -> None:
    after = BEFORE.replace(options=options)
    assert difference(BEFORE, after) == told
    assert changed(rules(after, begun={"random", "asha"}), rules(BEFORE)) == told
    assert changed(rules(after, begun={"random"}), rules(BEFORE)) is None  # asha is still to come


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Budget(epochs=1234567), Budget(epochs=1234568)),
        (Budget(trials=10**15), Budget(trials=10**15 + 1)),
        (Budget(seconds=100000.4), Budget(seconds=100000.1)),
        (Budget(epochs=60), Budget(trials=60)),
        (Budget(seconds=1e300), Budget(seconds=1.1e300)),
    ],
)
def test_a_large_budget_stays_to_the_last_digit(before: Budget, after: Budget) -> None:
    said = difference(make_study(budget=before), make_study(budget=after))
    assert said is not None
    assert said.startswith("budget: is ")
    assert difference(make_study(budget=before), make_study(budget=before)) is None


def test_a_budget_is_compared_with_records_of_earlier_versions() -> None:
    assert changed({"budget": "20000 epochs"}, rules(make_study(budget=Budget(epochs=20000)))) is None
    assert changed({"budget": "600 seconds"}, rules(make_study(budget=Budget(seconds=600.0)))) is None


def test_the_trainable_stays_wherever_it_lies() -> None:
    own, moved, other = (
        make_study(training=msgspec.structs.replace(BEFORE.training, trainable=name))
        for name in ("__main__:train", "mine.models:train", "mine.models:train_again")
    )
    assert difference(own, moved) is None
    assert difference(own, other) == "trainable: is train in the study, not train_again"


@pytest.mark.parametrize("older", [False, True])
def test_a_resume_notices_options_that_were_edited(
    tmp_path: Path, older: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = recorded(tmp_path / "out", "asha")
    noted = {name: rule for name, rule in rules(BEFORE).items() if not (older and "." in name)}
    (out / "provenance.json").write_text(json.dumps({"rules": noted}))
    (out / "study.toml").write_text(BEFORE.replace(options={"asha": {"grace_period": 3}}).to_toml())
    edited = stored_study(out)
    assert isinstance(edited, Study)

    def connect(*arguments: Any) -> None:
        raise ValueError("goes on")

    monkeypatch.setattr(driver, "_connect", connect)  # nothing before it is left out
    said = "goes on" if older else r"study.toml: strategies.asha: differs .* put it back"
    with pytest.raises(ValueError, match=said):
        driver.run(edited, Workspace(out), lambda reading: (None, None), driver.Circumstances(resume=True))
