"""The page about the number of workers: sentences, figure and table, as HTML that works offline, and as CSV."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.subplots import make_subplots

from hypertune.comparison.numbers import MISSING, duration, number, share
from hypertune.records.sheets import to_csv
from hypertune.report.payload import figure_json, plotly_script, script_json
from hypertune.report.style import Style, finish, plain, styles, template
from hypertune.storage.files import write_atomically
from hypertune.study.study import Study

HEIGHT = 460


def write_capacity(out: Path, table: pd.DataFrame, sentences: list[str], study: Study, target: float) -> None:
    """Writes `capacity.csv` and `capacity.html`."""
    write_atomically(out / "capacity.csv", to_csv(table))
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        files("hypertune.report").joinpath("capacity.html.j2").read_text(encoding="utf-8")
    )
    content = page.render(
        name=study.name,
        summary=f"{len(study.seeds)} seed(s), {study.budget} for each sweep; the target is {study.metric} "
        f"{number(target)}, and mode is {study.mode}.",
        sentences=sentences,
        figure=Markup(figure_json(capacity_figure(table, styles(study.strategies)))),
        height=HEIGHT,
        columns=["strategy", "workers", "time", "cost", "speed-up", "sweeps there", f"final {study.metric}", "busy"],
        rows=[{"knee": row["knee"], "cells": _cells(row)} for row in table.to_dict("records")],
        style=Markup(_report("report.css")),
        script=Markup(_report("report.js")),
        plotly=Markup(plotly_script()),
        templates=Markup(script_json({name: template(dark=name == "dark").to_plotly_json() for name in THEMES})),
    )
    write_atomically(out / "capacity.html", content)


THEMES = ("light", "dark")


def capacity_figure(table: pd.DataFrame, look: Mapping[str, Style]) -> go.Figure:
    """Time and cost to the target against workers, one line per strategy, on logarithmic axes, knees ringed."""
    chart = make_subplots(rows=1, cols=2, horizontal_spacing=0.1)
    reached = table[table["time_s"].notna()]
    for name, part in reached.groupby("strategy", sort=False):
        style = look[str(name)]
        for column, key in ((1, "time_s"), (2, "cost_worker_s")):
            factor = part[key] / part["time_s"]
            chart.add_scatter(
                x=part["workers"], y=part[key], name=plain(name), legendgroup=str(name), showlegend=column == 1,
                mode="lines+markers", line={"color": style.colour, "dash": style.dash}, row=1, col=column,
                marker={"symbol": style.symbol, "size": 8}, error_y=_bars(part, factor, style),
            )  # fmt: skip
            knee = part[part["knee"]]
            chart.add_scatter(
                x=knee["workers"], y=knee[key], legendgroup=str(name), showlegend=False, mode="markers",
                marker={"symbol": "circle-open", "size": 18, "color": style.colour, "line": {"width": 2}},
                hovertemplate=f"{plain(name)}: knee at %{{x}} workers<extra></extra>", row=1, col=column,
            )  # fmt: skip
        _add_perfect(chart, part, style)
    chart.update_xaxes(type="log", title="workers", tickvals=sorted(set(table["workers"])), tickformat="d")
    chart.update_yaxes(type="log")
    chart.update_yaxes(title="virtual seconds to the target", col=1)
    chart.update_yaxes(title="worker-seconds rented until then", col=2)
    return finish(chart, HEIGHT)


def _bars(part: pd.DataFrame, factor: pd.Series[float], style: Style) -> dict[str, Any]:
    # Where the interval has no upper end, some resamples never reach the target: the bar would have to be infinite.
    up = (part["time_s_high"] - part["time_s"]) * factor
    down = (part["time_s"] - part["time_s_low"]) * factor
    return {"array": up.fillna(0), "arrayminus": down.fillna(0), "color": style.faded(0.5), "thickness": 1.5}


def _add_perfect(chart: go.Figure, part: pd.DataFrame, style: Style) -> None:
    first = part.iloc[0]
    chart.add_scatter(
        x=part["workers"], y=first["time_s"] * first["workers"] / part["workers"], mode="lines", showlegend=False,
        legendgroup=str(first["strategy"]), hoverinfo="skip", row=1, col=1,
        line={"color": style.faded(0.4), "dash": "dot", "width": 1},
    )  # fmt: skip


def _cells(row: Mapping[Any, Any]) -> list[str]:
    low, high = row["time_s_low"], row["time_s_high"]
    interval = f" [{duration(low)}, {duration(high)}]" if math.isfinite(low) else ""
    return [
        row["strategy"],
        str(row["workers"]),
        duration(row["time_s"]) + interval if math.isfinite(row["time_s"]) else MISSING,
        duration(row["cost_worker_s"]),
        number(row["speedup"], 3),
        share(row["reached"]),
        number(row["value"]),
        share(row["utilisation"]),
    ]


def _report(name: str) -> str:
    return files("hypertune.report").joinpath(name).read_text(encoding="utf-8")
