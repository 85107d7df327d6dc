"""The question that a study run until decided asks after each seed: is another one needed?"""

from __future__ import annotations

from hypertune.comparison import findings
from hypertune.comparison.assessment import judge_outcomes, seconds_per_sweep
from hypertune.comparison.judgement import UNDECIDED, WORSE, Judgement
from hypertune.comparison.numbers import duration, listing, seeds_of
from hypertune.comparison.outcomes import finished, outcomes
from hypertune.comparison.sequence import has_ended
from hypertune.comparison.statistics import FEWEST_SEEDS
from hypertune.records.records import Event, Records

DECIDED, TIME = "decided", "time"


def ask(records: Records) -> Event:
    """One look at a study after a seed, as the event written to the journal.

    Returns:
        `event` (`look`), `seeds` (how many have been run), `ended` (whether no further seed is needed), `why`
        (`decided`, or `time` where `max_seconds` have passed; else empty), `dropped` (strategies newly established as
        worse, which get no further seeds) and `told`, a one-line summary. A design is decided when each of its
        hypotheses is supported or refuted.
    """
    facts, study = outcomes(records), records.study
    seeds, seconds = len(facts.seeds), float(finished(records)["wall_s"].sum())
    look: Event = {"event": "look", "seeds": seeds, "ended": False, "why": "", "dropped": []}
    if study.max_seconds is not None and seconds >= study.max_seconds:
        look |= {"ended": True, "why": TIME}
    if study.design:
        return _ask_hypotheses(records, look, seconds)
    judgement = judge_outcomes(records, facts, seconds_per_sweep(records)) if seeds >= FEWEST_SEEDS else None
    if judgement is None:
        told = f"{seeds} of at least {FEWEST_SEEDS} seeds"
        return {**look, "told": f"{told}: the time is up" if look["ended"] else f"{told}: too few to decide"}
    if has_ended(judgement):
        look |= {"ended": True, "why": DECIDED}
    look["dropped"] = [name for name in judgement.named(WORSE) if name not in records.dropped]
    return {**look, "told": _told(judgement, look, seconds)}


def _ask_hypotheses(records: Records, look: Event, seconds: float) -> Event:
    found = findings.findings(records)
    still_open = [finding.text for finding in found if finding.verdict == findings.UNDECIDED]
    if not still_open and found:
        look |= {"ended": True, "why": DECIDED}
        return {**look, "told": f"{look['seeds']} seeds: decided, every hypothesis is supported or refuted"}
    if look["seeds"] < FEWEST_SEEDS and not look["ended"]:
        return {**look, "told": f"{look['seeds']} of at least {FEWEST_SEEDS} seeds: too few to decide"}
    told = f"{seeds_of(look['seeds'])}: undecided"
    if look["why"] == TIME:
        told += f" after {duration(seconds)} of sweeps, the limit"
    return {**look, "told": f"{told}; open: {listing(still_open)}" if still_open else told}


def _told(judgement: Judgement, look: Event, seconds: float) -> str:
    start = f"{look['seeds']} seeds"
    gone = f"; worse, and no longer run: {listing(look['dropped'])}" if look["dropped"] and not look["ended"] else ""
    if look["why"] == DECIDED:
        return f"{start}: decided, {judgement.recommended or judgement.leaders[0]}{gone}"
    leader = judgement.leaders[0]
    others = [name for name in judgement.named(UNDECIDED) if name != leader]
    open_ones = f"{leader} leads, open against {listing(others)}" if others else f"{leader} leads"
    if look["why"] == TIME:
        return f"{start}: undecided after {duration(seconds)} of sweeps, the limit; {open_ones}"
    return f"{start}: undecided, {open_ones}{gone}"
