"""One study's section of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from hypertune.comparison.assessment import Assessment, assess
from hypertune.comparison.coarseness import coarseness
from hypertune.comparison.diagnostics import early_stopped, rank_correlation, rank_reading
from hypertune.comparison.failures import framed
from hypertune.comparison.narrative import design_sentences, epoch_note, not_tested
from hypertune.comparison.numbers import MISSING, listing, number, share
from hypertune.comparison.outcomes import finished
from hypertune.comparison.readable import readable
from hypertune.comparison.runs import runs
from hypertune.comparison.table import table_of
from hypertune.comparison.wording import strategy_sentences
from hypertune.records.failures import Failure
from hypertune.records.records import Records
from hypertune.report.captions import WIDE, caption_of, title_of
from hypertune.report.configuration import Taken, strategy_taken, taken
from hypertune.report.designs import refusal
from hypertune.report.figures import figures_of
from hypertune.report.page import Figure, Table, ledger_table, pairs_table, provenance_rows, trials_table
from hypertune.report.payload import figure_json
from hypertune.report.style import Style
from hypertune.report.tables import (
    cells_table,
    effects_table,
    findings_table,
    hyperparameters_table,
    interactions_table,
    variation_table,
)

MOST_CELLS = 60
LEVELS = {
    "wall-clock": 1, "trials": 2, "epochs": 2, "busy": 2, "optimism": 3, "time to target": 3, "mean rank": 3,
    "p(best)": 3, "best configuration": 3,
}  # fmt: skip
"""Columns of the main table in their order after the scores; see `Table.levels`."""
HEADINGS = {
    "wall-clock": "time per sweep", "trials": "trials per sweep", "epochs": "epochs per sweep", "busy": "workers busy",
    "p(best)": "probability of being best", "optimism": "validation less test",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Section:
    """What the page says about one study; all text is escaped by the template."""

    id: str
    name: str
    summary: str
    sentences: list[str]
    taken: Taken | None
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
    table_title: str = "The strategies"
    findings: Table | None = None
    more: list[tuple[str, str, Table]] = field(default_factory=list)
    """Collapsed tables: title, note and rows."""
    not_tested: list[str] = field(default_factory=list)
    failures: tuple[Failure, ...] = ()
    missing: list[str] = field(default_factory=list)
    """Figures that are not drawn, with the reason."""


def study_section(records: Records, look: Mapping[str, Style], prefix: str) -> Section:
    """Everything the page says about one study; `prefix` keeps the ids of several studies apart."""
    assessment, study = assess(records), records.study
    if study.design is not None:
        return _design_section(assessment, look, prefix)
    to_take = taken(assessment, Path())
    return Section(
        id=prefix,
        name=study.name,
        summary=_summary(records),
        sentences=framed(records, strategy_sentences(assessment)),
        taken=to_take,
        table=_comparison(assessment),
        leader=strategy_taken(assessment),
        notes=_notes(assessment),
        pairs=pairs_table(assessment),
        figures=_figures(assessment, look, prefix),
        ledger=ledger_table(records),
        trials=trials_table(records),
        shown_of=len(records.trials),
        failures=records.failures,
        keys=[parameter.key for parameter in study.space.parameters()],
        toml=study.to_toml(),
        command=str(records.provenance.get("command") or f"hypertune compare {study.name}.toml"),
        provenance=provenance_rows(records),
        findings=findings_table(records),
        more=_hyperparameters(records, to_take),
        not_tested=not_tested(records),
        missing=_missing(records),
    )


def _hyperparameters(records: Records, to_take: Taken | None) -> list[tuple[str, str, Table]]:
    """Of more hyperparameters than the figures have room for, the table of all of them."""
    table = hyperparameters_table(records, to_take.config if to_take else None)
    note = "The figures show the most important ones. Best value: of the configuration above."
    return [(f"All {len(table.rows)} hyperparameters", note, table)] if table else []


def _design_section(assessment: Assessment, look: Mapping[str, Style], prefix: str) -> Section:
    """A design's section: findings and cells in place of a comparison's strategies."""
    records, study = assessment.records, assessment.records.study
    cells = cells_table(records, MOST_CELLS) if len(finished(records)) else None
    return Section(
        id=prefix,
        name=study.name,
        summary=_summary(records),
        sentences=framed(records, design_sentences(records, one_by_one=False)),
        taken=taken(assessment, Path()) if cells else None,
        table=cells or Table(["configuration"], [], [False]),
        leader=next((row[0] for row in cells.rows if row[-1] == "recommended"), None) if cells else None,
        notes=_design_notes(records),
        pairs=None,
        figures=_figures(assessment, look, prefix),
        ledger=ledger_table(records),
        trials=trials_table(records),
        shown_of=len(records.trials),
        failures=records.failures,
        keys=[],
        toml=study.to_toml(),
        command=str(records.provenance.get("command") or f"hypertune compare {study.name}.toml"),
        provenance=provenance_rows(records),
        table_title="The configurations",
        findings=findings_table(records),
        more=_effects(records) if cells else [],
        not_tested=not_tested(records),
        missing=_missing(records),
    )


def _effects(records: Records) -> list[tuple[str, str, Table]]:
    facts = runs(records)
    tables = [
        ("Main effects", "Means over all cells with that level, one number per seed, with 95 % t-intervals.",
         effects_table(facts, records.study.metric)),
        ("Two-way interactions", "What two levels together do beyond the sum of their main effects, the strongest "
         "first.", interactions_table(facts)),
        ("Where the variation comes from", "Sums of squares over all runs.", variation_table(facts)),
    ]  # fmt: skip
    return [(title, note, table) for title, note, table in tables if table is not None]


def _design_notes(records: Records) -> list[str]:
    notes = [
        "Values are of the last epoch, on the validation split; the best over the epochs would flatter long and noisy "
        "trainings. Square brackets are 95 % t-intervals over seeds. Every cell was run with the same seeds and none "
        "was stopped early; effects are computed within each seed. The p-values of the hypotheses are corrected for "
        "their number by Holm's method, the intervals are not.",
        epoch_note(records),
        coarseness(records),
    ]
    return [note for note in notes if note]


def _missing(records: Records) -> list[str]:
    reason = refusal(records)
    return [f"No {reason}."] if reason and records.study.design is None else []


def _summary(records: Records) -> str:
    study = records.study
    day = str(records.provenance.get("started_at") or "")[:10]
    design = study.design is not None
    what = f"{listing([factor.name for factor in study.factors()])} varied" if design else ""
    parts = [
        what or f"{len(study.strategies)} strategies", records.seeds_told,
        "" if design else f"{study.budget} per sweep", f"{len(records.trials)} trials",
        study.training.dataset or study.training.trainable, day,
    ]  # fmt: skip
    return ", ".join(part for part in parts if part)


def _comparison(assessment: Assessment) -> Table:
    """The table for people, with the optimism of validation where both scores are accuracies."""
    table = table_of(assessment)
    text = readable(assessment, table)
    metric = assessment.records.study.metric
    if metric == "valid_accuracy" and "test_accuracy" in text:
        gaps = table["valid_accuracy"] - table["test_accuracy"]
        text["optimism"] = [f"{gap:+.4f}" if pd.notna(gap) else MISSING for gap in gaps]
    judged = assessment.outcomes.judged_on
    scores = [name for name in (judged, metric, "test_accuracy") if name in text]
    order = list(dict.fromkeys(["strategy", "verdict", *scores, *LEVELS, *text.columns]))
    text = text[[name for name in order if name in text]]
    wordy = ("strategy", "verdict", "best configuration")
    return Table(
        [HEADINGS.get(name, name) for name in text.columns],
        text.to_numpy().tolist(),
        [name not in wordy for name in text.columns],
        [0 if name in ("strategy", "verdict", judged) else LEVELS.get(name, 1) for name in text.columns],
    )


def _notes(assessment: Assessment) -> list[str]:
    """What a reader has to know to read the table right."""
    study, target = assessment.records.study, assessment.seconds
    highest = "highest" if study.mode == "max" else "lowest"
    notes = [
        *assessment.records.told_beforehand,
        *([note] if (note := epoch_note(assessment.records)) else []),
        *([note] if (note := coarseness(assessment.records)) else []),
        "Square brackets are 95 % t-intervals of the mean over seeds. The verdicts are based on differences paired by "
        "seed: at most 5 % of such studies make any false claim, however often the data are looked at (up to 9 % where "
        "the noise is skewed and several times as large in some strategies as in others).",
        f"Each sweep (one run of a strategy with one seed) was given {study.budget}; time, trials and epochs are means "
        "per sweep. Workers busy: the share of the workers' time in which a trial was training.",
        f"Mean rank: over the seeds, 1 is best. Probability of being best: of having the {highest} true mean, given "
        "these seeds (a description, not a test).",
    ]
    if target is not None:
        notes.append(
            f"Time to target (a description, not a test): seconds until the strategy's mean incumbent reaches "
            f"{number(target.value)}, the mean {study.metric} that {target.reference} ends at; {MISSING} if never."
        )
    if "test_accuracy" in assessment.records.retrained:
        notes.append(
            "Test: each sweep's incumbent, chosen by validation alone, retrained from scratch and scored once on the "
            "test split. Validation less test: how much validation flatters."
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
            title_of(name),
            " ".join(filter(None, (extra.get(name), caption_of(name, chart)))),
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
