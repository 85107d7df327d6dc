"""The question that a study which runs until decided asks after each seed."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypertune.comparison.asking import ask
from hypertune.comparison.findings import LOOKS, findings
from hypertune.records.records import Records
from tests.comparison.designed import design_study, designed
from tests.comparison.synthetic import make_records


def records(seeds: int, **options: Any) -> Records:
    """A study that has run so many of its twenty seeds."""
    names = options.pop("strategies", ["random", "hyperopt"])
    absent = tuple((name, seed) for name in names for seed in range(seeds, 20))
    table = {"strategies": names, "seeds": "until decided", "max_seeds": 20, **options}
    return make_records(absent=absent, **table)


def test_two_seeds_decide_nothing() -> None:
    look = ask(records(2))
    assert (look["seeds"], look["ended"], look["dropped"]) == (2, False, [])
    assert look["told"] == "2 of at least 3 seeds: too few to decide"


def test_a_strategy_that_is_worse_is_dropped_and_a_clear_study_ends() -> None:
    facts = records(8, strategies=["random", "hyperopt", "asha"])
    facts.retrained.loc[facts.retrained["strategy"] == "random", "test_accuracy"] -= 0.2
    look = ask(facts)
    assert look["dropped"] == ["random"]
    facts.retrained.loc[facts.retrained["strategy"] == "asha", "test_accuracy"] -= 0.2
    look = ask(facts)
    assert look["ended"]
    assert look["why"] == "decided"
    assert look["told"].startswith("8 seeds: decided, hyperopt")


def test_a_wide_margin_ends_it_with_five_seeds() -> None:
    assert ask(records(5, margin=0.5))["ended"]
    assert not ask(records(4, margin=0.5))["ended"]


def test_the_time_may_be_up_first() -> None:
    look = ask(records(4, max_seconds=1.0))
    assert (look["ended"], look["why"]) == (True, "time")
    assert "undecided after" in look["told"]


def test_what_was_dropped_is_not_dropped_again() -> None:
    facts = records(8, strategies=["random", "hyperopt", "asha"])
    facts.retrained.loc[facts.retrained["strategy"] == "random", "test_accuracy"] -= 0.2
    before = {"seeds": 8, "ended": False, "why": "", "dropped": ["random"]}
    assert ask(dataclasses.replace(facts, looks=(before,)))["dropped"] == []


def designed_until(seeds: int, hypotheses: list[str]) -> Records:
    """A design with so many seeds run, whose accuracy rises with `width` by far more than the noise."""
    study = design_study(
        {"width": {"grid_search": [1, 2, 3]}}, seeds="until decided", max_seeds=12, hypotheses=hypotheses
    )
    return designed(study, lambda config, _: 0.5 + 0.1 * config["width"], absent=tuple(range(seeds, 12)))


def test_a_design_ends_when_each_hypothesis_is_decided() -> None:
    look = ask(designed_until(12, ["accuracy increases with width", "width = 3 equals width = 1 within 0.01"]))
    assert (look["ended"], look["why"], look["dropped"]) == (True, "decided", [])
    assert look["told"] == "12 seeds: decided, every hypothesis is supported or refuted"


def test_a_design_names_the_hypotheses_that_are_open() -> None:
    close = "width = 3 > width = 1 by 0.2"
    look = ask(designed_until(5, ["accuracy increases with width", close]))
    assert not look["ended"]
    assert look["told"] == f"5 seeds: undecided; open: {close}"


def test_looking_after_each_seed_takes_more_evidence_than_looking_once() -> None:
    study = design_study({"width": {"grid_search": [1, 2]}}, seeds=5, hypotheses=["width = 2 > width = 1"])
    once = designed(study, lambda config, _: 0.5 + 0.003 * config["width"])
    again = dataclasses.replace(once, study=study.replace(until_decided=True))
    (first,), (second,) = findings(once), findings(again)
    assert second.p == min(1.0, LOOKS * first.p)
