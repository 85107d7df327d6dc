"""The report's figures as picture files, for papers and slides; drawn by kaleido, an extra, in a local Chrome."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import plotly.io

from hypertune.installed import install_hint
from hypertune.records.records import Records
from hypertune.report.figures import figures

FORMATS = ("svg", "png", "pdf")


def write_images(records: Records, folder: Path, kind: str) -> list[Path]:
    """Writes every figure to `folder/NAME.kind`; returns the paths.

    Raises:
        ValueError: if kaleido, or the Chrome it draws with, is missing.
    """
    if find_spec("kaleido") is None:
        raise ValueError(f"--figures: needs kaleido to draw pictures; {install_hint('figures')}")
    drawn = figures(records)
    paths = [folder / f"{name}.{kind}" for name in drawn]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        plotly.io.write_images(fig=list(drawn.values()), file=paths, format=kind, width=1000, height=560)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"--figures: no picture could be drawn ({reason}); kaleido needs Chrome or Chromium") from None
    return paths
