"""What may be added to a study that has begun."""

from __future__ import annotations

import pytest

from hypertune.study.extension import extended, more_seeds, with_added
from hypertune.study.study import Study
from tests.comparison.synthetic import make_study


def begun() -> Study:
    return make_study(strategies=["random", "asha"], seeds=[3, 5])


def test_strategies_and_seeds_are_added_to_those_there_are() -> None:
    more = extended(begun(), {"strategies": ["+bohb", "random"], "seeds": more_seeds(begun(), 4)})
    assert more.strategies == ("random", "asha", "bohb")
    assert more.seeds == (3, 5, 0, 1)
    assert not more.until_decided


def test_a_study_may_go_on_until_it_is_decided() -> None:
    more = extended(begun(), {"until_decided": True, "margin": 0.1, "max_seconds": 60.0})
    assert more.until_decided
    assert len(more.seeds) == 30
    assert more.seeds[:2] == (3, 5)
    assert more.practical_margin == 0.1
    fixed = extended(more, {"seeds": more.seeds})
    assert (fixed.until_decided, fixed.max_seconds) == (False, None)


def test_what_would_change_the_study_is_refused() -> None:
    with pytest.raises(ValueError, match=r"write \+bohb"):
        with_added(begun(), ["bohb"])
    with pytest.raises(ValueError, match="seeds: the study already has seed 5"):
        extended(begun(), {"seeds": (3, 4)})


def test_a_study_file_says_until_decided_and_keeps_it() -> None:
    study = make_study(seeds="until decided", max_seeds=12, margin=0.02, max_seconds=90)
    assert (len(study.seeds), study.until_decided, study.margin) == (12, True, 0.02)
    assert "until decided, at most 12 seeds" in study.outline()
    import tomllib

    again = Study.parse(tomllib.loads(study.to_toml()))
    assert (again.seeds, again.until_decided, again.max_seconds) == (study.seeds, True, 90)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"max_seeds": 9}, "study.max_seeds: limits a study that runs until decided"),
        ({"max_seconds": 9}, "study.max_seconds: limits a study that runs until decided"),
        ({"seeds": "until decided", "max_seeds": 2}, "max_seeds"),
        ({"margin": -0.1}, "margin"),
        ({"seeds": "forever"}, 'study.seeds: expected a whole number, a list of them, or "until decided"'),
    ],
)
def test_contradictions_are_named(table: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_study(**table)


def test_accuracies_have_a_margin_and_other_metrics_none() -> None:
    assert make_study().practical_margin == 0.005
    assert make_study(metric="val/accuracy").practical_margin == 0.005
    assert make_study(metric="valid_loss", mode="min").practical_margin is None
    assert make_study(margin=0).practical_margin is None


def test_a_design_without_hypotheses_has_nothing_to_decide() -> None:
    tables = {
        "study": {"name": "d", "seeds": "until decided", "metric": "valid_accuracy", "mode": "max"},
        "training": {"trainable": "mlp", "dataset": "digits", "max_epochs": 2},
        "space": {"lr": {"grid_search": [0.1, 0.01]}},
        "design": {"kind": "grid"},
    }
    with pytest.raises(ValueError, match=r"study\.hypotheses: a design runs until its hypotheses are decided"):
        Study.parse(tables)
