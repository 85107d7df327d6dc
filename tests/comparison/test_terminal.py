"""The comparison table in terminals of any width."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from hypertune.comparison.numbers import interval_of
from hypertune.comparison.table import comparison_table
from hypertune.comparison.terminal import rich_table
from hypertune.records.records import Records
from tests.comparison.designed import design_study, designed
from tests.comparison.edges import edge
from tests.comparison.synthetic import make_records

LONG: dict[str, Any] = {
    "strategies": ["random", "optuna-cmaes+median", "optuna+hyperband"], "metric": "a metric with a long name",
    "space": {"lr": {"loguniform": [1e-4, 1e-1]}, "hyperparameter_" * 4: {"choice": ["option_" * 6, "none"]}},
}  # fmt: skip


def shown(records: Records, width: int) -> list[str]:
    """The lines of the table in a terminal of that width."""
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(rich_table(records, console.width))
    return [line.rstrip() for line in console.export_text().splitlines()]


@pytest.mark.parametrize("name", ["plain", "all trials failed", "one strategy unfinished", "a metric of another name"])
def test_it_takes_100_columns_at_most(name: str) -> None:
    assert max(map(len, shown(edge(name), 140))) <= 100


@pytest.mark.parametrize("options", [{}, LONG], ids=["short names", "long names"])
@pytest.mark.parametrize("width", [80, 100, 140])
def test_verdicts_values_and_times_are_whole_at_any_width(width: int, options: dict[str, Any]) -> None:
    records = make_records(**options)
    lines, text = shown(records, width), "\n".join(shown(records, width))
    assert max(map(len, lines)) <= min(width, 100)
    assert any(line.endswith("wall-clock verdict") for line in lines)
    assert text.count(" s undecided") == 3
    metric, table = records.study.metric, comparison_table(records)
    for low, high in zip(table[f"{metric}_low"], table[f"{metric}_high"], strict=True):
        assert interval_of(low, high) in text


@pytest.mark.parametrize("width", [20, 40, 80])
def test_columns_without_room_are_left_out_and_named(width: int) -> None:
    lines = shown(make_records(**LONG), width)
    assert max(map(len, lines)) <= width
    assert sum("undecided" in line for line in lines) == 3
    told = " ".join(lines).split("no room for: ")[1]
    assert told.startswith("epochs, trials")


def test_a_metric_may_be_called_as_another_column() -> None:
    records = make_records(metric="test")
    row = comparison_table(records).iloc[0]
    assert interval_of(row["test_low"], row["test_high"]) in "\n".join(shown(records, 70))


@pytest.mark.parametrize("width", [40, 80, 140])
def test_that_of_a_design_keeps_its_values(width: int) -> None:
    space = {"hyperparameter_" * 4: {"choice": ["option_" * 6, "none"]}}
    lines = shown(designed(design_study(space, seeds=3), lambda config, epoch: 0.5), width)
    assert max(map(len, lines)) <= min(width, 100)
    assert sum(line.count("[0.4") for line in lines) == 2


def test_brackets_are_shown_as_they_are() -> None:
    assert any("[bold]=[" in line for line in shown(make_records(space={"[bold]": {"choice": ["[red]x", "[/]"]}}), 140))
