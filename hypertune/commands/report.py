"""`hypertune report`: rebuilds a study's tables and report, writes one over several, or tells what has changed."""

from __future__ import annotations

import argparse
from pathlib import Path

from hypertune.api import write_outputs
from hypertune.commands.exit_codes import DONE
from hypertune.comparison.against import against
from hypertune.comparison.terminal import against_table
from hypertune.records import records
from hypertune.report.browser import find_browser, print_pdf
from hypertune.report.html import write_report
from hypertune.report.images import write_images
from hypertune.storage.files import REPORT
from hypertune.storage.storage import Place, inside, writable_copy
from hypertune.tuning.terminal import Terminal


def report(arguments: argparse.Namespace) -> int:
    """Runs the command; returns its exit code.

    Raises:
        ValueError: for wrong input.
    """
    _check(arguments)
    for option in ("pdf", "figures"):
        if getattr(arguments, option):
            find_browser(f"--{option}")  # before minutes of work
    if arguments.against is not None:
        _tell_changes(arguments.dir[0], arguments.against)
    elif len(arguments.dir) == 1 and arguments.out is None:
        _rebuild(arguments.dir[0], arguments)
    else:
        _write(arguments)
    return DONE


def _check(arguments: argparse.Namespace) -> None:
    """Refuses options that would do nothing."""
    if arguments.size and not arguments.figures:
        raise ValueError("--size: is of the pictures that --figures svg, png or pdf writes")
    if arguments.figures and (len(arguments.dir) > 1 or arguments.out is not None):
        raise ValueError("--figures: writes pictures into one study's folder; give one DIR, and no --out")
    if arguments.against is None:
        return
    if len(arguments.dir) > 1:
        raise ValueError("--against: compares one study with an earlier one; give one DIR")
    for option in ("out", "figures", "pdf"):
        if getattr(arguments, option):
            raise ValueError(f"--{option}: nothing is written with --against, which prints; leave out one of them")


def _rebuild(place: Place, arguments: argparse.Namespace) -> None:
    facts = records.read(place)
    with writable_copy(place) as folder:
        _check_records(place, folder)
        if arguments.figures:
            write_images(facts, folder / "figures", arguments.figures, arguments.size or "paper")
        write_outputs(facts, folder)  # report.md links to the pictures that exist
        if arguments.pdf:
            print_pdf(folder / REPORT, folder / "report.pdf", "--pdf")
    print(inside(place, "report.pdf" if arguments.pdf else REPORT))


def _check_records(place: Place, folder: Path) -> None:
    """Refuses to replace tables by those of no trials, where only the tables of a study have been kept."""
    if (folder / "comparison.csv").is_file() and not any((folder / name).is_file() for name in records.FILES[1:]):
        raise ValueError(
            f"{place}: holds tables, but not the records that they were made from ({records.JOURNAL}, or trials.csv, "
            "curves.parquet and provenance.json); a report of no trials would replace them"
        )


def _write(arguments: argparse.Namespace) -> None:
    """Writes the report alone, over one study or several."""
    out = arguments.out or Path(REPORT)
    write_report([records.read(place) for place in arguments.dir], out)
    if arguments.pdf:
        print_pdf(out, out.with_suffix(".pdf"), "--pdf")
    print(out.with_suffix(".pdf") if arguments.pdf else out)


def _tell_changes(place: Place, earlier: Place) -> None:
    facts = against(records.read(earlier), records.read(place))
    terminal = Terminal()
    for sentence in facts.sentences():
        terminal.print(sentence)
    terminal.print(against_table(facts))
