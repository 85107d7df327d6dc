"""The comparison table for the terminal: 100 columns at most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from rich.cells import cell_len
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
LEAST = 16
"""Characters that a column of names or configurations keeps; longer ones are folded."""
MOST_HEADING = 16
GAP = 1


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of text.

    Attributes:
        folds: whether its cells may be broken anywhere; otherwise they keep their width.
        dropped: its place among those that are left out for lack of room, 1 first; None if it never is.
    """

    name: str
    cells: list[str]
    right: bool = True
    folds: bool = False
    dropped: int | None = None

    @property
    def least(self) -> int:
        """The characters below which it cannot be read."""
        lines = [line for cell in self.cells for line in cell.split("\n")]
        longest = max((cell_len(line) for line in lines), default=0)
        heading = cell_len(self.name)
        return min(max(longest, heading), LEAST) if self.folds else max(longest, min(heading, MOST_HEADING))


def rich_table(records: Records, width: int = WIDTH) -> Table:
    """One row per strategy: best configuration in short, validation with its interval, test, costs, a short verdict.

    Args:
        width: columns of the terminal, of which the table takes `WIDTH` at most. Where it has not room for all, it
            leaves out the least important ones and says which.
    """
    if records.study.design is not None:
        return _cells_table(records, width)
    assessment, metric = assess(records), records.study.metric
    rows = table_of(assessment).to_dict("records")
    columns = [
        _Column("strategy", [row["strategy"] for row in rows], right=False, folds=True),
        _Column("best configuration", [best_configuration(row["best_config"]) for row in rows], False, True, dropped=4),
        _Column(metric, [_score(row, metric) for row in rows], dropped=6),
        _Column("test", [_score(row, "test_accuracy").split("\n")[0] for row in rows], dropped=3),
        _Column("trials", [count(row["trials"]) for row in rows], dropped=2),
        _Column("epochs", [count(row["epochs"]) for row in rows], dropped=1),
        _Column("wall-clock", [duration(row["wall_s"]) for row in rows], dropped=5),
        _Column("verdict", [short_verdict(assessment, row["strategy"]) for row in rows], right=False),
    ]
    return _fitted(columns, width)


def _cells_table(records: Records, width: int) -> Table:
    """The best cells of a design with their intervals and costs."""
    metric, rows = records.study.metric, [row for _, row in experiment_summary(records).head(MOST_CELLS).iterrows()]
    names = [cell_name(records, row) + (" (recommended)" if row["recommended"] else "") for row in rows]
    columns = [
        _Column("cell", names, right=False, folds=True),
        _Column(metric, [with_interval(row[metric], row["low"], row["high"]) for row in rows]),
        _Column("runs", [str(row["runs"]) for row in rows], dropped=2),
        _Column("training", [duration(row["seconds"]) for row in rows], dropped=3),
        _Column("weights", [number(row["parameters"], 7) for row in rows], dropped=1),
    ]
    return _fitted(columns, width)


def _fitted(columns: list[_Column], width: int) -> Table:
    """The columns as a table, without the least important ones where there is not room for all."""
    width, left_out = min(WIDTH, width), list[str]()
    for column in sorted((c for c in columns if c.dropped), key=lambda c: c.dropped or 0):
        if sum(c.least + GAP for c in columns) - GAP <= width:
            break
        columns = [c for c in columns if c is not column]
        left_out.append(column.name)
    table = Table(width=width, box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for column in columns:
        # Of a column of fixed width rich takes nothing away when the others are too wide.
        fixed = None if column.folds else column.least
        side: Literal["left", "right"] = "right" if column.right else "left"
        table.add_column(Text(column.name), justify=side, overflow="fold", width=fixed)
    for cells in zip(*(column.cells for column in columns), strict=True):
        # Text, not str: rich reads square brackets in a str as markup.
        table.add_row(*(Text(cell) for cell in cells))
    if left_out:
        table.caption = Text(f"no room for: {', '.join(left_out)}")
        table.caption_justify = "left"
    return table


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
