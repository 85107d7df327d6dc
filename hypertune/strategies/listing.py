"""`hypertune strategies`: what is installed, what each supports, and which pairs are refused."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from hypertune.strategies import registry
from hypertune.strategies.registry import Row


def print_strategies(console: Console) -> None:
    """Prints searchers, schedulers, short names and the refused pairs with their reasons."""
    rows = registry.describe()
    console.print(_searchers([row for row in rows if row.kind == "searcher"]))
    console.print(_schedulers([row for row in rows if row.kind == "scheduler"]))
    console.print(
        "A strategy is searcher+scheduler, e.g. hyperopt+asha. A searcher alone runs with fifo, a scheduler alone with "
        "random; " + ", ".join(f"{short} means {long}" for short, long in registry.ALIASES.items()) + ".\n",
        highlight=False,
    )
    refused = registry.refused_pairs()
    console.print("Every pair is valid except:" if refused else "Every pair is valid.", highlight=False)
    for _, reason in refused:
        console.print(f"  {reason}", highlight=False, markup=False)


def _searchers(rows: list[Row]) -> Table:
    features = sorted({feature for row in rows for feature in row.supports or ()})
    table = Table("searcher", *features, "options (defaults)", "", title="Searchers", title_justify="left")
    for row in rows:
        marks = ["yes" if feature in (row.supports or ()) else "-" for feature in features]
        table.add_row(row.name, *marks, _options(row), _summary(row))
    return table


def _schedulers(rows: list[Row]) -> Table:
    columns = ("scheduler", "needs checkpoints", "asynchronous", "options (defaults)", "")
    table = Table(*columns, title="Schedulers", title_justify="left")
    for row in rows:
        marks = ["yes" if mark else "-" for mark in (row.needs_checkpoints, row.asynchronous)]
        table.add_row(row.name, *marks, _options(row), _summary(row))
    return table


def _options(row: Row) -> str:
    return "\n".join(f"{name}={default}" for name, default in row.options.items())


def _summary(row: Row) -> str:
    return f"{row.summary} (not installed: {row.missing})" if row.missing else row.summary
