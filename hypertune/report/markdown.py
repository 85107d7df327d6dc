"""`report.md`: what a study found on at most three pages, with the numbers filled in, to hand in or to edit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hypertune.comparison.assessment import Assessment, assess
from hypertune.comparison.coarseness import validation_images
from hypertune.comparison.effects import main_effects
from hypertune.comparison.export import markdown_table, without_markup
from hypertune.comparison.failures import framed
from hypertune.comparison.narrative import design_sentences, epoch_note, not_tested, recommendation
from hypertune.comparison.numbers import listing, setting
from hypertune.comparison.outcomes import finished
from hypertune.comparison.readable import readable
from hypertune.comparison.runs import Runs, runs
from hypertune.comparison.wording import strategy_sentences
from hypertune.records.records import Records
from hypertune.report.captions import title_of
from hypertune.report.designs import refusal
from hypertune.report.figures import figures_of
from hypertune.report.page import Table
from hypertune.report.style import styles
from hypertune.report.tables import cells_table, effects_table, findings_table, interactions_table, variation_table
from hypertune.storage.printable import printable

MOST_FRONT, MOST_EFFECTS, MOST_INTERACTIONS = 6, 24, 6
"""Most rows per table, so that the report stays within three pages."""
Part = str | list[str] | Table
"""A paragraph, a list of sentences, or a table."""
COLUMNS = ("strategy", "test_accuracy", "trials", "epochs", "wall-clock", "verdict", "best configuration")


def markdown_report(records: Records, folder: Path | None = None) -> str:
    """The report in Markdown; figures by name, with links to the pictures that lie in `folder/figures`."""
    assessment = assess(records)
    body = _design(records) if records.study.design is not None else _comparison(assessment)
    # Figures are links; nothing else is one, whatever a hyperparameter is called.
    text = [_written(part) for part in (f"# {records.study.name}", _setup(records), *body)]
    after = [_written(part) for part in (*_untested(records), "## How it was run")]
    parts = [*text, *_figures(assessment, folder), *after, _command(records), _written(_run(records))]
    return printable("\n\n".join(parts) + "\n")


def _written(part: Part) -> str:
    if isinstance(part, Table):
        return markdown_table(part.columns, part.rows)
    return without_markup(part) if isinstance(part, str) else "\n".join(f"- {without_markup(line)}" for line in part)


def _setup(records: Records) -> str:
    study, training = records.study, records.study.training
    data = f"`{training.dataset}`" if training.dataset else "its own data"
    classes = f" (classes {listing(training.classes)})" if training.classes else ""
    constants = ", ".join(f"{name} = {setting(value)}" for name, value in training.config.items())
    steps = f" of {training.steps_per_epoch} batches each" if training.steps_per_epoch else ""
    words = (
        f"The trainable `{training.trainable}` on {data}{classes}, {training.max_epochs} epochs{steps}"
        + (f", with {constants} throughout" if constants else "") + f". {_what(records)} "
        f"Judged by `{study.metric}`"
    )  # fmt: skip
    if training.dataset:
        images = validation_images(records)
        share = f"{100 * training.validation_fraction:g} % of the training data"
        words += f", on {share if images is None else f'{images:,} images'} held out for validation"
    return words + "."


def _what(records: Records) -> str:
    study = records.study
    if study.design is None:
        told = " ".join([f"{study.budget} per sweep.", *records.told_beforehand])
        return f"Strategies: {listing(study.strategies)}; {records.seeds_told}; {told}"
    varied = listing([f"{f.name} ({', '.join(setting(level) for level in f.levels)})" for f in study.factors()])
    kind = "every combination" if study.design.kind == "grid" else "one at a time around a baseline"
    return f"Varied: {varied}; {kind}; {records.seeds_told}; {len(records.trials)} runs, none stopped early."


def _design(records: Records) -> Iterator[Part]:
    yield "## Findings"
    sentences = framed(records, design_sentences(records, one_by_one=False))
    yield " ".join(said for said in sentences if said != recommendation(records))
    yield from _hypotheses(records)
    if not len(finished(records)):
        return
    facts = runs(records)
    yield from _trade_off(records)
    yield "## Effects"
    yield _shortened(facts, records.study.metric)
    strongest, shares = interactions_table(facts, MOST_INTERACTIONS), variation_table(facts)
    if strongest is not None:
        yield "Two-way interactions, the strongest:"
        yield strongest
    if shares is not None:
        yield "Of the variation among all runs: " + ", ".join(f"{term} {share}" for term, share in shares.rows) + "."


def _shortened(facts: Runs, metric: str) -> Table:
    """The main effects; of factors with many levels only the ends, the middle and the best and worst one."""
    table = effects_table(facts, metric)
    if len(table.rows) <= MOST_EFFECTS:
        return table
    means = main_effects(facts)
    kept = []
    for factor in facts.factors:
        own = means[means["factor"] == factor.name]
        ends = {own.index[0], own.index[len(own) // 2], own.index[-1], own["mean"].idxmax(), own["mean"].idxmin()}
        kept += sorted(ends)
    return Table(table.columns, [table.rows[i] for i in kept], table.numeric)


def _comparison(assessment: Assessment) -> Iterator[Part]:
    records = assessment.records
    yield "## Findings"
    yield " ".join(framed(records, strategy_sentences(assessment)))
    yield from _hypotheses(records)
    table = readable(assessment)
    table = table[[name for name in table if name in (*COLUMNS, records.study.metric)]]
    yield Table(list(table.columns), table.to_numpy().tolist(), [False] * table.shape[1])
    yield from _trade_off(records)


def _hypotheses(records: Records) -> Iterator[Part]:
    table = findings_table(records)
    if table is not None:
        yield table
        yield (
            "Effects are means over seeds with 95 % t-intervals; p is two-sided and corrected for the number of "
            "hypotheses by Holm's method."
        )


def _trade_off(records: Records) -> Iterator[Part]:
    if len(records.trials):
        yield "## Accuracy, training time and model size"
        yield recommendation(records) + " Configurations that no other one beats in all three, the best first:"
        yield cells_table(records, MOST_FRONT, front_only=True)


def _figures(assessment: Assessment, folder: Path | None) -> Iterator[str]:
    records = assessment.records
    names = [_linked(name, folder) for name in figures_of(assessment, styles(records.study.strategies))]
    reason = refusal(records)
    yield "## Figures"
    said = f"In `report.html`: {', '.join(names)}." if names else "None yet."
    yield said + (f" No {reason}." if reason and records.study.design is None else "")


def _linked(name: str, folder: Path | None) -> str:
    """A figure's title, as a link where there is a picture of it."""
    pictures = sorted(folder.glob(f"figures/{name}.*")) if folder is not None else []
    title = without_markup(title_of(name))
    return f"[{title}](figures/{pictures[0].name})" if pictures else title


def _untested(records: Records) -> Iterator[Part]:
    yield "## What was not tested"
    yield not_tested(records)
    if note := epoch_note(records):
        yield note


def _command(records: Records) -> str:
    """The command as a block of code, in which nothing is markup."""
    command = records.provenance.get("command") or f"hypertune compare {records.study.name}.toml"
    return f"    {' '.join(str(command).split())}"


def _run(records: Records) -> str:
    facts = records.provenance
    hardware = facts.get("hardware") or {}
    machine = ", ".join(str(hardware[key]) for key in ("processor", "system") if hardware.get(key))
    parts = [
        f"Started {facts['started_at']}" if facts.get("started_at") else "",
        f"on {machine}, {hardware.get('cores')} cores" if machine else "",
        f"{facts.get('workers')} trials at a time" if facts.get("workers") else "",
        f"hypertune at commit {facts['git_commit']}" if facts.get("git_commit") else "",
    ]
    busy = float(records.trials["train_s"].sum()) if len(records.trials) else 0.0
    return ", ".join(part for part in parts if part) + f". Training took {busy / 60:.1f} worker-minutes in all."
