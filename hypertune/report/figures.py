"""All figures of a study, by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import plotly.graph_objects as go

from hypertune.comparison.assessment import Assessment, assess
from hypertune.comparison.diagnostics import rank_correlation
from hypertune.comparison.importance import importances
from hypertune.comparison.outcomes import finished
from hypertune.comparison.runs import level_figure
from hypertune.records.records import Records
from hypertune.report import designs, explain, hyperparameters, performance, trials
from hypertune.report.style import Style, styles


def figures(records: Records, pair: tuple[str, str] | None = None) -> dict[str, go.Figure]:
    """Every figure that the records have facts for, in the report's order.

    Args:
        pair: the two hyperparameters of the figure `pair`; by default the two most important ones.

    Returns:
        Some of `anytime_epochs, anytime_seconds, final, cost, timeline, tried, learning, parallel, pair,
        rank_correlation, importance, scatter, trade_off`; of a design `heatmap`, `level-<factor>` for each factor,
        `cells, trade_off, learning, timeline`. `hypertune report DIR --figures svg` writes them as pictures.

    Raises:
        ValueError: if `pair` names a hyperparameter that is not in the space.
    """
    return figures_of(assess(records), styles(records.study.strategies), pair)


def figures_of(
    assessment: Assessment, look: Mapping[str, Style], pair: tuple[str, str] | None = None
) -> dict[str, go.Figure]:
    """`figures` of an existing assessment, with strategies drawn as in `look`."""
    return dict(_drawn(assessment, tuple(look.items()), pair))


@lru_cache(maxsize=1)  # report.html shows them, and report.md links to them
def _drawn(
    assessment: Assessment, looks: tuple[tuple[str, Style], ...], pair: tuple[str, str] | None
) -> dict[str, go.Figure]:
    records, look = assessment.records, dict(looks)
    if records.study.design is not None:
        return _figures_of_design(assessment, look)
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
        "scatter": hyperparameters.scatter(records, look),
        "trade_off": designs.trade_off(records),
    }
    return {name: chart for name, chart in drawn.items() if chart is not None}


def _figures_of_design(assessment: Assessment, look: Mapping[str, Style]) -> dict[str, go.Figure]:
    records = assessment.records
    drawn: dict[str, go.Figure | None] = {}
    if finished(records).shape[0]:
        drawn["heatmap"] = None if designs.refusal(records) else designs.heatmap(records)
        names = [factor.name for factor in records.study.factors()]
        drawn |= {level_figure(name): designs.by_level(records, name) for name in names}
        drawn |= {"cells": designs.cells(records), "trade_off": designs.trade_off(records)}
    drawn["learning"] = trials.learning(records, look)
    drawn["timeline"] = trials.timeline(records, look)
    return {name: chart for name, chart in drawn.items() if chart is not None}
