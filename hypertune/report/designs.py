"""Figures of a design: heatmaps, the outcome over the levels of each factor, and its cells side by side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hypertune.comparison.effects import Estimate, estimate
from hypertune.comparison.narrative import cell_name, chosen_name
from hypertune.comparison.numbers import number, setting
from hypertune.comparison.runs import Runs, runs
from hypertune.comparison.summary import experiment_summary, full_trainings
from hypertune.records.records import Records
from hypertune.report.marks import MOST_MARKS
from hypertune.report.style import BLUE, GREY, ORANGE, SCALE, figure, finish, plain
from hypertune.study.design import Factor
from hypertune.study.hypotheses import VALUE

MOST_CELLS = 30
"""Most cells in the configuration summary; beyond that, the best ones."""
MOST_PANELS = 6
FEW_LEVELS = 8
"""Up to this many levels on each axis the fields of a heatmap have room for their intervals."""


def refusal(records: Records) -> str | None:
    """Why the records cannot be shown as a heatmap; None where they can."""
    trials, study = records.trials, records.study
    stopped = trials[trials["status"] == "stopped"]
    if len(stopped):
        epochs = f"{stopped['epochs'].min()} to {stopped['epochs'].max()}"
        return (
            f"heatmap: refused, {len(stopped)} of {len(trials)} trials were stopped early, by their scheduler or the "
            f"budget, after {epochs} of {study.training.max_epochs} epochs: a cell's colour would compare trainings "
            "of different length, and those stopped are not a random sample; give the study a [design], whose cells "
            "run in full"
        )
    if study.design is None:
        return "heatmap: needs a [design] in the study file; the trials of a searcher do not fill a grid"
    if study.design.kind != "grid" or len(study.factors()) < 2:
        return 'heatmap: needs a [design] of kind = "grid" with two factors or more'
    return None


def heatmap(records: Records, x: str | None = None, y: str | None = None) -> go.Figure:
    """Mean of every cell over its seeds, two factors against each other, one panel per level of a third.

    Args:
        x, y: names of factors; by default the two with the most levels. Further factors are averaged over.

    Raises:
        ValueError: with the reason, if the records are not a full grid of full trainings, e.g. because trials were
            stopped early; or if a name is not a factor.
    """
    reason = refusal(records)
    if reason:
        raise ValueError(reason)
    facts = runs(records)
    across, up, panels = _axes(facts, x, y)
    chart = _panels(panels, across, up)
    for place, level in enumerate(panels.levels if panels else [None]):
        fixed = ((panels.name, level),) if panels else ()
        grid = [[estimate(facts.at((*fixed, (across.name, a), (up.name, b))), step=facts.step) for a in across.levels]
                for b in up.levels]  # fmt: skip
        chart.add_trace(_fields(grid, across, up, detailed=_roomy(across, up)), 1 + place // 2, 1 + place % 2)
    chart.update_layout(coloraxis={"colorscale": SCALE, "colorbar": {"title": {"text": plain(records.study.metric)}}})
    chart.update_xaxes(title=plain(across.name), type="category")
    chart.update_yaxes(title=plain(up.name), type="category")
    return chart


def _axes(facts: Runs, x: str | None, y: str | None) -> tuple[Factor, Factor, Factor | None]:
    names = {factor.name: factor for factor in facts.factors}
    for name in (x, y):
        if name is not None and name not in names:
            raise ValueError(f"heatmap: {name!r} is not varied by the study; varied: {', '.join(names)}")
    by_size = sorted(facts.factors, key=lambda factor: -len(factor.levels))
    chosen = [names[name] for name in (x, y) if name is not None]
    across, up, *rest = [*chosen, *(factor for factor in by_size if factor not in chosen)]
    return across, up, next((factor for factor in rest if len(factor.levels) <= MOST_PANELS), None)


def _panels(panels: Factor | None, across: Factor, up: Factor) -> go.Figure:
    levels = panels.levels if panels else (None,)
    columns, rows = min(2, len(levels)), math.ceil(len(levels) / 2)
    titles = [f"{plain(panels.name)} = {plain(setting(level))}" for level in levels] if panels else None
    chart = make_subplots(rows=rows, cols=columns, subplot_titles=titles, horizontal_spacing=0.14)
    room = 46 if _roomy(across, up) else 34
    return finish(chart, rows * (110 + room * max(len(up.levels), 4)), margin={"t": 48})


def _roomy(across: Factor, up: Factor) -> bool:
    return max(len(across.levels), len(up.levels)) <= FEW_LEVELS


def _fields(grid: list[list[Estimate]], across: Factor, up: Factor, *, detailed: bool) -> go.Heatmap:
    text = [[_field(own, detailed) for own in row] for row in grid]
    return go.Heatmap(
        x=[plain(setting(level)) for level in across.levels], y=[plain(setting(level)) for level in up.levels],
        z=[[own.effect for own in row] for row in grid], text=text, texttemplate="%{text}", coloraxis="coloraxis",
        hovertemplate=f"{plain(across.name)} %{{x}}, {plain(up.name)} %{{y}}: %{{text}}<extra></extra>", xgap=1, ygap=1,
    )  # fmt: skip


def _field(own: Estimate, detailed: bool) -> str:
    if not math.isfinite(own.effect):
        return ""
    if detailed and math.isfinite(own.low):
        return f"{own.effect:.3f}<br>±{(own.high - own.low) / 2:.2g}"
    return f"{own.effect:.2f}"


def by_level(records: Records, name: str) -> go.Figure:
    """Every run and the mean with its interval at each level of one factor; numbers on their own scale, log included.

    In a grid the mean at a level is over all cells with it; one at a time, of the cell that has the others at their
    baseline.
    """
    facts, metric = runs(records), records.study.metric
    factor = facts.factor(name)
    chart = figure(400, showlegend=False)
    where = [_place(factor, i) for i in range(len(factor.levels))]
    for i, level in enumerate(factor.levels):
        rows = facts.rows(((name, level),))
        # Spread sideways by seed, always the same way, so that equal runs do not hide each other.
        shift = rows["seed"].map({seed: k for k, seed in enumerate(facts.seeds)}) - (len(facts.seeds) - 1) / 2
        chart.add_scatter(
            x=where[i] + 0.04 * shift, y=rows[VALUE], mode="markers", opacity=0.45,
            marker={"color": np.where(rows["lost"], ORANGE, GREY), "size": 5,
                    "symbol": np.where(rows["lost"], "x", "circle")},
            text=[plain(trial_id) for trial_id in rows["trial_id"]], hovertemplate="%{text}: %{y}<extra></extra>",
        )  # fmt: skip
    means = [estimate(facts.at(((name, level),)), step=facts.step) for level in factor.levels]
    _mean_line(chart, factor, where, means)
    chart.update_xaxes(title=plain(name), tickvals=where, ticktext=[plain(setting(level)) for level in factor.levels])
    chart.update_yaxes(title=plain(metric), range=_range(facts))
    return chart


def _place(factor: Factor, position: int) -> float:
    """Where a level lies: on a logarithmic axis in octaves or decades, else evenly."""
    if factor.log:
        logs = np.log([float(level) for level in factor.levels])
        return float((logs[position] - logs[0]) / np.diff(logs).min())
    return float(position)


def _mean_line(chart: go.Figure, factor: Factor, where: list[float], means: list[Estimate]) -> None:
    spread = [own.high - own.effect if math.isfinite(own.high) else 0.0 for own in means]
    chart.add_scatter(
        x=where, y=[own.effect for own in means], mode="lines+markers" if factor.numeric else "markers",
        line={"color": BLUE}, marker={"color": BLUE, "size": 10}, error_y={"array": spread, "thickness": 1.5},
        text=[f"{number(own.effect)} [{number(own.low)}, {number(own.high)}]" for own in means],
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _range(facts: Runs) -> list[float] | None:
    values = facts.table[VALUE].dropna()
    if values.empty:
        return None
    margin = 0.06 * float(np.ptp(values)) or 0.01
    return [float(values.min()) - margin, float(values.max()) + margin]


def cells(records: Records) -> go.Figure | None:
    """The configuration summary: mean and interval of each cell, the best on top."""
    table = experiment_summary(records).dropna(subset=[records.study.metric]).head(MOST_CELLS)
    if table.empty:
        return None
    names = [plain(cell_name(records, row)) for _, row in table.iterrows()]
    chart = figure(120 + 22 * len(table), showlegend=False, margin={"l": 200})
    spread = (table["high"] - table[records.study.metric]).fillna(0.0)
    chart.add_scatter(
        x=table[records.study.metric], y=names, mode="markers", error_x={"array": spread, "thickness": 1.2},
        marker={"color": [ORANGE if yes else BLUE for yes in table["recommended"]], "size": 9,
                "symbol": ["star" if yes else "circle" for yes in table["recommended"]]},
        customdata=_costs(table), hovertemplate="%{y}: %{x}<br>%{customdata}<extra></extra>",
    )  # fmt: skip
    chart.update_yaxes(autorange="reversed", type="category")
    chart.update_xaxes(title=plain(records.study.metric))
    return chart


def _costs(table: pd.DataFrame) -> list[str]:
    return [f"{number(s)} s, {number(p)} weights" for s, p in zip(table["seconds"], table["parameters"], strict=True)]


def trade_off(records: Records) -> go.Figure | None:
    """Value of the full trainings against their time, the size of a mark showing the model's size.

    The configurations on the front are not joined: it has three objectives, and a line would show two.
    """
    table, metric = experiment_summary(records), records.study.metric
    table = table[full_trainings(table, records)]
    table = table[np.isfinite(table[metric].astype(float)) & np.isfinite(table["seconds"].astype(float))]
    if len(table) < 2:
        return None
    table = pd.concat([table[table["on_front"]], table[~table["on_front"]].head(MOST_MARKS)])
    chart = figure(440)
    for label, rows, marker in _marks(table, chosen_name(records)):
        chart.add_scatter(
            x=rows["seconds"], y=rows[metric], mode="markers", name=label, marker=marker,
            text=[plain(cell_name(records, row)) for _, row in rows.iterrows()], customdata=_costs(rows),
            hovertemplate="%{text}: %{y}<br>%{customdata}<extra></extra>",
        )  # fmt: skip
    wide = table["seconds"].max() > 10 * table["seconds"].min() > 0
    chart.update_xaxes(title="seconds of training", type="log" if wide else "linear")
    chart.update_yaxes(title=plain(metric))
    return chart


def _marks(table: pd.DataFrame, best: str) -> list[tuple[str, pd.DataFrame, dict[str, Any]]]:
    sizes = table["parameters"]
    known = sizes.notna().all() and sizes.max() > sizes.min() > 0
    scaled = 6 + 16 * (np.log(sizes) - np.log(sizes.min())) / np.log(sizes.max() / sizes.min()) if known else None
    chosen, front = table["recommended"].astype(bool), table["on_front"].astype(bool)
    marks = []
    for label, rows, colour, symbol in (
        ("other configurations", table[~chosen & ~front], GREY, "circle-open"),
        ("on the front", table[front & ~chosen], BLUE, "circle"),
        (best, table[chosen], ORANGE, "star"),
    ):
        size: Any = 15 if symbol == "star" else scaled[rows.index] if scaled is not None else 8
        marks.append((label, rows, {"color": colour, "symbol": symbol, "size": size, "opacity": 0.75}))
    return marks
