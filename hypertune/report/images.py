"""The report's figures as picture files, in sizes for papers and slides; drawn by Chromium or Chrome."""

from __future__ import annotations

import base64
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypertune.records.records import Records
from hypertune.report.browser import content_of, print_pdf
from hypertune.report.captions import caption_of, title_of
from hypertune.report.figures import figures
from hypertune.report.payload import plotly_script, script_json
from hypertune.storage.files import write_atomically

FORMATS = ("svg", "png", "pdf")
OPTION = "--figures"


@dataclass(frozen=True, slots=True)
class Size:
    """Of a picture: its width and least height in CSS pixels (96 to the inch), dots per pixel, and font size."""

    width: int
    least_height: int
    scale: float
    font: int


SIZES = {"paper": Size(700, 0, 3, 13), "slide": Size(1280, 720, 1.5, 20)}
"""A paper's full text width at 300 dots per inch; a slide of 16 to 9 in 1920 x 1080. `report.js` has the same."""

_PAGE = """<!doctype html><meta charset="utf-8"><style>@page {{ size: {width}px {height}px; margin: 0 }}
body {{ margin: 0 }} svg {{ display: block }}</style><body>{body}</body>"""
_DRAWING = """<div id="figures" hidden></div>
<script type="application/json" id="specs">{specs}</script><script type="text/plain" id="plotly">{plotly}</script>
<script>
(async () => {{
  const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  const drawn = [];
  for (const {{ figure, options }} of JSON.parse(document.getElementById("specs").textContent)) {{
    drawn.push(await Plotly.toImage(figure, {{ ...options, imageDataOnly: true }}));
  }}
  script.remove();
  document.getElementById("plotly").remove();
  const packed64 = drawn.map((text) => btoa(unescape(encodeURIComponent(text))));
  document.getElementById("figures").textContent = JSON.stringify(packed64);
}})();
</script>"""


def write_images(records: Records, folder: Path, kind: str, size: str = "paper") -> list[Path]:
    """Writes every figure to `folder/NAME.kind`, and their captions to `captions.md`; returns the figures' paths.

    Args:
        kind: one of `FORMATS`.
        size: one of `SIZES`.

    Raises:
        ValueError: if there is no Chromium or Chrome to draw with, or it fails.
    """
    own, drawn = SIZES[size], figures(records)
    charts = {name: _dressed(chart, own) for name, chart in drawn.items()}
    pictures = _draw(charts, "png" if kind == "png" else "svg", own)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{kind}" for name in charts]
    for path, picture, chart in zip(paths, pictures, charts.values(), strict=True):
        if kind == "pdf":
            _print(picture.decode(), path, own.width, chart["layout"]["height"])
        else:
            write_atomically(path, picture)
    lines = [f"**{title_of(name)}.** {caption_of(name, chart)}\n" for name, chart in drawn.items()]
    write_atomically(folder / "captions.md", "\n".join(lines))
    return paths


def _dressed(chart: Any, size: Size) -> dict[str, Any]:
    tree: dict[str, Any] = chart.to_plotly_json()
    layout = tree["layout"]
    template = json.loads(json.dumps(layout["template"], default=lambda value: value.to_plotly_json()))
    template["layout"]["font"]["size"] = size.font
    height = max(int(layout["height"]), size.least_height)
    tree["layout"] = {**layout, "template": template, "width": size.width, "height": height, "paper_bgcolor": "#ffffff"}
    return tree


def _draw(charts: dict[str, dict[str, Any]], kind: str, size: Size) -> list[bytes]:
    """The pictures, all drawn by one start of the browser."""
    specs = [
        {"figure": chart, "options": {"format": kind, "width": size.width, "height": chart["layout"]["height"],
                                      "scale": size.scale if kind == "png" else 1}}
        for chart in charts.values()
    ]  # fmt: skip
    page = _PAGE.format(width=800, height=600, body=_DRAWING.format(specs=script_json(specs), plotly=plotly_script()))
    with tempfile.TemporaryDirectory(prefix="hypertune-") as folder:
        file = Path(folder) / "figures.html"
        file.write_text(page, encoding="utf-8")
        content = content_of(file, OPTION)
    found = re.search(r'<div id="figures" hidden="">(.*?)</div>', content, flags=re.DOTALL)
    texts = json.loads(found[1]) if found and found[1] else []
    if len(texts) != len(charts):
        raise ValueError(f"{OPTION}: the browser drew {len(texts)} of {len(charts)} figures")
    inner = [base64.b64decode(text) for text in texts]
    return [base64.b64decode(text) for text in inner] if kind == "png" else inner


def _print(svg: str, path: Path, width: int, height: int) -> None:
    with tempfile.TemporaryDirectory(prefix="hypertune-") as folder:
        file = Path(folder) / "figure.html"
        file.write_text(_PAGE.format(width=width, height=height, body=svg), encoding="utf-8")
        print_pdf(file, path, OPTION)
