"""Figures of the single trials: their axes may cut off bad values, and say so, but never the best."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hypertune.records.records import Records
from hypertune.report.captions import caption_of
from hypertune.report.marks import MOST_MARKS, even_choice
from hypertune.report.style import styles
from hypertune.report.trials import MOST_CURVES, learning, tried
from tests.comparison.synthetic import make_records


def skewed(mode: str, trials: int = 30) -> Records:
    """Most trials between 0.1 and 0.15; one is far better, and one far worse."""
    records = make_records(metric="score", mode=mode, trials=trials, seeds=1, strategies=["random", "bayes"], retrain=0)
    sign = 1 if mode == "max" else -1
    spread = np.random.default_rng(0).uniform(0.1, 0.15, len(records.trials))
    spread[[3, 5]] = 0.9, -50.0
    value = pd.Series(sign * spread, index=records.trials["trial_id"])
    records.trials["score"] = value.to_numpy()
    records.curves["score"] = value[records.curves["trial_id"]].to_numpy()
    return records


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_best_mark_is_whole_and_only_bad_ones_are_outside(mode: str) -> None:
    records = skewed(mode)
    for name, draw, told in (("tried", tried, "1 of 60 trials"), ("learning", learning, "9 of 540 points")):
        chart = draw(records, styles(records.study.strategies))
        assert chart is not None
        low, high = chart.layout.yaxis.range
        best = 0.9 if mode == "max" else -0.9
        assert low + 0.04 * (high - low) < best < high - 0.04 * (high - low)
        assert high - low < 2  # the bad one does not flatten the others
        assert {axis.title.text for axis in chart.select_yaxes(col=1)} == {"score"}
        assert f"{told} are worse than the axis shows." in caption_of(name, chart)


def test_the_caption_says_how_many_lines_are_left_out() -> None:
    for trials in (MOST_CURVES, MOST_CURVES + 1):
        records = skewed("max", trials)
        chart = learning(records, styles(records.study.strategies))
        assert chart is not None
        assert (f"At most {MOST_CURVES} lines per strategy" in caption_of("learning", chart)) == (trials > MOST_CURVES)


def test_values_that_are_all_near_have_nothing_cut_off() -> None:
    records = skewed("max", trials=200)
    records.trials["score"] = np.random.default_rng(1).normal(0.45, 0.02, len(records.trials))
    chart = tried(records, styles(records.study.strategies))
    assert chart is not None
    assert chart.layout.yaxis.range[0] < records.trials["score"].min()
    assert "axis shows" not in caption_of("tried", chart)


def test_the_best_of_very_many_trials_are_drawn() -> None:
    records = make_records(metric="score", trials=MOST_MARKS, seeds=1, strategies=["random", "bayes"], max_epochs=1)
    skipped = np.flatnonzero(~even_choice(len(records.trials)))[[0, -1]]
    records.trials.loc[skipped, "score"] = [2.0, 3.0]
    chart = tried(records, styles(records.study.strategies))
    assert chart is not None
    assert {2.0, 3.0} <= {value for trace in chart.data for value in trace.y}
