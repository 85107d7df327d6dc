"""The report: one HTML file with everything in it, which opens from disk and needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from hypertune.comparison.several import Several, several, several_conclusion
from hypertune.records.records import Records
from hypertune.report.explain import critical_difference
from hypertune.report.page import Figure, table_of_ranks
from hypertune.report.payload import figure_json, plotly_script, script_json
from hypertune.report.section import study_section
from hypertune.report.style import styles, template
from hypertune.storage.files import write_atomically


def write_report(records: Sequence[Records], path: str | Path) -> None:
    """Writes the report of one study, or of several with a comparison over all of them, in full or not at all.

    Raises:
        ValueError: if `records` is empty.
    """
    if not records:
        raise ValueError("report: needs the records of at least one study")
    write_atomically(Path(path), render(records))


@dataclass(frozen=True, slots=True)
class Moment:
    """Of a page that is served while its study runs: what it is doing, and what tells one page from the next."""

    text: str
    version: str


def render(records: Sequence[Records], *, moment: Moment | None = None) -> str:
    """The report as HTML; with a `moment`, one that a server renews."""
    look = styles(name for facts in records for name in facts.study.strategies)
    together = several(records) if len(records) > 1 else None
    names = [facts.study.name for facts in records]
    page = _environment().from_string(_resource("report.html.j2"))
    return page.render(
        title=names[0] if len(names) == 1 else f"{len(names)} studies",
        together=_together(together, look) if together else None,
        moment=moment,
        several=len(records) > 1,
        kind="design of experiments" if all(f.study.design for f in records) else "comparison of search strategies",
        studies=[study_section(facts, look, f"s{i}") for i, facts in enumerate(records)],
        style=Markup(_resource("report.css")),
        script=Markup(_resource("report.js")),
        plotly=Markup(plotly_script()),
        templates=Markup(script_json({name: _theme(name == "dark") for name in ("light", "dark")})),
    )


def _environment() -> Environment:
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _resource(name: str) -> str:
    return files("hypertune.report").joinpath(name).read_text(encoding="utf-8")


def _theme(dark: bool) -> dict[str, Any]:
    return dict(template(dark=dark).to_plotly_json())


def _together(facts: Several, look: Any) -> dict[str, Any]:
    chart = critical_difference(facts, look)
    return {
        "conclusion": several_conclusion(facts),
        "ranks": table_of_ranks(facts),
        "figure": Figure("all-critical-difference", "", "", chart.layout.height, Markup(figure_json(chart))),
    }
