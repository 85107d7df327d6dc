"""A study's result as a notebook shows it; in the notebook's own colours, so that it is readable in dark themes too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from urllib.parse import quote

from hypertune.comparison.assessment import assess
from hypertune.comparison.readable import readable
from hypertune.comparison.wording import sentences
from hypertune.records.records import Records
from hypertune.report.tables import cells_table
from hypertune.storage.files import REPORT
from hypertune.storage.storage import Place, inside, is_url

MOST_CELLS = 12


def result_html(records: Records, *, state: str, best: str, place: Place) -> str:
    """The conclusion, the table, the best configuration and a link to the report.

    Args:
        state: whether it is finished, in words.
        best: the best trial in words; empty if there is none.
        place: the study's folder or URL.
    """
    study = records.study
    first, *others = sentences(assess(records))
    points = "".join(f"<li>{escape(sentence)}</li>" for sentence in others)
    parts = [
        f"<p>{escape(study.name)}, {escape(state)}: {escape(study.outline())}</p>",
        f"<p><strong>{escape(first)}</strong></p>",
        f"<ul>{points}</ul>" if points else "",
        _table(*_rows(records)),
        f"<p>Best {escape(best)}</p>" if best else "",
        f"<p>{_report(place)}</p>",
    ]
    return f'<div style="max-width: 80em">{"".join(parts)}</div>'


def _rows(records: Records) -> tuple[Iterable[str], Iterable[Iterable[str]]]:
    if records.study.design is not None:
        if records.sweeps["finished"].sum() == 0:
            return [], []
        cells = cells_table(records, MOST_CELLS)
        return cells.columns, cells.rows
    table = readable(assess(records))
    return table.columns, table.itertuples(index=False)


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def cells(values: Iterable[str], tag: str) -> Iterator[str]:
        return (f'<{tag} style="text-align: left">{escape(str(value))}</{tag}>' for value in values)

    head = "".join(cells(columns, "th"))
    body = "".join(f"<tr>{''.join(cells(row, 'td'))}</tr>" for row in rows)
    if not head:
        return ""
    return f'<div style="overflow-x: auto"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _report(place: Place) -> str:
    """A link that a notebook can open: relative if the report lies below it, since servers do not serve `file:`."""
    if is_url(place):
        return f"Report: {escape(inside(place, REPORT))}"
    path = Path(place) / REPORT
    if not path.exists():
        return f"Its folder: {escape(str(place))}; the report is written at the end"
    absolute = path.resolve()
    below = absolute.is_relative_to(Path.cwd())
    target = quote(absolute.relative_to(Path.cwd()).as_posix()) if below else absolute.as_uri()
    return f'Report: <a href="{escape(target)}" target="_blank">{escape(str(path))}</a>'
