"""Exports: they read back to the same table, and say the same to people."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from hypertune.comparison.assessment import assess
from hypertune.comparison.export import FORMATS, export, write_tables
from hypertune.comparison.latex import escape
from hypertune.comparison.table import table_of
from tests.comparison.edges import EDGES, edge
from tests.comparison.synthetic import make_records

HARD_SPACE = {"a_b%": {"choice": ["x|y", "<b>&$#{}~^\\", "[1]"]}, "lr": {"loguniform": [1e-4, 1e-1]}}


@pytest.mark.parametrize("name", EDGES)
def test_every_format_holds_the_table(name: str) -> None:
    assessment = assess(edge(name))
    table = table_of(assessment)
    texts = {format: write(assessment) for format, write in FORMATS.items()}
    _reads_back(texts, table)
    md, latex = str(texts["md"]), str(texts["latex"])
    lines = [line for line in md.splitlines() if line.startswith("| ")]
    assert len(lines) == 2 + len(table)
    assert len({_cells(line) for line in lines}) == 1
    assert latex.count(r"\\") == 1 + len(table)
    assert "nan" not in md.lower()


def _reads_back(texts: dict[str, str | bytes], table: pd.DataFrame) -> None:
    parquet, csv, text = texts["parquet"], texts["csv"], texts["json"]
    assert isinstance(parquet, bytes)
    assert isinstance(csv, str)
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(parquet)), table, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(csv)), table, check_dtype=False)
    rows = pd.DataFrame(json.loads(text)["table"]).astype(table.dtypes.to_dict())
    assert list(rows.columns) == list(table.columns)
    pd.testing.assert_frame_equal(rows, table, check_dtype=False)


def _cells(line: str) -> int:
    return line.replace("\\|", "").count("|")


def test_intervals_stand_beside_their_values_with_sensible_digits() -> None:
    md = str(export(make_records(), "md"))
    assert re.search(r"\| 0\.9\d{3} \\\[0\.9\d{3}, 0\.9\d{3}\] \|", md)


def test_user_text_cannot_break_a_table() -> None:
    records = make_records(space=HARD_SPACE)
    lines = [line for line in str(export(records, "md")).splitlines() if line.startswith("| ")]
    assert len({_cells(line) for line in lines}) == 1
    assert "\\<b>" in "".join(lines) or "<b>" not in "".join(lines)


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(ValueError, match="format: known are csv, md, json, latex, parquet; got 'xlsx'"):
        export(make_records(seeds=1, trials=2), "xlsx")


def test_write_tables_writes_every_file(tmp_path: Path) -> None:
    records = make_records()
    write_tables(records, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "comparison.csv", "comparison.md", "comparison.json", "comparison.tex", "experiment_summary.csv", "trials.csv",
        "curves.parquet",
    }  # fmt: skip
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "curves.parquet"), records.curves, check_dtype=False)
    assert len(pd.read_csv(tmp_path / "trials.csv")) == len(records.trials)


def test_latex_escapes_what_latex_reads_as_commands() -> None:
    assert escape("50 % of a_b & c") == r"50 \% of a\_b \& c"
    assert escape("\\{}") == r"\textbackslash{}\{\}"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(tmp_path: Path) -> None:
    body = str(export(make_records(metric='a_b&c%~^\\{}<>|"#$'), "latex"))
    head = r"\documentclass{article}\usepackage{booktabs}\usepackage{graphicx}\begin{document}"
    (tmp_path / "page.tex").write_text(f"{head}\n{body}\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-1000:]
