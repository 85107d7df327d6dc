"""A study against an earlier one of the same strategies."""

from __future__ import annotations

import numpy as np
import pytest

from hypertune.comparison.against import BETTER, SAME, WORSE, against
from hypertune.records.records import Records
from tests.comparison.synthetic import make_records


def study(seeds: int | list[int] = 8, **changes: float) -> Records:
    """A study whose strategies' test scores are shifted."""
    records = make_records(strategies=["random", "hyperopt", "asha"], seeds=seeds)
    for name, shift in changes.items():
        records.retrained.loc[records.retrained["strategy"] == name, "test_accuracy"] += shift
    return records


def test_what_has_changed_is_named_and_the_rest_is_not() -> None:
    rng = np.random.default_rng(0)
    after = study(random=-0.1, hyperopt=0.02)
    noise = rng.normal(0, 0.003, len(after.retrained))
    after.retrained["test_accuracy"] += noise
    facts = against(study(), after)
    assert facts.paired
    assert facts.table.set_index("strategy")["change"].to_dict() == {"random": WORSE, "hyperopt": BETTER, "asha": SAME}
    told = facts.sentences()
    assert told[0].startswith("Significantly better than before: hyperopt by 0.0")
    assert told[1].startswith("Significantly worse: random by 0.09")
    assert told[2] == "No significant change: asha."
    assert told[-1].startswith("Compared by test_accuracy, seed by seed;")


def test_the_same_study_has_not_changed() -> None:
    facts = against(study(), study())
    assert set(facts.table["change"]) == {SAME}
    assert (facts.table["better_by"] == 0).all()


def test_other_seeds_are_compared_in_their_order() -> None:
    facts = against(study([10, 11, 12, 13]), study(3))
    assert not facts.paired
    assert facts.table["seeds"].tolist() == [3, 3, 3]
    assert "in the order of the seeds" in facts.sentences()[-1]


def test_strategies_of_one_study_alone_are_named() -> None:
    facts = against(make_records(strategies=["random", "bayes"]), make_records(strategies=["random", "asha"]))
    assert (facts.only_before, facts.only_after) == (("bayes",), ("asha",))


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (make_records(metric="valid_loss", mode="min"), r"--against: its study\.metric is valid_loss"),
        (make_records(retrain=0), "retrain the incumbents in both"),
        (make_records(strategies=["bayes", "optuna"]), "no strategy in common"),
    ],
    ids=["metric", "retraining", "strategies"],
)
def test_what_cannot_be_compared_is_refused(before: Records, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        against(before, study())


@pytest.mark.parametrize("kind", ["normal", "skewed", "unequal"])
def test_no_change_is_claimed_in_at_most_one_study_in_twenty(kind: str) -> None:
    from hypertune.comparison.claims import p_above
    from hypertune.comparison.statistics import holm

    rng, wrong = np.random.default_rng(1), 0
    for _ in range(400):
        sides = rng.standard_normal((2, 4, 5)) if kind == "normal" else rng.exponential(size=(2, 4, 5)) - 1
        if kind == "unequal":
            sides[1] *= 3
        p = [2 * min(float(p_above(b, a)), float(p_above(a, b))) for a, b in zip(*sides, strict=True)]
        wrong += bool((holm(np.minimum(p, 1.0)) < 0.05).any())
    assert wrong <= 0.05 * 400 + 3 * np.sqrt(400 * 0.05 * 0.95)
