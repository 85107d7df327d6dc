"""Several studies: against Demšar's own table, and on made-up studies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hypertune.comparison.several import Several, critical_difference, friedman, several, several_conclusion
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


def test_ranks_friedman_and_critical_difference_are_the_published_ones() -> None:
    ranks = demsar().rank(axis=1, ascending=False).mean()
    assert ranks.tolist() == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    test = friedman(ranks, 14)
    assert test.chi_square == pytest.approx(9.28, abs=5e-3)
    assert test.f == pytest.approx(3.69, abs=5e-3)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=5e-3)
    assert test.f_p < 0.05


@pytest.mark.parametrize(("strategies", "quantile"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_nemenyis_quantiles_are_those_of_table_5(strategies: int, quantile: float) -> None:
    studies = strategies * (strategies + 1) // 6 or 1
    scale = np.sqrt(strategies * (strategies + 1) / (6 * studies))
    assert critical_difference(strategies, studies) / scale == pytest.approx(quantile, abs=2e-3)


def test_friedman_is_scipys_where_nothing_ties() -> None:
    values = np.random.default_rng(0).normal(size=(9, 5))
    ours = friedman(pd.DataFrame(values).rank(axis=1).mean(), 9)
    theirs = stats.friedmanchisquare(*values.T)
    assert ours.chi_square == pytest.approx(float(theirs.statistic))
    assert ours.chi_square_p == pytest.approx(float(theirs.pvalue))


def test_demsars_groups() -> None:
    """None of the four is told from its neighbours; the published figure joins all but the extremes' ends."""
    ranks = demsar().rank(axis=1, ascending=False)
    facts = Several(
        values=demsar(), ranks=ranks, mean_ranks=ranks.mean(), friedman=friedman(ranks.mean(), 14),
        critical_difference=critical_difference(4, 14), sign=np.ones((14, 1)),
    )  # fmt: skip
    assert facts.groups() == [["+m+cf", "+m", "+cf", "C4.5"]]


def test_groups_are_runs_within_the_critical_difference() -> None:
    ranks = pd.Series({"a": 1.0, "b": 2.0, "c": 3.2, "d": 6.0})
    facts = Several(
        values=pd.DataFrame(), ranks=pd.DataFrame(), mean_ranks=ranks, friedman=friedman(ranks, 3),
        critical_difference=1.5, sign=np.ones((0, 1)),
    )  # fmt: skip
    assert facts.groups() == [["a", "b"], ["b", "c"]]


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
