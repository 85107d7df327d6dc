"""The comparison table for the terminal: 100 columns at most."""

from __future__ import annotations

import math
from typing import Any

from rich.table import Table
from rich.text import Text

from hypertune.comparison.against import Against
from hypertune.comparison.assessment import assess
from hypertune.comparison.narrative import cell_name
from hypertune.comparison.numbers import (
    best_configuration,
    count,
    duration,
    form_of,
    interval_of,
    number,
    with_interval,
)
from hypertune.comparison.summary import experiment_summary
from hypertune.comparison.table import table_of
from hypertune.comparison.verdict import short_verdict
from hypertune.records.records import Records

WIDTH = 100
MOST_CELLS = 12


def rich_table(records: Records) -> Table:
    """One row per strategy: best configuration in short, validation with its interval, test, costs, a short verdict."""
    if records.study.design is not None:
        return _cells_table(records)
    assessment, metric = assess(records), records.study.metric
    table = Table(width=WIDTH, box=None, padding=(0, 1, 1, 0), pad_edge=False, collapse_padding=True)
    for name in ("strategy", "best configuration"):
        table.add_column(name, overflow="fold")
    table.add_column(metric, justify="right", overflow="fold", min_width=16)
    for name in ("test", "trials", "epochs", "wall-clock"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", max_width=12)
    for row in table_of(assessment).to_dict("records"):
        # Text, not str: rich reads square brackets in a str as markup.
        cells = (*_cells(row, metric), short_verdict(assessment, row["strategy"]))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _cells_table(records: Records) -> Table:
    """The best cells of a design with their intervals and costs."""
    table = Table(width=WIDTH, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("cell", overflow="fold")
    for name in (records.study.metric, "runs", "training", "weights"):
        table.add_column(name, justify="right", no_wrap=True)
    for _, row in experiment_summary(records).head(MOST_CELLS).iterrows():
        cells = (
            cell_name(records, row) + (" (recommended)" if row["recommended"] else ""),
            with_interval(row[records.study.metric], row["low"], row["high"]), str(row["runs"]),
            duration(row["seconds"]), number(row["parameters"], 7),
        )  # fmt: skip
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _cells(row: dict[Any, Any], metric: str) -> tuple[str, ...]:
    return (
        row["strategy"],
        best_configuration(row["best_config"]),
        _score(row, metric),
        _score(row, "test_accuracy").split("\n")[0],
        count(row["trials"]),
        count(row["epochs"]),
        duration(row["wall_s"]),
    )


def _score(row: dict[Any, Any], name: str) -> str:
    """The value, and on a second line its interval."""
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if not math.isfinite(low) or not math.isfinite(value):
        return number(value)
    return f"{value:{form_of(low, high)}}\n{interval_of(low, high)}"


def against_table(facts: Against) -> Table:
    """A strategy per row: before, after, the difference with its interval, and what is established."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)  # fits 80 columns
    for name in ("strategy", "seeds", "before", "after", "better by", "p", "change"):
        words = name in ("strategy", "change")
        table.add_column(name, justify="left" if words else "right", overflow="fold", no_wrap=name == "change")
    for _, row in facts.table.iterrows():
        table.add_row(
            Text(row["strategy"]), str(row["seeds"]), number(row["before"]), number(row["after"]),
            with_interval(row["better_by"], row["low"], row["high"]), number(row["p"], 2), row["change"],
        )  # fmt: skip
    return table
