"""The parts a page is made of: figures with captions, and tables of text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from markupsafe import Markup

from hypertune.comparison.assessment import Assessment
from hypertune.comparison.numbers import MISSING, count, number, with_interval
from hypertune.comparison.pairs import pairs_of
from hypertune.comparison.sequence import MOST_SEEDS
from hypertune.comparison.several import Several
from hypertune.records.records import Records

MOST_ROWS = 2000
"""Most rows of the trial table, the best ones: a browser cannot sort more without a delay."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure on the page; `json` is safe inside a script tag."""

    id: str
    title: str
    caption: str
    height: int
    json: Markup
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text.

    Attributes:
        numeric: which columns are numbers, to be right-aligned.
        levels: for each column, from which width of the page it is shown: 0 on a phone, 1 on a tablet, 2 on a desktop,
            3 on demand. Empty: all are shown.
    """

    columns: list[str]
    rows: list[list[str]]
    numeric: list[bool]
    levels: list[int] = field(default_factory=list)


def pairs_table(assessment: Assessment) -> Table | None:
    """Each pair of strategies with their difference, its interval and what is established."""
    if assessment.judgement is None or len(assessment.outcomes.seeds) < 2:
        return None
    rows = [
        [
            row["strategy"],
            row["other"],
            str(row["seeds"]),
            with_interval(row["better_by"], row["low"], row["high"], signed=True),
            row["outcome"],
            _needed(row["seeds_needed"]),
        ]
        for row in pairs_of(assessment.judgement).to_dict("records")
    ]
    columns = ["strategy", "against", "seeds", "better by", "difference", "seeds to decide, about"]
    return Table(columns, rows, [False, False, True, True, False, True])


def _needed(seeds: float) -> str:
    if math.isnan(seeds):
        return MISSING
    return f"{seeds:.0f}" if math.isfinite(seeds) else f"more than {MOST_SEEDS}"


def ledger_table(records: Records) -> Table:
    """What every sweep spent and what became of its trials."""
    rows = [
        [
            row["strategy"], str(row["seed"]), "yes" if row["finished"] else "no", count(float(row["epochs"])),
            *(str(int(row[name])) for name in ("trials", "completed", "stopped", "failed", "diverged")),
            *(number(float(row[name]), 4) for name in ("wall_s", "busy_s", "idle_s", "decision_s")),
        ]
        for row in records.sweeps.to_dict("records")
    ]  # fmt: skip
    columns = [
        "strategy", "seed", "finished", "epochs", "trials", "completed", "stopped", "failed", "diverged",
        "wall-clock s", "busy worker-s", "idle worker-s", "searcher s",
    ]  # fmt: skip
    return Table(columns, rows, [False, True, False] + [True] * 10)


def trials_table(records: Records) -> Table:
    """One row per trial, as `trials.csv`, numbers shortened."""
    metric = records.study.metric
    trials = records.trials
    if len(trials) > MOST_ROWS:
        trials = trials.sort_values(metric, ascending=records.study.mode == "min", na_position="last").head(MOST_ROWS)
    config = [name for name in trials if str(name).startswith("config/")]
    names = ["strategy", "seed", "trial_id", "status", "epochs", "best_epoch", metric, "train_s", *config]
    rows = [[_cell(row[name]) for name in names] for row in trials[names].to_dict("records")]
    columns = [str(name).removeprefix("config/") for name in names]
    return Table(columns, rows, [pd.api.types.is_numeric_dtype(trials[name]) for name in names])


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def table_of_ranks(facts: Several) -> Table:
    """Value and rank of every strategy in every study."""
    names = [str(name) for name in facts.values.columns]
    pairs = zip(facts.values.to_numpy(dtype=float), facts.ranks.to_numpy(dtype=float), strict=True)
    rows = [
        [str(study), *(f"{number(value)} ({rank:g})" for value, rank in zip(values, ranks, strict=True))]
        for study, (values, ranks) in zip(facts.values.index, pairs, strict=True)
    ]
    rows.append(["mean rank", *(f"{facts.mean_ranks[name]:.2f}" for name in names)])
    return Table(["study", *names], rows, [False] + [True] * len(names))


def provenance_rows(records: Records) -> list[tuple[str, str]]:
    """How it was run, as pairs of name and text; the ledger is elsewhere on the page."""
    facts = {k: v for k, v in records.provenance.items() if k not in ("sweeps", "retrained", "incumbents", "command")}
    return [(name.replace("_", " "), _fact(value)) for name, value in facts.items() if value not in (None, "", [], {})]


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_fact(entry)}" for name, entry in value.items() if entry not in (None, "", []))
    if isinstance(value, list):
        return ", ".join(str(entry) for entry in value)
    return str(value)
