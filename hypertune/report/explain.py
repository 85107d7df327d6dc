"""Figures that explain an outcome: early against late ranks, importance, and ranks over several studies."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from hypertune.comparison.diagnostics import HIGH, LOW
from hypertune.comparison.several import Several
from hypertune.report.style import BLUE, GREY, Style, figure, plain


def rank_correlation(correlations: pd.DataFrame) -> go.Figure | None:
    """Correlation of the order after each epoch with the final order, with its interval."""
    if correlations.empty:
        return None
    chart = figure(340, margin={"r": 84})
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    chart.add_scatter(x=correlations["epoch"], y=correlations["high"], **edge)
    chart.add_scatter(
        x=correlations["epoch"], y=correlations["low"], fill="tonexty", fillcolor="rgba(0,114,178,0.15)", **edge
    )
    chart.add_scatter(
        x=correlations["epoch"], y=correlations["correlation"], mode="lines+markers", line={"color": BLUE},
        showlegend=False, hovertemplate="epoch %{x}: %{y:.2f}<extra></extra>",
    )  # fmt: skip
    for level, text in ((LOW, "low below"), (HIGH, "high above")):
        chart.add_hline(y=level, line={"color": GREY, "dash": "dot", "width": 1})
        chart.add_annotation(x=1, xref="paper", xanchor="left", y=level, text=text, showarrow=False)
    chart.update_xaxes(title="epoch")
    chart.update_yaxes(title="rank correlation", range=[min(-0.05, correlations["low"].min()), 1.03])
    return chart


def importance(table: pd.DataFrame) -> go.Figure | None:
    """How much each hyperparameter matters."""
    if table.empty:
        return None
    chart = figure(110 + 32 * len(table), bargap=0.35)
    chart.add_bar(
        x=table["importance"], y=[plain(name) for name in table["hyperparameter"]], orientation="h",
        marker={"color": BLUE}, hovertemplate="%{y}: %{x:.2f}<extra></extra>",
    )  # fmt: skip
    chart.update_yaxes(autorange="reversed")
    chart.update_xaxes(title="share of the importance", range=[0, 1])
    return chart


def critical_difference(several: Several, styles: Mapping[str, Style]) -> go.Figure:
    """Mean ranks over studies on one line; a bar joins those without significant difference (Demšar 2006, figure 1).

    Where no difference is significant, one bar joins all, and there is no critical difference to draw.
    """
    ranks = several.mean_ranks.sort_values(kind="stable")
    groups, half = several.groups(), (len(ranks) + 1) // 2
    chart = figure(170 + 30 * half + 16 * len(groups), showlegend=False)
    for place, (name, rank) in enumerate(ranks.items()):
        left = place < half
        depth = place if left else len(ranks) - 1 - place
        _stem(
            chart, f"{plain(name)} {rank:.2f}", rank, depth + len(groups), styles[str(name)], (1, len(ranks))[not left]
        )
    for place, group in enumerate(groups):
        _bar(chart, [ranks[group[0]], ranks[group[-1]]], -0.5 - 0.6 * place, 6, "")
    width = several.critical_difference
    if math.isfinite(width):
        _bar(chart, [1, 1 + width], 0.8, 2, f"critical difference {width:.2f}")
    chart.update_xaxes(range=[0.4, len(ranks) + 0.6], side="top", dtick=1, title="mean rank, 1 is best")
    chart.update_yaxes(visible=False, range=[-1.5 - half - len(groups), 1.9])
    return chart


def _stem(chart: go.Figure, label: str, rank: float, depth: int, style: Style, edge: float) -> None:
    """A line from the rank down and aside to the strategy's name."""
    left = edge == 1
    chart.add_scatter(
        x=[rank, rank, edge], y=[0, -1 - depth, -1 - depth], mode="lines+markers+text", text=["", "", label],
        textposition="top right" if left else "top left", hoverinfo="skip", cliponaxis=False,
        line={"color": style.colour, "width": 1.5},
        marker={"color": style.colour, "symbol": style.symbol, "size": [9, 0, 0], "opacity": 1},
    )  # fmt: skip


def _bar(chart: go.Figure, ends: list[float], y: float, width: int, label: str) -> None:
    # The label stands over the bar's beginning: at its end it would be cut where the figure is narrow.
    chart.add_scatter(
        x=ends, y=[y, y], mode="lines+text", text=[label, ""], textposition="top right", hoverinfo="skip",
        line={"color": GREY, "width": width}, cliponaxis=False,
    )  # fmt: skip
