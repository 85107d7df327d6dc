"""Our statistics against other implementations, from the dependency group `oracles`; see CONTRIBUTING.md."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hypertune.comparison.evidence import evidence
from hypertune.comparison.several import compare_tasks
from hypertune.comparison.statistics import holm, interval

pytestmark = pytest.mark.slow


def test_the_critical_difference_is_close_to_nemenyis_in_scikit_posthocs() -> None:
    posthocs = pytest.importorskip("scikit_posthocs")
    random = np.random.default_rng(0)
    for strategies in (3, 5, 8):
        values = pd.DataFrame(random.standard_normal((12, strategies)) + np.arange(strategies) / 3)
        ours = compare_tasks(values.add_prefix("s"), "max")
        p = posthocs.posthoc_nemenyi_friedman(values.to_numpy()).to_numpy()
        gaps = np.abs(np.subtract.outer(ours.mean_ranks.to_numpy(), ours.mean_ranks.to_numpy()))
        # The least significant of the possible differences; theirs may lie between it and the next smaller one.
        assert (gaps[p < 0.045] > ours.critical_difference - 1e-9).all()
        assert (gaps[p > 0.055] < ours.critical_difference - 1e-9).all()


def test_holms_correction_and_the_interval_are_those_of_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    weights = pytest.importorskip("statsmodels.stats.weightstats")
    random = np.random.default_rng(1)
    p = random.random(9) ** 3
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])
    sample = random.normal(0.6, 0.02, 7)
    assert interval(sample) == pytest.approx(weights.DescrStatsW(sample).tconfint_mean())


def test_the_standard_error_of_one_pair_is_that_of_the_paired_t_test() -> None:
    weights = pytest.importorskip("statsmodels.stats.weightstats")
    random = np.random.default_rng(2)
    values = pd.DataFrame(random.standard_normal((40, 2)), columns=["a", "b"])
    facts = evidence(values, "max")
    theirs = weights.DescrStatsW(values["a"] - values["b"]).std_mean
    assert facts.error[0, 1] == pytest.approx(theirs)
