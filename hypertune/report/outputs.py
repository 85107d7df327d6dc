"""What is written into a study's output folder once its records are complete: tables, the report, the best
configuration."""

from __future__ import annotations

from pathlib import Path

from hypertune.comparison.best import find_best
from hypertune.records.records import Records
from hypertune.storage.files import REPORT, write_atomically


def write_outputs(facts: Records, folder: Path) -> None:
    """Writes the tables, the report and `best/config.toml` from the records."""
    from hypertune.comparison.export import write_tables
    from hypertune.report.configuration import best_toml
    from hypertune.report.html import write_report
    from hypertune.report.markdown import markdown_report

    write_tables(facts, folder)
    write_atomically(folder / "report.md", markdown_report(facts, folder))
    best = find_best(facts, folder)
    if best is not None:
        write_atomically(folder / "best" / "config.toml", best_toml(facts.study, best))
    write_report([facts], folder / REPORT)
