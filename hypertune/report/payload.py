"""Figures and plotly itself as text inside a page: rounded, compressed, and unable to break out of their tag."""

from __future__ import annotations

import base64
import gzip
import json
import math
from functools import cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.offline

DIGITS = 6
"""Significant digits of a number in a figure: finer than a screen, coarser than a double's 17."""


def figure_json(chart: go.Figure) -> str:
    """A figure as JSON for a script tag: without its template, which the page has once, numbers rounded."""
    tree = chart.to_plotly_json()
    tree.get("layout", {}).pop("template", None)
    return script_json(tree)


def script_json(tree: Any) -> str:
    """JSON that is safe inside `<script type="application/json">`: no `<` can end the tag."""
    text = json.dumps(_rounded(tree), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return _rounded(_array(value).tolist()) if "bdata" in value else {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_rounded(entry) for entry in value]
    if isinstance(value, np.generic):
        return _rounded(value.item())
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        short = float(f"{value:.{DIGITS}g}")
        return int(short) if short.is_integer() and abs(short) < 1e15 else short
    return value


def _array(coded: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The array behind plotly's binary form, which is longer than rounded text and opaque to a reader."""
    numbers = np.frombuffer(base64.b64decode(coded["bdata"]), dtype=np.dtype(coded["dtype"]))
    shape = [int(size) for size in str(coded["shape"]).split(",")] if "shape" in coded else [-1]
    return numbers.reshape(shape)


@cache
def plotly_script() -> str:
    """plotly.js, gzip-compressed, as base64: 2 MB instead of 5; the page inflates it by `DecompressionStream`."""
    # A fixed time stamp: the same records make the same file, byte by byte.
    packed = gzip.compress(plotly.offline.get_plotlyjs().encode(), compresslevel=9, mtime=0)
    return base64.b64encode(packed).decode()
