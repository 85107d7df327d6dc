"""Figures of a judgement on any results."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hypertune.comparison.anytime import band
from hypertune.comparison.frames import Sheet
from hypertune.comparison.pairs import SIGNIFICANT
from hypertune.comparison.several import Several
from hypertune.report.explain import critical_difference
from hypertune.report.performance import Marks, draw_band, draw_curve, scores
from hypertune.report.style import BLUE, GREY, Style, figure, plain, styles


def figures_of(
    sheet: Sheet, values: pd.DataFrame, pairs: pd.DataFrame, several: Several | None, metric: str
) -> dict[str, go.Figure]:
    """The figures that the data allow, by name; see `hypertune.judged.Judgment`. `metric` is what the values are."""
    look = styles(sheet.strategies)
    drawn: dict[str, go.Figure | None] = {}
    if several is None:
        drawn["values"] = _values(values, look, metric)
        drawn["differences"] = _differences(pairs, metric)
        drawn["anytime"] = _anytime(sheet, look, metric)
    else:
        drawn["critical_difference"] = critical_difference(several, look)
        drawn["performance_profile"] = _profile(several, look)
    return {name: chart for name, chart in drawn.items() if chart is not None}


def _values(used: pd.DataFrame, look: Mapping[str, Style], metric: str) -> go.Figure:
    """Means with intervals, and every seed as a dot."""
    names = list(used.columns)
    chart = figure(120 + 46 * len(names))
    chart.set_subplots(rows=1, cols=1)
    scores(chart, used, metric, look, Marks(True, 0.0, 1))
    chart.update_yaxes(tickvals=list(range(len(names))), ticktext=[plain(n) for n in names], autorange="reversed")
    chart.update_xaxes(title=plain(metric))
    chart.update_layout(showlegend=False)
    return chart


def _differences(pairs: pd.DataFrame, metric: str) -> go.Figure | None:
    """How much better one strategy is than another, with the intervals that the verdicts are based on."""
    known = pairs[pairs["low"].notna()] if len(pairs) else pairs
    if not len(known):
        return None
    chart = figure(120 + 30 * len(known), showlegend=False)
    colours = [BLUE if outcome == SIGNIFICANT else GREY for outcome in known["outcome"]]
    names = [f"{plain(a)} - {plain(b)}" for a, b in zip(known["strategy"], known["other"], strict=True)]
    chart.add_scatter(
        x=known["better_by"], y=names,
        mode="markers", marker={"color": colours, "size": 9},
        error_x={"type": "data", "array": known["high"] - known["better_by"], "color": GREY, "thickness": 2},
        hovertemplate="%{y}: %{x:.4g}<extra></extra>",
    )  # fmt: skip
    chart.add_vline(x=0, line={"color": GREY, "dash": "dot", "width": 1})
    chart.update_xaxes(title=f"{plain(metric)}: better by")
    chart.update_yaxes(autorange="reversed")
    return chart


def _anytime(sheet: Sheet, look: Mapping[str, Style], metric: str) -> go.Figure | None:
    """Mean value over what was spent, with its 95 % t-interval."""
    curves = sheet.curves
    if curves is None:
        return None
    chart = figure(460, hovermode="x unified")
    for name, own in curves.groupby("strategy", sort=False):
        grid = np.unique(own["at"])
        rows = own.pivot(index="seed", columns="at", values="value").reindex(columns=grid).ffill(axis=1)
        table = rows.to_numpy(dtype=float)
        shown = np.isfinite(table).all(axis=0)
        if not shown.any():
            continue
        style, mean = look[str(name)], table[:, shown].mean(axis=0)
        if len(table) > 1:
            low, high = band(table[:, shown])
            draw_band(chart, pd.DataFrame({"at": grid[shown], "low": low, "high": high}), "at", style, str(name))
        draw_curve(chart, grid[shown], mean, style, str(name))
    chart.update_xaxes(title=sheet.along, rangemode="tozero")
    chart.update_yaxes(title=f"mean {plain(metric)}")
    return chart


def _profile(several: Several, look: Mapping[str, Style]) -> go.Figure:
    """Performance profiles (Dolan and Moré 2002, Mathematical Programming 91) of the gap to each task's best.

    Ratios to the best need positive costs; values of any sign are compared by their gap to the best, as a share of the
    distance between the best and the worst of the task.
    """
    values, sign = several.values.to_numpy(dtype=float), several.sign
    better = sign * values
    best, worst = better.max(axis=1, keepdims=True), better.min(axis=1, keepdims=True)
    spread = np.where(best > worst, best - worst, 1.0)
    gaps = (best - better) / spread
    chart = figure(420)
    for i, name in enumerate(several.values.columns):
        own = np.sort(gaps[:, i])
        at = np.concatenate([[0.0], own, [1.0]])
        share = [float((own <= x + 1e-12).mean()) for x in at]
        style = look[str(name)]
        chart.add_scatter(
            x=at, y=share, name=plain(name), mode="lines",
            line={"color": style.colour, "dash": style.dash, "width": 2, "shape": "hv"},
        )  # fmt: skip
    chart.update_xaxes(title="gap to the task's best, as a share of best to worst", range=[0, 1])
    chart.update_yaxes(title="share of the tasks", range=[0, 1 + 1 / max(len(values), 10)])
    return chart
