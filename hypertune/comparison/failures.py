"""What went wrong in a study's trials, in words: for the conclusion, the terminal and both reports."""

from __future__ import annotations

from hypertune.comparison.numbers import listing
from hypertune.records.failures import Failure
from hypertune.records.records import Records

MOST_KINDS = 3
"""Most reasons that a sentence gives."""
LONGEST = 160
"""Most characters of a reason in a sentence."""
NEARLY_ALL = 0.9


def failure_sentence(records: Records) -> str:
    """How many trials failed or diverged, of which strategies, and why; empty where none did."""
    ledger = records.sweeps
    if ledger.empty:
        return ""
    counts = ledger.groupby("strategy", sort=False)[["trials", "failed", "diverged"]].sum()
    lost = counts[counts["failed"] + counts["diverged"] > 0]
    if lost.empty:
        return ""
    names = [f"{name} {int(row['failed'] + row['diverged'])}" for name, row in lost.iterrows()]
    failed, diverged = int(counts["failed"].sum()), int(counts["diverged"].sum())
    kinds = listing([f"{n} {word}" for n, word in ((failed, "failed"), (diverged, "diverged")) if n])
    words = (
        f"Of {int(counts['trials'].sum())} trials {kinds} ({listing(names)}), at the cost of their strategy's budget"
    )
    return f"{words}. {reasons(records)}" if records.failures and not records.gave_up else f"{words}."


def reasons(records: Records) -> str:
    """The most frequent reasons with their counts; empty where nothing failed."""
    shown, more = records.failures[:MOST_KINDS], records.failures[MOST_KINDS:]
    if not shown:
        return ""
    parts = [f"{failure.count} times {_short(failure)}" for failure in shown]
    if more:
        parts.append(f"{sum(failure.count for failure in more)} times {len(more)} other reasons")
    return f"Reason{'s' if len(records.failures) > 1 else ''}: {'; '.join(parts)}."


def _short(failure: Failure) -> str:
    error = failure.error.rstrip(".")
    return error if len(error) <= LONGEST else f"{error[: LONGEST - 3]}..."


def gave_up_sentence(records: Records) -> str:
    """Why the study was ended early; empty if it was not."""
    if not records.gave_up:
        return ""
    trials = sum(failure.count for failure in records.failures)
    return (
        f"The study was ended after {trials} trials, since all of them failed and none had reported anything "
        f"(study.give_up_after). {reasons(records)}"
    )


def length_sentence(records: Records) -> str:
    """A note that trials end on their own before `max_epochs`, with the remedy; empty if they do not."""
    trials, planned = records.trials, records.study.training.max_epochs
    if records.study.training.dataset is not None:
        return ""  # the built-in models always train for max_epochs
    ended = trials[trials["status"] == "completed"]
    short = ended[ended["epochs"] < planned]
    if len(short) < NEARLY_ALL * len(ended) or short.empty:
        return ""
    most = int(short["epochs"].max())
    often = f"{most} times" if short["epochs"].min() == most else f"{int(short['epochs'].min())} to {most} times"
    return (
        f"The trainable reports {often}, not max_epochs = {planned} times: set max_epochs = {most}, so that early "
        "stopping and budget match the actual length of training."
    )


def framed(records: Records, sentences: list[str]) -> list[str]:
    """The sentences of a conclusion, with what overshadows all of them first and the length of trainings last."""
    return [sentence for sentence in (gave_up_sentence(records), *sentences, length_sentence(records)) if sentence]


def told_failures(records: Records, place: str) -> list[str]:
    """Lines for the terminal: each reason with its count, and where the output of its first trial is."""
    lines = []
    for failure in records.failures[:MOST_KINDS]:
        lines.append(f"{failure.count} failed: {failure.error}")
        where = f"; its output: {place}/{failure.log}" if failure.log else ""
        lines.append(f"  first {failure.trial_id}{where}")
    if more := records.failures[MOST_KINDS:]:
        lines.append(f"{sum(failure.count for failure in more)} failed for {len(more)} other reasons")
    return lines
