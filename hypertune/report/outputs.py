"""What is written into a study's output folder once its records are complete: tables, the report, the best
configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypertune.comparison.best import Best, find_best
from hypertune.records.records import Records
from hypertune.space.values import to_toml
from hypertune.storage.files import write_atomically
from hypertune.study.study import Study


def write_outputs(facts: Records, folder: Path) -> None:
    """Writes the tables, the report and `best/config.toml` from the records."""
    from hypertune.comparison.export import write_tables
    from hypertune.report.html import write_report
    from hypertune.report.markdown import markdown_report

    write_tables(facts, folder)
    write_atomically(folder / "report.md", markdown_report(facts, folder))
    best = find_best(facts, folder)
    if best is not None:
        write_atomically(folder / "best" / "config.toml", _best_toml(facts.study, best))
    write_report([facts], folder / "report.html")


def _best_toml(study: Study, best: Best) -> str:
    import tomli_w

    facts = {
        "strategy": best.strategy, "seed": best.seed, "trial_id": best.trial_id, "epoch": best.epoch,
        study.metric: best.value,
    }  # fmt: skip
    constants = study.training.config
    tables: dict[str, Any] = {"config": {**constants, **best.config}}
    if best.schedule:
        tables["schedule"] = [{"from_epoch": at, "config": {**constants, **config}} for at, config in best.schedule]
    return tomli_w.dumps(to_toml({**facts, **tables}))
