"""Figures of the search space: all hyperparameters side by side, and two of them against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from hypertune.comparison.encoding import encoded
from hypertune.comparison.importance import importances
from hypertune.records.records import Records
from hypertune.report.marks import even_choice
from hypertune.report.scales import LONGEST, Scale, scale
from hypertune.report.style import GREY, SCALE, STATUSES, Style, figure, finish, plain, short

MOST_LINES = 1000
MOST_AXES = 20
"""Most hyperparameters in a figure; beyond that, the most important, or the first ones if importance is unknown."""
MOST_TICKS = 40
ABSENT = -0.12
"""Where a line passes an axis whose hyperparameter is not active in that trial: below it."""


def scales(records: Records, numbers: pd.DataFrame) -> dict[str, Scale]:
    """The axes of all hyperparameters by key."""
    return {p.key: scale(p, numbers[p.key]) for p in records.study.space.parameters()}


def parallel(records: Records) -> go.Figure | None:
    """One line per trial through all its hyperparameters to its value; early-stopped trials are separate, in grey.

    Plain lines instead of plotly's `parcoords`: they need no WebGL, print, and keep their colours in the legend.
    """
    metric = records.study.metric
    numbers = encoded(records)
    trials = records.trials.set_index("trial_id")[["status", metric]]
    trials = trials[np.isfinite(trials[metric].astype(float))]
    if trials.empty:
        return None
    axes = _drawn(records, scales(records, numbers))
    score = _score_scale(trials, metric)
    columns = [_spread(axis, axis.unit(numbers.loc[trials.index, key])) for key, axis in axes.items()]
    values = np.maximum(score.unit(trials[metric]), -0.06)
    lines = np.nan_to_num(np.column_stack([*columns, values]), nan=ABSENT)
    chart = figure(480, hovermode=False)
    for name, chosen, line in _groups(trials, metric, records.study.mode):
        _draw(chart, lines[chosen][:MOST_LINES], name, line)
    _axes(chart, [*axes.values(), score])
    return chart


def _drawn(records: Records, axes: dict[str, Scale]) -> dict[str, Scale]:
    """Those of the axes that a figure has room for, in their order."""
    if len(axes) <= MOST_AXES:
        return axes
    order = [key for key in importances(records)["hyperparameter"] if key in axes]
    chosen = set([*order, *(key for key in axes if key not in order)][:MOST_AXES])
    return {key: axis for key, axis in axes.items() if key in chosen}


def _score_scale(trials: pd.DataFrame, metric: str) -> Scale:
    """The axis of the metric, as wide as the completed trials: those stopped early would squeeze them together."""
    completed = trials.loc[trials["status"] == "completed", metric]
    values = (completed if len(completed) else trials[metric]).astype(float)
    return Scale(short(metric, LONGEST), (), False, float(values.min()), float(values.max()))


def _spread(axis: Scale, units: NDArray[np.float64]) -> NDArray[np.float64]:
    """Options of a choice lie on a few points: the lines through them are spread a little, always the same way."""
    if not axis.options:
        return units
    return units + (np.arange(len(units)) % 21 - 10) / 10 * min(0.03, 0.3 / len(axis.options))


def _groups(trials: pd.DataFrame, metric: str, mode: str) -> list[tuple[str, NDArray[np.bool_], dict[str, Any]]]:
    """Trials by their rank among the completed ones; the best are drawn last, on top."""
    completed = (trials["status"] == "completed").to_numpy()
    values = trials[metric].to_numpy(dtype=float)
    ranks = pd.Series(np.where(completed, values if mode == "min" else -values, np.nan)).rank(pct=True).to_numpy()
    groups = [
        ("stopped early or unfinished", ~completed, {"color": "rgba(127,127,127,0.3)", "width": 0.7}),
        ("in between", completed & (ranks > 0.2) & (ranks <= 0.8), {"color": "rgba(86,180,233,0.25)", "width": 1}),
        ("last fifth", completed & (ranks > 0.8), {"color": "rgba(213,94,0,0.4)", "width": 1, "dash": "dash"}),
        ("best fifth", completed & (ranks <= 0.2), {"color": "rgba(0,114,178,0.85)", "width": 1.6}),
    ]
    return [group for group in groups if group[1].any()]


def _draw(chart: go.Figure, lines: NDArray[np.float64], name: str, line: dict[str, Any]) -> None:
    places = np.append(np.arange(lines.shape[1], dtype=float), np.nan)
    gaps = np.full((len(lines), 1), np.nan)
    chart.add_scatter(
        x=np.tile(places, len(lines)), y=np.hstack([lines, gaps]).ravel(), mode="lines", name=name, line=line,
        hoverinfo="skip",
    )  # fmt: skip


def _axes(chart: go.Figure, axes: list[Scale]) -> None:
    # All at once: plotly checks all shapes again for each one that is added.
    label = {"showarrow": False, "xanchor": "left", "xshift": 4, "font": {"size": 11}}
    chart.update_layout(
        shapes=[
            {"type": "line", "x0": place, "x1": place, "y0": 0, "y1": 1, "line": {"width": 1.5}}
            for place in range(len(axes))
        ],
        annotations=[
            {"x": place, "y": float(axis.unit(at)), "text": text, **label}
            for place, axis in enumerate(axes)
            for at, text in axis.ticks()[:MOST_TICKS]
        ],
    )
    titles = {"tickvals": list(range(len(axes))), "ticktext": [axis.title for axis in axes], "side": "top"}
    # Plotly hides a tick's label that leaves the figure, as the first of titles slanting to the left does.
    titles |= {"autotickangles": [0, -30, -90], "ticklabeloverflow": "allow"}
    chart.update_xaxes(range=[-0.15, len(axes) - 1 + 0.15], showgrid=False, **titles)
    chart.update_yaxes(range=[-0.16, 1.06], visible=False)
    # Plotly makes room for ticks, but not for annotations.
    longest = max(len(text) for _, text in axes[-1].ticks()[:MOST_TICKS])
    chart.update_layout(legend={"y": -0.02, "yanchor": "top"}, margin={"r": 12 + 7 * longest})


def pair(records: Records, chosen: Sequence[str]) -> go.Figure | None:
    """The hyperparameters `chosen`, two keys of the space, against each other; None if there are fewer.

    Dots are trials: completed ones coloured by their value, early-stopped ones as grey crosses without a value. The
    background shows the mean value of completed trials field by field; early-stopped ones are excluded. Each dot
    carries its values of all hyperparameters, so that readers can choose two others in the report.

    Raises:
        ValueError: if `chosen` names a hyperparameter that is not in the space.
    """
    numbers, metric = encoded(records), records.study.metric
    axes = scales(records, numbers)
    for key in chosen:
        if key not in axes:
            raise ValueError(f"hyperparameter {key!r} is not in the space ({', '.join(axes)})")
    if len(chosen) < 2 or numbers.empty:
        return None
    keys = list(axes)
    x, y = (keys.index(key) for key in chosen)
    trials = records.trials.set_index("trial_id")
    completed = (trials["status"] == "completed") & np.isfinite(trials[metric].astype(float))
    done = numbers[completed].to_numpy()
    chart = figure(480, coloraxis={"colorscale": SCALE, "colorbar": {"title": {"text": short(metric, LONGEST)}}})
    # Axes first: plotly drops the heatmap's borders that an axis type set later does not fit.
    chart.update_xaxes(**axes[keys[x]].axis())
    chart.update_yaxes(**axes[keys[y]].axis())
    numbers = _apart(numbers, axes)
    if len(done):
        _ground(
            chart, done[:, x], done[:, y], trials.loc[completed, metric].to_numpy(float), axes[keys[x]], axes[keys[y]]
        )
        drawn = trials.index[completed][even_choice(len(done))]
        _dots(chart, numbers.loc[drawn], x, y, "completed", trials.loc[drawn, metric])
    for status in ("stopped", "failed", "diverged"):
        rows = numbers[(trials["status"] == status) & ~completed]
        if len(rows):
            _dots(chart, rows[even_choice(len(rows))], x, y, status, None)
    chart.update_layout(meta={"axes": [axis.axis() for axis in axes.values()], "x": x, "y": y, **_fields(axes)})
    return chart


def most_important(records: Records, importances: pd.DataFrame) -> list[str]:
    """The two hyperparameters to look at: the most important ones, or the first ones where nothing is known."""
    order = importances["hyperparameter"].tolist()
    keys = [parameter.key for parameter in records.study.space.parameters()]
    return [*order, *(key for key in keys if key not in order)][:2]


def _apart(numbers: pd.DataFrame, axes: dict[str, Scale]) -> pd.DataFrame:
    """Options of a choice lie on a few lines: their dots are spread within the field, always the same way."""
    shift = (np.arange(len(numbers)) * 7 % 11 - 5) / 20
    spread = {key: numbers[key] + shift for key, axis in axes.items() if axis.options}
    return numbers.assign(**spread)


def _ground(chart: go.Figure, x: Any, y: Any, values: Any, across: Scale, up: Scale) -> None:
    sums, _, _ = np.histogram2d(y, x, bins=(up.edges(), across.edges()), weights=values)
    counts, _, _ = np.histogram2d(y, x, bins=(up.edges(), across.edges()))
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    chart.add_heatmap(
        x=across.edges(), y=up.edges(), z=means, coloraxis="coloraxis", opacity=0.35, hoverongaps=False,
        name="mean of completed trials", showlegend=True, hovertemplate="mean of completed trials: %{z}<extra></extra>",
    )  # fmt: skip


def _dots(chart: go.Figure, rows: pd.DataFrame, x: int, y: int, status: str, values: pd.Series[float] | None) -> None:
    numbers = rows.to_numpy(dtype=float)
    symbol = STATUSES[status][1]
    marker: dict[str, Any] = {"size": 9, "symbol": symbol, "color": GREY, "line": {"width": 1.5, "color": GREY}}
    if values is not None:
        marker = {"size": 9, "symbol": symbol, "color": values, "coloraxis": "coloraxis",
                  "line": {"width": 0.8, "color": "#ffffff"}}  # fmt: skip
    shown = "%{marker.color}" if values is not None else status
    chart.add_scatter(
        x=numbers[:, x], y=numbers[:, y], mode="markers", marker=marker, name=status, customdata=numbers,
        showlegend=values is None,
        text=[plain(trial_id) for trial_id in rows.index], hovertemplate="%{text}: " + shown + "<extra></extra>",
    )  # fmt: skip


def _fields(axes: dict[str, Scale]) -> dict[str, Any]:
    """The borders of the heatmap's fields along every hyperparameter."""
    return {"edges": [axis.edges().tolist() for axis in axes.values()]}


def scatter(records: Records, styles: Mapping[str, Style]) -> go.Figure | None:
    """Every trial's value against each numeric hyperparameter, on its own scale; None if there is none."""
    numbers, metric = encoded(records), records.study.metric
    axes = _drawn(records, {key: axis for key, axis in scales(records, numbers).items() if not axis.options})
    trials = records.trials.set_index("trial_id")
    trials = trials[np.isfinite(trials[metric].astype(float))]
    trials = trials[even_choice(len(trials))]
    if not axes or trials.empty:
        return None
    columns = min(2, len(axes))
    rows = -(-len(axes) // columns)
    chart = make_subplots(rows=rows, cols=columns, shared_yaxes=True, horizontal_spacing=0.05)
    for i, (key, axis) in enumerate(axes.items()):
        place = {"row": i // columns + 1, "col": i % columns + 1}
        chart.update_xaxes(axis.axis(), **place)
        for name in records.study.strategies:
            for stopped in (False, True):
                chosen = trials[(trials["strategy"] == name) & ((trials["status"] == "stopped") == stopped)]
                if len(chosen):
                    chart.add_trace(
                        _tried(numbers.loc[chosen.index, key], chosen[metric], name, styles, stopped), **place
                    )
    shown: set[str] = set()
    for trace in chart.data:
        trace.showlegend = trace.name not in shown
        shown.add(trace.name)
    chart.update_yaxes(title=plain(metric), col=1)
    return finish(chart, 100 + 300 * rows)


def _tried(
    x: pd.Series[float], y: pd.Series[float], strategy: str, styles: Mapping[str, Style], stopped: bool
) -> go.Scatter:
    name = "stopped early" if stopped else plain(strategy)
    marker: dict[str, Any] = {"color": styles[strategy].colour, "symbol": styles[strategy].symbol, "size": 7}
    if stopped:
        marker = {"color": GREY, "symbol": STATUSES["stopped"][1], "size": 6, "line": {"width": 1, "color": GREY}}
    return go.Scatter(
        x=x, y=y, mode="markers", name=name, legendgroup=name, marker={**marker, "opacity": 0.7},
        text=[plain(trial_id) for trial_id in x.index], hovertemplate="%{text}: %{y}<extra></extra>",
    )  # fmt: skip
