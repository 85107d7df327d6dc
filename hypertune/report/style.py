"""How figures look: colours that the colour-blind can tell apart, and dashes and markers for readers who see no
colour."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from zlib import crc32

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


# Searchers and schedulers, the latter also as strategies of their own (`asha` is random search with ASHA).
_KNOWN = {
    "bayes": (BLUE, "circle"), "hyperopt": (VERMILION, "square"), "hyperband": (GREEN, "diamond"),
    "asha": (PURPLE, "triangle-up"), "optuna": (ORANGE, "cross"), "bohb": (SKY, "x"), "pbt": (VERMILION, "star"),
    "pb2": (ORANGE, "hexagon"), "median": (SKY, "pentagon"), "optuna-gp": (GREEN, "square"),
    "optuna-cmaes": (PURPLE, "circle"), "smac": (BLUE, "triangle-up"), "ax": (SKY, "diamond"),
    "sobol": (ORANGE, "circle"), "grid": (GREEN, "x"), "one_at_a_time": (PURPLE, "pentagon"),
}  # fmt: skip
_DASH_OF = dict(zip(("fifo", "asha", "hyperband", "median", "pbt", "pb2"), DASHES, strict=True))


def styles(strategies: Iterable[str]) -> dict[str, Style]:
    """One style per strategy, by its name, so that a strategy looks the same in all studies and reports.

    The searcher gives colour and marker, the scheduler the dash; random search, the baseline, is grey. A name that is
    not built in has a colour by its own hash; only where another such name has that colour already does it take the
    next one.
    """
    chosen = {name: Style(GREY, "solid", "circle-open") for name in BASELINES}
    names = [name for name in dict.fromkeys(strategies) if name not in BASELINES]
    for name in sorted(names):
        chosen[name] = _built_in(name) or _hashed(name, list(chosen.values()))
    return chosen


def _built_in(name: str) -> Style | None:
    searcher, _, scheduler = name.partition("+")
    if searcher == "random" and scheduler in _KNOWN:
        searcher = scheduler
    if searcher not in _KNOWN or (scheduler and scheduler not in _DASH_OF):
        return None
    colour, symbol = _KNOWN[searcher]
    return Style(colour, _DASH_OF.get(scheduler or searcher, "solid"), symbol)


def _hashed(name: str, taken: list[Style]) -> Style:
    """A style for any name: the first free one after its hash, of a free colour if there is one."""
    start = crc32(name.encode())
    looks = [
        Style(COLOURS[(start + i) % len(COLOURS)], DASHES[(start + i // len(COLOURS)) % len(DASHES)],
              SYMBOLS[(start + i // 36) % len(SYMBOLS)])
        for i in range(len(COLOURS) * len(DASHES) * len(SYMBOLS))
    ]  # fmt: skip
    colours = {style.colour for style in taken}
    free = [look for look in looks if look not in taken] or looks
    return next((look for look in free if look.colour not in colours), free[0])


def plain(text: object) -> str:
    """Text for plotly to show as it is: plotly reads tags such as `<b>` and `<a>` in what it draws."""
    return html.escape(str(text), quote=False)


def short(text: str, most: int) -> str:
    """`plain`, and with an ellipsis beyond `most` characters."""
    return plain(text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}")


def note(chart: go.Figure, *sentences: str) -> None:
    """Adds what is true of this figure only, for its caption; see `captions.caption_of`."""
    if any(sentences):
        chart.update_layout(meta={"note": " ".join(filter(None, sentences))})


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
            "coloraxis": {"colorbar": {"thickness": 12, "outlinewidth": 0, "title": {"side": "right"}}},
        }
    )


TEMPLATE = template(dark=False)
