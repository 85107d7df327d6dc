"""Several studies: against Demšar's own table, and on made-up studies."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hypertune.comparison.judgement import UNDECIDED, WORSE
from hypertune.comparison.several import (
    Friedman,
    Several,
    compare_tasks,
    critical_difference,
    fewest_for_any_claim,
    friedman,
    several,
    several_conclusion,
)
from tests.comparison.synthetic import make_records

# Demšar 2006, JMLR 7, table 6: AUC of C4.5, with m, with cf and with both tuned, on 14 data sets. In the last row but
# one the printed 0.975 and 0.975 carry the printed ranks 2 and 3: they differ in a digit that is not printed.
TABLE_6 = """
.763 .768 .771 .798   .599 .591 .590 .569   .954 .971 .968 .967   .628 .661 .654 .657   .882 .888 .886 .898
.936 .931 .916 .931   .661 .668 .609 .685   .583 .583 .563 .625   .775 .838 .866 .875   1 1 1 1
.940 .962 .965 .962   .619 .666 .614 .669   .972 .981 .9751 .975  .957 .978 .946 .970
"""


def demsar() -> pd.DataFrame:
    values = np.array(TABLE_6.split(), dtype=float).reshape(14, 4)
    return pd.DataFrame(values, columns=["C4.5", "+m", "+cf", "+m+cf"])


def test_ranks_and_friedmans_statistic_are_the_published_ones() -> None:
    ranks = demsar().rank(axis=1, ascending=False)
    assert ranks.mean().tolist() == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    test = friedman(ranks)
    assert test.chi_square == pytest.approx(9.28, abs=5e-3)
    assert test.significant


def test_the_critical_difference_is_about_nemenyis() -> None:
    """Demšar gives 1.25; without ties, mean ranks over 14 data sets differ by fourteenths."""
    ranks = np.tile([1, 2, 3, 4], (14, 1))
    assert critical_difference(pd.DataFrame(ranks)) == pytest.approx(18 / 14)
    many = np.tile(np.arange(1, 6), (200, 1))
    assert critical_difference(pd.DataFrame(many)) == pytest.approx(2.728 * np.sqrt(5 * 6 / (6 * 200)), rel=0.03)


def test_friedman_is_scipys_where_nothing_ties_and_studies_are_many() -> None:
    values = np.random.default_rng(0).normal(size=(60, 5))
    ours = friedman(pd.DataFrame(values).rank(axis=1))
    theirs = stats.friedmanchisquare(*values.T)
    assert ours.chi_square == pytest.approx(float(theirs.statistic))
    assert ours.p == pytest.approx(float(theirs.pvalue), abs=0.02)


def test_demsars_groups() -> None:
    """None of the four is told from its neighbours; the published figure joins all but the extremes' ends."""
    assert compare_tasks(demsar(), "max").groups() == [["+m+cf", "+m", "+cf", "C4.5"]]


def test_groups_are_runs_within_the_critical_difference() -> None:
    ranks = pd.Series({"a": 1.0, "b": 2.0, "c": 3.2, "d": 6.0})
    facts = Several(
        values=pd.DataFrame(), ranks=pd.DataFrame(), mean_ranks=ranks, friedman=Friedman(chi_square=9.0, p=0.01),
        critical_difference=1.5, sign=np.ones((0, 1)),
    )  # fmt: skip
    assert facts.groups() == [["a", "b"], ["b", "c"]]
    just = dataclasses.replace(facts, critical_difference=1.2)
    assert just.groups() == [["a", "b"]], "a difference as large as the critical one is significant"


@pytest.mark.parametrize("kind", ["different", "rounded"])
@pytest.mark.parametrize(("strategies", "tasks"), [(2, 3), (2, 6), (3, 3), (3, 4), (5, 2)])
def test_equal_strategies_are_seldom_told_apart(strategies: int, tasks: int, kind: str) -> None:
    """Where the claims hold at 5 %, more than 9 % of 200 tables are as unlikely as 1 in 100."""
    generator = np.random.default_rng(0)
    false = 0
    for _ in range(200):
        values = generator.standard_normal((tasks, strategies))
        table = pd.DataFrame(np.round(values) if kind == "rounded" else values).add_prefix("s")
        facts = compare_tasks(table, "max")
        claims = set(facts.verdicts().values()) != {UNDECIDED}
        assert facts.friedman.significant or not claims, "the words and the verdicts agree"
        assert claims == (
            facts.critical_difference < np.inf and np.ptp(facts.mean_ranks) > facts.critical_difference - 1e-9
        )
        false += facts.friedman.significant or claims
    assert false / 200 <= 0.09


def agreeing(strategies: int, tasks: int) -> Several:
    """All tasks rank the strategies s0, s1, ... in this order."""
    table = pd.DataFrame(np.tile(-np.arange(strategies, dtype=float), (tasks, 1)))
    return compare_tasks(table.add_prefix("s"), "max")


@pytest.mark.parametrize("strategies", [2, 3, 4, 5, 6, 10])
def test_too_few_studies_say_how_many_it_takes(strategies: int) -> None:
    fewest = fewest_for_any_claim(strategies)
    enough, fewer = agreeing(strategies, fewest), agreeing(strategies, fewest - 1)
    assert enough.verdicts()[f"s{strategies - 1}"] == WORSE
    assert "it takes" not in several_conclusion(enough)
    assert set(fewer.verdicts().values()) == {UNDECIDED}
    assert f"it takes at least {fewest} studies" in several_conclusion(fewer)
    assert fewer.groups() == [[f"s{i}" for i in range(strategies)]] or fewest == 2


def test_studies_of_different_metrics_and_modes_are_compared_by_rank() -> None:
    studies = [make_records(name=f"s{i}", seeds=[i, i + 10, i + 20]) for i in range(3)]
    studies.append(make_records(name="loss", metric="valid_loss", mode="min"))
    facts = several(studies)
    assert facts is not None
    assert facts.ranks.index.tolist() == ["s0", "s1", "s2", "loss"]
    assert facts.mean_ranks.idxmin() == "hyperopt"
    assert "take hyperopt: it has the best mean rank" in several_conclusion(facts)


def test_only_strategies_that_all_studies_share_are_ranked() -> None:
    facts = several([make_records(), make_records(name="b", strategies=["hyperopt", "random", "bayes"])])
    assert facts is not None
    assert sorted(facts.mean_ranks.index) == ["hyperopt", "random"]


def test_what_cannot_be_compared_is_none() -> None:
    assert several([]) is None
    assert several([make_records()]) is None
    assert several([make_records(), make_records(name="b", strategies=["bayes"])]) is None
    assert several([make_records(), make_records(name="b", failing=1.0)]) is None
