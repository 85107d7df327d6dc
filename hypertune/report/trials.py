"""Figures of the single trials: when they ran, how they learned, how good they became."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hypertune.comparison.timeline import busy_spans
from hypertune.records.records import Records
from hypertune.report.marks import MOST_MARKS, even_choice
from hypertune.report.style import STATUSES, Style, figure, finish, note, plain, short

MOST_LANES = 160
"""With more workers in total, the timeline shows how many were busy instead of each one."""
MOST_CURVES = 120
"""Most learning curves drawn per strategy; beyond that, the best one and an even selection."""
LONGEST_TITLE = 22
"""Most characters of the metric beside a panel, whose height they must not exceed."""


def timeline(records: Records, styles: Mapping[str, Style]) -> go.Figure | None:
    """Which worker trained which trial when, one seed at a time; gaps are waiting."""
    spans = busy_spans(records)
    if spans.empty:
        return None
    names = [name for name in records.study.strategies if (spans["strategy"] == name).any()]
    workers = int(records.sweeps["workers"].max())
    seeds = _shown_seeds(spans, records.study.seeds)
    if workers * len(names) > MOST_LANES or not seeds:
        return _busy_workers(spans, names, styles)
    spans = spans.assign(lane=spans["strategy"].map(names.index) * (workers + 1) + spans["worker"])
    chart = figure(110 + max(14, 30 - 2 * workers) * len(names) * (workers + 1), barmode="overlay", bargap=0.15)
    seed_of = []
    for seed in seeds:
        for status in STATUSES:
            rows = spans[(spans["seed"] == seed) & (spans["status"] == status)]
            if len(rows):
                chart.add_trace(_bars(rows, status, visible=seed == seeds[0]))
                seed_of.append(seed)
    middle = (workers - 1) / 2
    chart.update_yaxes(
        tickvals=[i * (workers + 1) + middle for i in range(len(names))], ticktext=[plain(name) for name in names],
        autorange="reversed", showgrid=False,
    )  # fmt: skip
    chart.update_xaxes(title="seconds since the sweep began")
    if len(seeds) > 1:
        chart.update_layout(updatemenus=[_chooser([(f"seed {seed}", [s == seed for s in seed_of]) for seed in seeds])])
    return chart


def _shown_seeds(spans: pd.DataFrame, seeds: Iterable[int]) -> list[int]:
    """The first seeds, as many as there is room for in one figure."""
    counts = spans["seed"].value_counts()
    there = [seed for seed in seeds if seed in counts.index]
    return [seed for seed, marks in zip(there, counts.reindex(there).cumsum(), strict=True) if marks <= MOST_MARKS]


def _bars(rows: pd.DataFrame, status: str, *, visible: bool) -> go.Bar:
    # Outlined or filled, not hatched: a PDF holds each hatched bar as a picture, megabytes in all.
    colour, filled = STATUSES[status][0], status == "completed"
    outline = {"color": "#ffffff" if filled else colour, "width": 0.5 if filled else 1.2}
    return go.Bar(
        x=rows["end_s"] - rows["start_s"], base=rows["start_s"], y=rows["lane"], orientation="h", name=status,
        customdata=[[plain(name)] for name in rows["trial_id"]], visible=visible,
        marker={"color": colour if filled else "rgba(127,127,127,0.15)", "line": outline},
        hovertemplate="%{customdata[0]}<br>from %{base:.4g} s for %{x:.4g} s<extra></extra>",
    )  # fmt: skip


def _chooser(choices: list[tuple[str, list[bool]]]) -> dict[str, Any]:
    buttons = [{"label": label, "method": "restyle", "args": [{"visible": shown}]} for label, shown in choices]
    return {"buttons": buttons, "x": 1, "xanchor": "right", "y": -0.02, "yanchor": "top", "direction": "up"}


def _busy_workers(spans: pd.DataFrame, names: list[str], styles: Mapping[str, Style]) -> go.Figure:
    """Busy workers over time in each strategy's first sweep."""
    chart = figure(420)
    for name in names:
        rows = spans[spans["strategy"] == name]
        rows = rows[rows["seed"] == rows["seed"].iloc[0]]
        times = np.concatenate([rows["start_s"], rows["end_s"]])
        steps = np.concatenate([np.ones(len(rows)), -np.ones(len(rows))])
        # Ends before starts at the same moment: a worker that goes on to the next trial is one worker.
        order = np.lexsort((steps, times.round(6)))
        chart.add_scatter(
            x=times[order], y=np.cumsum(steps[order]), name=plain(name), mode="lines",
            line={"shape": "hv", "color": styles[name].colour, "dash": styles[name].dash},
        )  # fmt: skip
    chart.update_xaxes(title="seconds since the sweep began")
    chart.update_yaxes(title="busy workers", rangemode="tozero")
    return chart


def learning(records: Records, styles: Mapping[str, Style]) -> go.Figure | None:
    """The metric over the epochs of each trial, one panel per strategy; early-stopped trials are dashed."""
    names = [name for name in records.study.strategies if (records.curves["strategy"] == name).any()]
    if not names:
        return None
    metric, mode = records.study.metric, records.study.mode
    drawn = [records.curves.iloc[:0]]
    chart, places = _panels(names, metric)
    for name, (row, col) in zip(names, places, strict=True):
        for label, dash, opacity, curves in _lines(records, name):
            if curves.empty:
                continue
            drawn.append(curves)
            chart.add_scatter(
                **_joined(curves, metric), name=label, legendgroup=label, mode="lines+markers", row=row,
                col=col, line={"color": styles[name].colour, "dash": dash, "width": 1.2}, opacity=opacity,
                marker={"size": 3}, hovertemplate="epoch %{x}: %{y}<extra></extra>",
            )  # fmt: skip
    values = pd.concat([curves[metric] for curves in drawn]).astype(float)
    shown, outside = _range(values, mode)
    most = int(records.trials["strategy"].value_counts().max())
    chosen = f"At most {MOST_CURVES} lines per strategy are drawn: the best one and an even selection by value."
    note(chart, chosen if most > MOST_CURVES else "", _left_out(outside, int(np.isfinite(values).sum()), "points"))
    chart.update_yaxes(range=shown)
    chart.update_xaxes(title="epoch", row=places[-1][0])
    chart.update_xaxes(showticklabels=True)
    return _finish_panels(chart, places)


def _panels(names: list[str], metric: str) -> tuple[go.Figure, list[tuple[int, int]]]:
    columns = min(3, len(names))
    places = [(i // columns + 1, i % columns + 1) for i in range(len(names))]
    chart = make_subplots(
        rows=places[-1][0], cols=columns, shared_xaxes=True, shared_yaxes=True, horizontal_spacing=0.03,
        vertical_spacing=0.2 / places[-1][0] + 0.02, subplot_titles=[plain(name) for name in names],
    )  # fmt: skip
    chart.update_yaxes(title=short(metric, LONGEST_TITLE), col=1)
    return chart, places


def _finish_panels(chart: go.Figure, places: list[tuple[int, int]]) -> go.Figure:
    """Each group of traces once in a legend above the panels' titles."""
    seen: set[str] = set()
    for trace in chart.data:
        trace.showlegend = trace.name not in seen
        seen.add(trace.name)
    legend = {"yref": "container", "y": 0.995, "yanchor": "top"}
    return finish(chart, 120 + 220 * places[-1][0], margin={"t": 76}, legend=legend)


def _lines(records: Records, strategy: str) -> Iterator[tuple[str, str, float, pd.DataFrame]]:
    trials = records.trials[records.trials["strategy"] == strategy]
    trials = trials[trials["trial_id"].isin(_selection(trials, records.study.metric, records.study.mode))]
    curves = records.curves[records.curves["strategy"] == strategy]
    for label, statuses, dash, opacity in (
        ("completed", ("completed",), "solid", 0.55),
        ("stopped early", ("stopped",), "dot", 0.55),
        ("failed, diverged or unfinished", ("failed", "diverged", "running"), "dash", 0.9),
    ):
        chosen = trials.loc[trials["status"].isin(statuses), "trial_id"]
        yield label, dash, opacity, curves[curves["trial_id"].isin(chosen)]


def _selection(trials: pd.DataFrame, metric: str, mode: str) -> pd.Series[str]:
    """All trials, or if too many, the best one and an even selection by value."""
    if len(trials) <= MOST_CURVES:
        return trials["trial_id"]
    ordered = trials.sort_values(metric, ascending=mode == "min", na_position="last")
    return ordered["trial_id"].iloc[np.linspace(0, len(ordered) - 1, MOST_CURVES).round().astype(int)]


def _joined(curves: pd.DataFrame, metric: str) -> dict[str, list[Any]]:
    """All curves as one line, broken between trials: one trace instead of hundreds."""
    x: list[Any] = []
    y: list[Any] = []
    for _, trial in curves.groupby("trial_id", sort=False):
        x += [*trial["epoch"].tolist(), None]
        y += [*trial[metric].tolist(), None]
    return {"x": x, "y": y}


def _range(values: pd.Series[float], mode: str) -> tuple[list[float] | None, int]:
    """The axis of values, and how many of them lie outside: a diverging trial must not flatten all others into a line.

    It ends beyond the best value, so that its mark is whole, and beyond the worst unless that takes more than half of
    it; then a little beyond the value than which 2 % are worse.
    """
    numbers = values.to_numpy(dtype=float)
    goodness = numbers[np.isfinite(numbers)] * (1 if mode == "max" else -1)
    if goodness.size == 0:
        return None, 0
    worst, bad, best = (float(edge) for edge in np.quantile(goodness, [0, 0.02, 1]))
    low = worst if best - worst <= 2 * (best - bad) else bad - 0.15 * (best - bad)
    margin = 0.05 * (best - low)
    if not 0 < margin < np.inf:
        return None, 0
    ends = [low - margin, best + margin]
    return ends if mode == "max" else [-ends[1], -ends[0]], int((goodness < ends[0]).sum())


def _left_out(count: int, of: int, things: str) -> str:
    return f"{count:,} of {of:,} {things} are worse than the axis shows." if count else ""


def tried(records: Records, styles: Mapping[str, Style]) -> go.Figure | None:
    """The value of every trial in the order in which the sweeps tried them, one panel per strategy."""
    metric = records.study.metric
    trials = records.trials
    number = trials.groupby(["strategy", "seed"], sort=False).cumcount() + 1
    trials = trials[np.isfinite(trials[metric].astype(float))]
    by_strategy = trials[metric].astype(float).groupby(trials["strategy"])
    ranks = by_strategy.rank(method="first", ascending=records.study.mode == "min")
    trials = trials[even_choice(len(trials)) | (ranks == 1).to_numpy()]
    names = [name for name in records.study.strategies if (trials["strategy"] == name).any()]
    if not names:
        return None
    chart, places = _panels(names, metric)
    for name, (row, col) in zip(names, places, strict=True):
        for status, (colour, symbol) in STATUSES.items():
            line = {"width": 1.5, "color": colour}
            rows = trials[(trials["strategy"] == name) & (trials["status"] == status)]
            if rows.empty:
                continue
            chart.add_scatter(
                x=number[rows.index], y=rows[metric], mode="markers", name=status, legendgroup=status, row=row, col=col,
                customdata=[[plain(t)] for t in rows["trial_id"]],
                marker={"color": colour, "symbol": symbol, "size": 6, "opacity": 0.7, "line": line},
                hovertemplate="%{customdata[0]}: %{y}<extra></extra>",
            )  # fmt: skip
    shown, outside = _range(trials[metric], records.study.mode)
    note(chart, _left_out(outside, len(trials), "trials"))
    chart.update_yaxes(range=shown)
    chart.update_xaxes(title="trial of the sweep", row=places[-1][0])
    chart.update_xaxes(showticklabels=True)
    return _finish_panels(chart, places)
