"""What a design found, in plain words: its findings, what it recommends and what it has not tested."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from hypertune.comparison.coarseness import coarse
from hypertune.comparison.failures import reasons
from hypertune.comparison.findings import UNDECIDED, Finding, findings
from hypertune.comparison.numbers import configuration, duration, form_of, interval_of, listing, number, setting
from hypertune.comparison.outcomes import finished
from hypertune.comparison.statistics import FEWEST_SEEDS
from hypertune.comparison.summary import experiment_summary, hyperparameters
from hypertune.records.records import Records
from hypertune.space.values import plain
from hypertune.study.hypotheses import PARAMETERS, SECONDS

UNITS = {"seconds": " s", "parameters": " weights"}
MOST_SHOWN = 20
"""Most hyperparameters of a configuration on one line."""
OTHER_QUESTION = (
    "That is one trial and no recommendation: which strategy to take is said above, and report.html has the best "
    "configuration of that strategy."
)


def design_sentences(records: Records, *, one_by_one: bool = True) -> list[str]:
    """What can be concluded from a design, the most important first; its findings `one_by_one` or only counted."""
    if not finished(records).shape[0]:
        return ["Nothing can be said yet: no seed has run every cell."]
    found = findings(records)
    lead = [_verdicts(found)] if found else []
    each = [finding_sentence(finding) for finding in found] if one_by_one else []
    said = [*lead, recommendation(records), *each, *coarse(records), *_lost(records), *_unfinished(records)]
    return [sentence for sentence in said if sentence]


def _verdicts(found: list[Finding]) -> str:
    counts = {verdict: sum(finding.verdict == verdict for finding in found) for verdict in dict.fromkeys(
        finding.verdict for finding in found
    )}  # fmt: skip
    parts = listing([f"{count} {verdict}" for verdict, count in counts.items()])
    return f"Of {len(found)} hypothes{'is' if len(found) == 1 else 'es'}: {parts}."


def finding_sentence(finding: Finding) -> str:
    """One finding with its numbers, e.g. `"adam > sgd": supported. ...`."""
    one = finding.evidence
    words = f'"{finding.text}": {finding.verdict}. {one.meaning[0].upper()}{one.meaning[1:]}: {effect(finding)}'
    words += f" ({one.effect.seeds} seeds, {one.runs} runs"
    words += f", corrected p {_p(finding.p)})." if not math.isnan(finding.p) else ")."
    if finding.verdict == UNDECIDED and one.effect.seeds < FEWEST_SEEDS:
        words += f" A test needs {FEWEST_SEEDS} seeds."
    return words


def effect(finding: Finding) -> str:
    """The effect with its interval and unit, as many digits as the interval justifies."""
    one = finding.evidence
    size, unit = one.effect, UNITS.get(one.outcome, "")
    low, high = size.low, size.high
    if not math.isfinite(size.effect):
        return "unknown"
    if not math.isfinite(low):
        return f"{size.effect:+.4g}{unit}"
    if one.outcome == "rank correlation":
        low, high = max(low, -1.0), min(high, 1.0)  # a t-interval does not know these bounds
    if low == high:
        return f"{size.effect:+,.6g}{unit} [{low:,.6g}, {high:,.6g}]"
    if max(abs(low), abs(high)) >= 1e5:
        return f"{size.effect:+,.0f}{unit} [{low:,.0f}, {high:,.0f}]"
    return f"{size.effect:+{form_of(low, high)}}{unit} {interval_of(low, high)}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def recommended(records: Records) -> pd.Series[Any] | None:
    """The recommended row of the summary; None where no configuration has a value."""
    table = experiment_summary(records)
    rows = table[table["recommended"]]
    return rows.iloc[0] if len(rows) else None


def chosen_name(records: Records) -> str:
    """What the recommended row of the summary is called."""
    return "best training" if records.study.design is None else "recommended"


def cell_name(records: Records, row: pd.Series[Any]) -> str:
    """A configuration of the summary on one line; of hundreds of hyperparameters the first ones."""
    values = {str(name): _whole(plain(value)) for name, value in row.items() if not _missing(value)}
    names = [name for name in hyperparameters(records) if name in values]
    shown, rest = names[:MOST_SHOWN], len(names) - MOST_SHOWN
    told = configuration({name: values[name] for name in shown}) or "the one cell"
    return f"{told} and {rest} more" if rest > 0 else told


def _missing(value: Any) -> bool:
    """Whether a cell of the summary is empty: the hyperparameter is not active there."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _whole(value: Any) -> Any:
    """Whole numbers are floats in a column with empty cells."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def recommendation(records: Records) -> str:
    """The recommended configuration with what it gives and costs; of strategies, the best full training."""
    table, row = experiment_summary(records), recommended(records)
    if row is None:
        return "No run ended with a finite value: there is nothing to recommend."
    told = _with_costs(records, row)
    if records.study.design is None:
        return f"{_best_training(records, row)}: {told}. {_stopped_better(records, table, row)}{OTHER_QUESTION}"
    best = table[table["on_front"]].iloc[0]
    if row.name == best.name:
        return f"Recommended: {told}{'; it also has the best mean' if row['runs'] > 1 else ', the best'}."
    other = f"{cell_name(records, best)} with {number(best[records.study.metric])} in {duration(best[SECONDS])}"
    if math.isfinite(best["sd"]):
        return f"Recommended: {told}: the fastest to train within one standard error of the best, {other}."
    return f"Recommended: {told}: as good as, and faster to train than, {other}."


def _with_costs(records: Records, row: pd.Series[Any]) -> str:
    metric = records.study.metric
    words = f"{cell_name(records, row)}, {metric} {number(row[metric])}"
    words += f" in {duration(row[SECONDS])} of training" if math.isfinite(row[SECONDS]) else ""
    return words + (f" with {row[PARAMETERS]:,.0f} weights" if math.isfinite(row[PARAMETERS]) else "")


def _best_training(records: Records, row: pd.Series[Any]) -> str:
    if row["epochs"] >= records.study.training.max_epochs:
        return "The best full training"
    return f"The best of the longest trainings, none being full ({records.study.training.max_epochs} epochs)"


def _stopped_better(records: Records, table: pd.DataFrame, row: pd.Series[Any]) -> str:
    """What trials that were stopped early reached, where it was better."""
    metric, sign = records.study.metric, 1 if records.study.mode == "max" else -1
    earlier = table[(table["epochs"] < row["epochs"]) & (table["lost"] == 0)]
    better = earlier[sign * earlier[metric] > sign * row[metric]]
    if better.empty:
        return ""
    first = better.iloc[0]
    many = f"{len(better)} trials that were stopped early did better, the best of them"
    lead = many if len(better) > 1 else "One trial that was stopped early did better"
    return f"{lead}: {cell_name(records, first)} with {number(first[metric])}. "


def _lost(records: Records) -> list[str]:
    counts = records.trials["status"].value_counts()
    parts = [f"{counts[status]} {status}" for status in ("failed", "diverged") if status in counts]
    if not parts:
        return []
    words = f"{listing(parts)} of {len(records.trials)} runs; they count as the worst value of any run."
    return [words, *([] if records.gave_up else [reasons(records)])]


def _unfinished(records: Records) -> list[str]:
    done = set(finished(records)["seed"])
    missing = [str(seed) for seed in records.study.seeds[: records.seeds_planned] if seed not in done]
    words = f"seed{'s' * (len(missing) > 1)} {listing(missing)}"
    return [f"Left out, since not every cell has been run: {words}."] if missing else []


def not_tested(records: Records) -> list[str]:
    """What a reader might take for granted but the study does not show."""
    study = records.study
    constants = {name: value for name, value in study.training.config.items() if name != "device"}
    said = []
    if constants:
        said.append(
            f"Other values of what was kept constant: {listing([f'{k} = {setting(v)}' for k, v in constants.items()])}."
        )
    if study.design is not None:
        said += _untested_by_design(records)
    else:
        said.append("Single hyperparameters: a searcher does not spread its trials evenly; a [design] would.")
    data = study.training.dataset or study.training.trainable
    said.append(f"Other data than {data}, other models than {study.training.trainable}, and more than "
                f"{study.training.max_epochs} epochs.")  # fmt: skip
    if records.retrained.empty or "test_accuracy" not in records.retrained:
        said.append("The test split: all values are of the validation split.")
    if study.training.steps_per_epoch is not None:
        said.append("Full passes over the training data: see the note on the length of an epoch.")
    return said


def _untested_by_design(records: Records) -> list[str]:
    study, factors = records.study, records.study.factors()
    said = []
    numeric = [factor for factor in factors if factor.numeric]
    if numeric:
        ranges = [f"{f.name} {setting(f.levels[0])} to {setting(f.levels[-1])}" for f in numeric]
        said.append(f"Anything outside of {listing(ranges)}, and values between the levels.")
    if study.design is not None and study.design.kind == "one_at_a_time" and len(factors) > 1:
        said.append("Interactions: one hyperparameter was varied at a time, the others at the baseline.")
    if records.seeds_planned < FEWEST_SEEDS:
        said.append(f"Chance: with {records.seeds_planned} seed(s) nothing can be decided; {FEWEST_SEEDS} are needed.")
    return said


def epoch_note(records: Records) -> str:
    """What an epoch of a fixed number of batches means for comparisons; empty where epochs are full passes."""
    steps = records.study.training.steps_per_epoch
    if steps is None:
        return ""
    words = (
        f"An epoch here is {steps} batches, not one pass over the training data. Values after the same number of "
        "epochs are comparable within this study, and with other studies only where steps_per_epoch and batch_size "
        "are the same"
    )
    sizes = next((factor.levels for factor in records.study.factors() if factor.name == "batch_size"), None)
    if sizes is None:
        return words + "; published results with full epochs come from longer training."
    return (
        f"{words}. With batch_size {sizes[0]} an epoch has {steps * sizes[0]:,} images, with {sizes[-1]} it has "
        f"{steps * sizes[-1]:,}: batch sizes are compared after the same number of steps, not of images."
    )
