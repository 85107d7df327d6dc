"""A study against an earlier one of the same strategies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hypertune.comparison.against import BETTER, SAME, WORSE, _independent, _paired, against
from hypertune.comparison.statistics import holm
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


def test_other_seeds_are_independent_samples_whose_order_does_not_matter() -> None:
    before, after = study([10, 11, 12, 13], asha=-0.05), study(3)
    facts = against(before, after)
    assert not facts.paired
    assert facts.table["seeds"].tolist() == [3, 3, 3]
    assert "as independent samples" in facts.sentences()[-1]
    shuffled = study([10, 11, 12, 13], asha=-0.05)
    seeds = dict(zip([10, 11, 12, 13], [12, 10, 13, 11], strict=True))
    shuffled.retrained["seed"] = shuffled.retrained["seed"].map(seeds)
    pd.testing.assert_frame_equal(against(shuffled, after).table, facts.table)
    welch = stats.ttest_ind(*(scores(facts, "asha") for facts in (before, after)), equal_var=False)
    row = facts.table.set_index("strategy").loc["asha"]
    error = (row["high"] - row["better_by"]) / stats.t.ppf(0.975, 2)
    assert row["better_by"] / error == pytest.approx(-welch.statistic)


def scores(records: Records, strategy: str) -> pd.Series[float]:
    """A strategy's mean test score by seed."""
    own = records.retrained[records.retrained["strategy"] == strategy]
    return own.groupby("seed")["test_accuracy"].mean()


def test_a_few_common_seeds_do_not_make_pairs() -> None:
    facts = against(study([0, 1, 2, 3]), study([2, 3, 4, 5]))
    assert not facts.paired
    assert facts.table["seeds"].tolist() == [4, 4, 4]


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


@pytest.mark.parametrize(
    ("compared", "seeds", "kind"),
    [
        (_paired, (5, 5), "normal"), (_paired, (5, 5), "skewed"), (_paired, (5, 5), "unequal"),
        (_independent, (3, 30), "normal"), (_independent, (5, 5), "skewed"), (_independent, (10, 3), "unequal"),
    ],
)  # fmt: skip
def test_no_change_is_claimed_in_at_most_one_study_in_twenty(compared: Any, seeds: tuple[int, int], kind: str) -> None:
    assert claimed(compared, seeds, kind) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_independent_samples_use_all_seeds() -> None:
    assert claimed(_independent, (5, 30), "normal", shift=3.0) > 0.5


def claimed(compared: Any, seeds: tuple[int, int], kind: str, *, shift: float = 0.0, repeats: int = 400) -> float:
    """The share of pairs of studies of four strategies of which a change is claimed."""
    rng, claims = np.random.default_rng(1), 0
    for _ in range(repeats):
        sides = [rng.standard_normal((4, n)) if kind == "normal" else rng.exponential(size=(4, n)) - 1 for n in seeds]
        sides[1] = sides[1] * (3 if kind == "unequal" else 1) + shift
        claims += bool((holm([compared(*pair)[0] for pair in zip(*sides, strict=True)]) < 0.05).any())
    return claims / repeats
