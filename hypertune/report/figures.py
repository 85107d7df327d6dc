"""All figures of a study, by name."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from hypertune.comparison.assessment import Assessment, assess
from hypertune.comparison.diagnostics import rank_correlation
from hypertune.comparison.importance import importances
from hypertune.records import Records
from hypertune.report import explain, hyperparameters, performance, trials
from hypertune.report.style import Style, styles


def figures(records: Records, pair: tuple[str, str] | None = None) -> dict[str, go.Figure]:
    """Every figure that the records have facts for, in the report's order.

    Args:
        pair: the two hyperparameters of the figure `pair`; by default the two most important ones.

    Returns:
        Some of `anytime_epochs, anytime_seconds, final, cost, timeline, tried, learning, parallel, pair,
        rank_correlation, importance`. `figure.write_image("x.svg")` makes a picture where kaleido is installed.

    Raises:
        ValueError: if `pair` names a hyperparameter that is not in the space.
    """
    return figures_of(assess(records), styles(records.study.strategies), pair)


def figures_of(
    assessment: Assessment, look: Mapping[str, Style], pair: tuple[str, str] | None = None
) -> dict[str, go.Figure]:
    """`figures` of what is assessed already, with strategies drawn as in `look`."""
    records = assessment.records
    decisive = importances(records)
    drawn = {
        "anytime_epochs": performance.anytime(assessment, "epochs", look),
        "anytime_seconds": performance.anytime(assessment, "wall_s", look),
        "final": performance.final(assessment, look),
        "cost": performance.cost(assessment, look),
        "timeline": trials.timeline(records, look),
        "tried": trials.tried(records, look),
        "learning": trials.learning(records, look),
        "parallel": hyperparameters.parallel(records),
        "pair": hyperparameters.pair(records, pair or hyperparameters.most_important(records, decisive)),
        "rank_correlation": explain.rank_correlation(rank_correlation(records)),
        "importance": explain.importance(decisive),
    }
    return {name: chart for name, chart in drawn.items() if chart is not None}
