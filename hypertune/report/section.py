"""One study's section of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from hypertune.comparison.assessment import Assessment, assess
from hypertune.comparison.diagnostics import early_stopped, rank_correlation, rank_reading
from hypertune.comparison.numbers import MISSING, listing, number, share
from hypertune.comparison.readable import readable
from hypertune.comparison.table import table_of
from hypertune.comparison.wording import sentences
from hypertune.records import Records
from hypertune.report.captions import CAPTIONS, TITLES, WIDE
from hypertune.report.figures import figures_of
from hypertune.report.page import Figure, Table, ledger_table, pairs_table, provenance_rows, trials_table
from hypertune.report.payload import figure_json
from hypertune.report.style import Style


@dataclass(frozen=True, kw_only=True)
class Section:
    """What the page says of one study; all text is escaped by the template."""

    id: str
    name: str
    summary: str
    sentences: list[str]
    table: Table
    leader: str | None
    notes: list[str]
    pairs: Table | None
    figures: list[Figure]
    ledger: Table
    trials: Table
    shown_of: int
    keys: list[str]
    toml: str
    command: str
    provenance: list[tuple[str, str]]


def study_section(records: Records, look: Mapping[str, Style], prefix: str) -> Section:
    """Everything the page says of one study; `prefix` keeps the ids of several studies apart."""
    assessment, study = assess(records), records.study
    return Section(
        id=prefix,
        name=study.name,
        summary=_summary(records),
        sentences=sentences(assessment),
        table=_comparison(assessment),
        leader=assessment.leader,
        notes=_notes(assessment),
        pairs=pairs_table(assessment),
        figures=_figures(assessment, look, prefix),
        ledger=ledger_table(records),
        trials=trials_table(records),
        shown_of=len(records.trials),
        keys=[parameter.key for parameter in study.space.parameters()],
        toml=study.to_toml(),
        command=str(records.provenance.get("command") or f"hypertune compare {study.name}.toml"),
        provenance=provenance_rows(records),
    )


def _summary(records: Records) -> str:
    study = records.study
    day = str(records.provenance.get("started_at") or "")[:10]
    parts = [
        f"{len(study.strategies)} strategies", f"{len(study.seeds)} seed{'s' * (len(study.seeds) != 1)}",
        f"{study.budget} per sweep", f"{len(records.trials)} trials",
        study.training.dataset or study.training.trainable, day,
    ]  # fmt: skip
    return ", ".join(part for part in parts if part)


def _comparison(assessment: Assessment) -> Table:
    """The table for people, with what validation flatters where both scores are accuracies."""
    table = table_of(assessment)
    text = readable(assessment, table)
    if assessment.records.study.metric == "valid_accuracy" and "test_accuracy" in text:
        gaps = table["valid_accuracy"] - table["test_accuracy"]
        text.insert(4, "optimism", [f"{gap:+.4f}" if pd.notna(gap) else MISSING for gap in gaps])
    wordy = ("strategy", "verdict", "best configuration")
    return Table(list(text.columns), text.to_numpy().tolist(), [name not in wordy for name in text.columns])


def _notes(assessment: Assessment) -> list[str]:
    """What a reader has to know to read the table right."""
    study, target = assessment.records.study, assessment.seconds
    notes = [
        "Square brackets are 95 % bootstrap intervals over seeds. With fewer than ten seeds they come out too narrow "
        "(they cover the true mean in about 74 % of cases with three seeds, 86 % with five), so the verdicts rest on "
        "tests paired by seed and corrected for their number, not on overlapping intervals.",
        f"Each sweep was given {study.budget}; trials, epochs and wall-clock are means per sweep. Busy is the share of "
        "worker-seconds in which a trial was training.",
    ]
    if target is not None:
        notes.append(
            f"Time to target: seconds until the strategy's mean incumbent reaches {number(target.value)}, the mean "
            f"{study.metric} that {target.reference} ends at; {MISSING} if it never does."
        )
    if "test_accuracy" in assessment.records.retrained:
        notes.append(
            "Test: each sweep's incumbent, chosen by validation alone, retrained from scratch and scored once on the "
            "test split. Optimism is validation less test."
        )
    return notes


def _figures(assessment: Assessment, look: Mapping[str, Style], prefix: str) -> list[Figure]:
    extra = {
        "rank_correlation": rank_reading(rank_correlation(assessment.records)),
        "learning": _stopped(assessment.records),
    }
    return [
        Figure(
            f"{prefix}-{name}",
            TITLES[name],
            " ".join(filter(None, (extra.get(name), CAPTIONS[name]))),
            int(chart.layout.height),
            Markup(figure_json(chart)),
            name in WIDE,
        )
        for name, chart in figures_of(assessment, look).items()
    ]


def _stopped(records: Records) -> str:
    stopped = early_stopped(records).dropna()
    parts = [f"{name} {share(value)}" for name, value in stopped.items() if value > 0]
    return (
        f"Stopped before their last epoch, by the scheduler or the budget: {listing(parts)} of the trials."
        if parts
        else ""
    )
