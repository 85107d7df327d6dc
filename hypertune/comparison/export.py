"""The comparison table in files: full precision for machines, sensible digits and intervals for people."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from hypertune.comparison.assessment import Assessment, assess
from hypertune.comparison.latex import to_latex
from hypertune.comparison.readable import readable
from hypertune.comparison.summary import experiment_summary
from hypertune.comparison.table import table_of
from hypertune.comparison.wording import sentences
from hypertune.records.records import Records
from hypertune.records.sheets import to_csv
from hypertune.storage.files import write_atomically
from hypertune.storage.printable import printable


def export(records: Records, format: str) -> str | bytes:
    """The comparison table as `csv`, `md`, `json`, `latex` or `parquet` (bytes).

    csv, json and parquet hold the columns of `comparison_table` in full precision, missing numbers empty or null;
    md and latex hold them rounded as their intervals justify, with the conclusion.

    Raises:
        ValueError: for another format.
    """
    if format not in FORMATS:
        raise ValueError(f"format: known are {', '.join(FORMATS)}; got {format!r}")
    return FORMATS[format](assess(records))


def write_tables(records: Records, folder: str | Path) -> None:
    """Writes `comparison.csv .md .json .tex`, `experiment_summary.csv`, `trials.csv` and `curves.parquet`, each in full
    or not at all."""
    folder, assessment = Path(folder), assess(records)
    for name, format in (("csv", "csv"), ("md", "md"), ("json", "json"), ("tex", "latex")):
        write_atomically(folder / f"comparison.{name}", FORMATS[format](assessment))
    write_atomically(folder / "experiment_summary.csv", to_csv(experiment_summary(records)))
    write_atomically(folder / "trials.csv", to_csv(records.trials))
    write_atomically(folder / "curves.parquet", _parquet(records.curves))


def _csv(assessment: Assessment) -> str:
    return to_csv(table_of(assessment))


def _json(assessment: Assessment) -> str:
    study = assessment.records.study
    facts = {
        "study": study.name,
        "metric": study.metric,
        "mode": study.mode,
        "seeds": list(assessment.outcomes.seeds),
        "conclusion": " ".join(sentences(assessment)),
        "table": [
            {name: _or_null(value) for name, value in row.items()} for row in table_of(assessment).to_dict("records")
        ],
    }
    return json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _or_null(value: Any) -> Any:
    """JSON has no NaN: missing numbers are null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _markdown(assessment: Assessment) -> str:
    table = readable(assessment)
    prose = without_markup(" ".join(sentences(assessment)))
    return printable(f"{prose}\n\n{markdown_table(list(table.columns), table.to_numpy().tolist())}\n")


def without_markup(text: str) -> str:
    """A paragraph of Markdown in which a user's names cannot act as HTML, links, TeX or another paragraph."""
    return re.sub(r"[\\$<]|(?<=\])\(", r"\\\g<0>", text).replace("\n", " ")


def markdown_table(columns: list[str], rows: list[list[str]]) -> str:
    """A table of text as Markdown, without a final newline."""
    lines = [[_markdown_cell(cell) for cell in line] for line in (columns, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], ["---"] * len(columns), *lines[1:]])


def _markdown_cell(text: str) -> str:
    for sign in "\\|`*_<[$":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", " ")


def _parquet_of(assessment: Assessment) -> bytes:
    return _parquet(table_of(assessment))


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


FORMATS: dict[str, Callable[[Assessment], str | bytes]] = {
    "csv": _csv,
    "md": _markdown,
    "json": _json,
    "latex": to_latex,
    "parquet": _parquet_of,
}
