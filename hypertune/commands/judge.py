"""`hypertune judge`: which strategy is best, from any table of results."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.table import Table
from rich.text import Text

from hypertune.comparison.numbers import duration, listing, with_interval
from hypertune.judged import Judgment, judge
from hypertune.records.sheets import to_csv
from hypertune.storage.files import write_atomically
from hypertune.tuning.terminal import Terminal

WIDTH = 100


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns its exit code.

    Raises:
        ValueError: for a wrong table or option.
    """
    from hypertune.commands.exit_codes import DONE

    judgment = judge(
        arguments.source,
        mode=arguments.mode,
        margin=arguments.margin,
        until_decided=arguments.until_decided,
        max_seeds=arguments.max_seeds,
        metric=arguments.metric,
        strategy=arguments.strategy,
        kind=arguments.kind,
    )
    _print(judgment)
    if arguments.out is not None:
        print(f"{arguments.out}: {listing(write(judgment, arguments.out))}")
    return DONE


def _print(judgment: Judgment) -> None:
    console = Terminal()
    console.print(Text(judgment.conclusion))
    console.print()
    table = Table(width=min(WIDTH, console.width), box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("strategy", overflow="fold")
    names = [name for name in ("mean_rank", "mean", "seeds", "seconds") if name in judgment.table]
    for name in names:
        table.add_column(name.replace("_", " "), justify="right", overflow="fold")
    table.add_column("verdict")
    for row in judgment.table.to_dict("records"):
        cells = {
            "mean": with_interval(row["mean"], row["low"], row["high"]), "seeds": str(row["seeds"]),
            "seconds": duration(row.get("seconds")), "mean_rank": f"{row.get('mean_rank', 0):.2f}",
        }  # fmt: skip
        table.add_row(*(Text(cell) for cell in (row["strategy"], *(cells[name] for name in names), row["verdict"])))
    console.print(table)


def write(judgment: Judgment, folder: Path) -> list[str]:
    """Writes the tables and each figure, as a page that opens from disk, into a folder; returns the files' names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "conclusion.txt").write_text(judgment.conclusion + "\n", encoding="utf-8")
    tables = {"judgement.csv": judgment.table, "pairs.csv": judgment.pairs}
    written = [name for name, table in tables.items() if len(table)]
    for name in written:
        write_atomically(folder / name, to_csv(tables[name]))
    for name, figure in judgment.figures().items():
        figure.write_html(folder / f"{name}.html", include_plotlyjs=True)
        written.append(f"{name}.html")
    return ["conclusion.txt", *written]
