"""How figures look: colours that the colour-blind can tell apart, and dashes and markers for readers who see no
colour."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from hypertune.comparison.outcomes import BASELINES

# Okabe and Ito (2008), "Color Universal Design", without yellow and black, which vanish on white and on black.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
GREY = "#7F7F7F"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon", "pentagon")
SCALE = "Cividis"
"""For values: even in lightness, and the same to every kind of colour vision."""

STATUSES: dict[str, tuple[str, str]] = {
    "completed": (BLUE, "circle"),
    "stopped": (ORANGE, "x-thin-open"),
    "failed": (VERMILION, "triangle-up"),
    "diverged": (PURPLE, "diamond"),
    "running": (GREY, "circle-open"),
}
"""Trial status to colour and marker."""


@dataclass(frozen=True, slots=True)
class Style:
    """How one strategy is drawn, the same in every figure."""

    colour: str
    dash: str
    symbol: str

    def faded(self, share: float) -> str:
        """The colour with opacity `share`, as plotly reads it."""
        red, green, blue = (int(self.colour[i : i + 2], 16) for i in (1, 3, 5))
        return f"rgba({red},{green},{blue},{share})"


def styles(strategies: Iterable[str]) -> dict[str, Style]:
    """One style per strategy; random search, the baseline, is grey."""
    others = [name for name in dict.fromkeys(strategies) if name not in BASELINES]
    chosen = {name: Style(GREY, "solid", "circle-open") for name in BASELINES}
    for i, name in enumerate(others):
        # After six strategies the colours come again, with another dash and another marker.
        dash = DASHES[(i + i // len(COLOURS)) % len(DASHES)]
        chosen[name] = Style(COLOURS[i % len(COLOURS)], dash, SYMBOLS[i % len(SYMBOLS)])
    return chosen


def plain(text: object) -> str:
    """Text for plotly to show as it is: plotly reads tags such as `<b>` and `<a>` in what it draws."""
    return html.escape(str(text), quote=False)


def figure(height: int = 420, **layout: Any) -> go.Figure:
    """An empty figure in the report's style; its width follows the page."""
    chart = go.Figure()
    chart.update_layout(template=TEMPLATE, height=height, **layout)
    return chart


def finish(chart: go.Figure, height: int, **layout: Any) -> go.Figure:
    """Gives a figure made elsewhere (e.g. by `make_subplots`) the report's style."""
    chart.update_layout(template=TEMPLATE, height=height, **layout)
    return chart


def template(*, dark: bool) -> go.layout.Template:
    """Fonts, lines and backgrounds for a light or dark page."""
    ink, grid, ground = ("#e6e6e6", "#3a3f45", "#16191d") if dark else ("#24292f", "#e3e6e9", "#ffffff")
    axis = {
        "gridcolor": grid, "linecolor": grid, "zeroline": False, "ticks": "outside", "tickcolor": grid,
        "automargin": True, "title": {"standoff": 8},
    }  # fmt: skip
    return go.layout.Template(
        layout={
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "size": 13, "color": ink},
            "xaxis": axis,
            "yaxis": axis,
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "margin": {"l": 56, "r": 16, "t": 48, "b": 48},
            "hoverlabel": {"bgcolor": ground, "bordercolor": grid, "font": {"color": ink}},
            "hovermode": "closest",
            "updatemenudefaults": {"bgcolor": ground, "bordercolor": grid, "font": {"color": ink}},
            "annotationdefaults": {"font": {"color": ink}, "bgcolor": ground},
            "shapedefaults": {"line": {"color": grid}},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#8a929b", "activecolor": ink},
            "coloraxis": {"colorbar": {"thickness": 12, "outlinewidth": 0}},
        }
    )


TEMPLATE = template(dark=False)
