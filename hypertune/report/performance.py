"""Figures of how well and at what cost the strategies did."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hypertune.comparison.anytime import Axis, on_grid
from hypertune.comparison.assessment import Assessment
from hypertune.comparison.outcomes import finished
from hypertune.comparison.statistics import interval
from hypertune.report.style import GREY, Style, figure, finish, plain

TITLES = {"epochs": "epochs spent by the sweep", "wall_s": "seconds since the sweep began"}


def anytime(assessment: Assessment, axis: Axis, styles: Mapping[str, Style]) -> go.Figure | None:
    """Mean incumbent over what was spent, with its interval; the dotted line is the target."""
    metric = assessment.records.study.metric
    curves = on_grid(assessment.records, axis)
    curves = curves[curves["value"].notna()]
    if curves.empty:
        return None
    chart = figure(460, hovermode="x unified")
    shown = {assessment.leader, assessment.judgement.recommended if assessment.judgement else None}
    for name, curve in curves.groupby("strategy", sort=False):
        style = styles[str(name)]
        if curve["low"].notna().any():
            # Overlapping bands cannot be read: the others are drawn when the reader points at their line.
            draw_band(chart, curve, axis, style, str(name), visible=name in shown)
        draw_curve(chart, curve[axis], curve["value"], style, str(name))
    target = assessment.seconds
    if target is not None:
        chart.add_hline(y=target.value, line={"color": GREY, "dash": "dot", "width": 1})
    chart.update_xaxes(title=TITLES[axis], rangemode="tozero")
    chart.update_yaxes(title=f"mean incumbent {plain(metric)}", range=_late_range(curves, axis))
    return chart


def draw_curve(chart: go.Figure, x: Any, y: Any, style: Style, name: str) -> None:
    """A strategy's values over what was spent, as steps with a few markers."""
    chart.add_scatter(
        x=x, y=y, name=plain(name), legendgroup=name, mode="lines+markers",
        line={"color": style.colour, "dash": style.dash, "width": 2, "shape": "hv"},
        marker={"symbol": style.symbol, "size": 7, "maxdisplayed": 9},
    )  # fmt: skip


def draw_band(
    chart: go.Figure, curve: pd.DataFrame, axis: str, style: Style, name: str, *, visible: bool = True
) -> None:
    """The area between the columns `low` and `high` of a curve over its column `axis`; `meta` names its strategy for
    the page's script."""
    edge = {
        "mode": "lines", "line": {"width": 0, "shape": "hv"}, "legendgroup": name, "hoverinfo": "skip",
        "visible": visible, "meta": {"band": plain(name), "always": visible},
    }  # fmt: skip
    chart.add_scatter(x=curve[axis], y=curve["high"], showlegend=False, **edge)
    chart.add_scatter(
        x=curve[axis], y=curve["low"], showlegend=False, fill="tonexty", fillcolor=style.faded(0.15), **edge
    )


def _late_range(curves: pd.DataFrame, axis: str) -> list[float] | None:
    """The means after the first third and the bands at the end: earlier values would flatten the rest."""
    end = curves[axis].max()
    late, last = curves[curves[axis] >= end / 3], curves[curves[axis] == end]
    values = np.concatenate([late["value"], last["low"], last["high"]]).astype(float)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.05 * (high - low)
    return [low - margin, high + margin] if margin > 0 else None


def final(assessment: Assessment, styles: Mapping[str, Style]) -> go.Figure | None:
    """What the sweeps ended with on validation and test data: means with intervals, and every seed as a dot."""
    outcomes, metric = assessment.outcomes, assessment.records.study.metric
    values, test = outcomes.values, outcomes.test
    if values.isna().all(axis=None):
        return None
    tested = bool(test.notna().any(axis=None)) and metric != "test_accuracy"
    # An accuracy shares its axis with the test accuracy; any other metric has its own axis.
    shared = tested and metric.endswith("accuracy")
    chart = make_subplots(rows=1, cols=2 if tested and not shared else 1, shared_yaxes=True, horizontal_spacing=0.08)
    scores(chart, values, metric, styles, Marks(True, 0.14 if shared else 0.0, 1))
    if tested:
        scores(chart, test, "test_accuracy", styles, Marks(False, -0.14, 1 if shared else 2))
    names = list(outcomes.strategies)
    chart.update_yaxes(tickvals=list(range(len(names))), ticktext=[plain(n) for n in names], autorange="reversed")
    chart.update_xaxes(title=plain(metric) + (", test_accuracy" if shared else ""), col=1)
    if tested and not shared:
        chart.update_xaxes(title="test_accuracy", col=2)
    return finish(chart, 120 + 46 * len(names))


@dataclass(frozen=True, slots=True)
class Marks:
    """How one set of scores is drawn: filled or open, how far above its row, and in which column."""

    filled: bool
    shift: float
    column: int


def scores(chart: go.Figure, values: pd.DataFrame, label: str, styles: Mapping[str, Style], marks: Marks) -> None:
    """One row per column of `values`: every seed as a dot, the mean with its interval as a large mark."""
    for i, name in enumerate(values.columns):
        found, colour = values[name].dropna(), styles[name].colour
        if found.empty:
            continue
        low, high = interval(found)
        symbol = "circle" if marks.filled else "diamond-open"
        mean, at = float(found.mean()), i - marks.shift
        spread = {"array": [high - mean], "arrayminus": [mean - low]} if math.isfinite(low) else {"array": [0]}
        chart.add_scatter(
            x=found, y=[at] * len(found), mode="markers", showlegend=False, col=marks.column, row=1,
            marker={"color": styles[name].faded(0.35), "size": 6}, customdata=[[s] for s in found.index],
            hovertemplate="seed %{customdata[0]}: %{x}<extra></extra>",
        )  # fmt: skip
        chart.add_scatter(
            x=[mean], y=[at], name=plain(label), legendgroup=label, showlegend=i == 0, mode="markers", row=1,
            col=marks.column,
            marker={"color": colour, "size": 11, "symbol": symbol, "line": {"width": 2, "color": colour}},
            error_x={"type": "data", "color": colour, "thickness": 2, **spread},
        )  # fmt: skip


def cost(assessment: Assessment, styles: Mapping[str, Style]) -> go.Figure | None:
    """Wall-clock seconds per sweep and the share of worker-seconds in which a trial was training."""
    ledger = finished(assessment.records)
    ledger = ledger[ledger["seed"].isin(assessment.outcomes.seeds)]
    if ledger.empty:
        return None
    names = list(assessment.outcomes.strategies)
    chart = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06)
    for name in names:
        rows = ledger[ledger["strategy"] == name]
        share = rows["busy_s"] / (rows["workers"] * rows["wall_s"]).where(rows["wall_s"] > 0)
        for col, numbers in ((1, rows["wall_s"].astype(float)), (2, 100 * share)):
            chart.add_bar(
                x=[numbers.mean()], y=[plain(name)], orientation="h", marker={"color": styles[name].faded(0.6)},
                showlegend=False, row=1, col=col, hovertemplate="%{x:.4g}<extra></extra>",
            )  # fmt: skip
            chart.add_scatter(
                x=numbers, y=[plain(name)] * len(numbers), mode="markers", showlegend=False, row=1, col=col,
                marker={"color": styles[name].colour, "size": 6, "symbol": "line-ns-open"},
                customdata=[[seed] for seed in rows["seed"]],
                hovertemplate="seed %{customdata[0]}: %{x:.4g}<extra></extra>",
            )  # fmt: skip
    chart.update_yaxes(autorange="reversed")
    chart.update_xaxes(title="seconds per sweep", rangemode="tozero", col=1)
    chart.update_xaxes(title="busy, %", range=[0, 102], col=2)
    return finish(chart, 120 + 36 * len(names), bargap=0.35)
