"""What can be concluded, in plain words: a verdict per strategy, and the sentences above the table."""

from __future__ import annotations

import math

from hypertune.comparison import wording
from hypertune.comparison.assessment import Assessment, assess
from hypertune.comparison.numbers import listing
from hypertune.comparison.outcomes import baseline
from hypertune.comparison.pairs import BETTER, OPEN, WORSE, standing
from hypertune.records.records import Records

_PHRASES = {WORSE: "worse than", BETTER: "better than", OPEN: "not told apart from"}


def conclusion(records: Records) -> str:
    """What the study allows to conclude, as one paragraph."""
    return " ".join(wording.sentences(assess(records)))


def verdict(assessment: Assessment, strategy: str) -> str:
    """The verdict column: what is known of one strategy, in plain words."""
    facts = assessment.outcomes
    if strategy not in facts.strategies:
        return "no finished sweep"
    if not facts.seeds:
        return "no seed finished by all strategies"
    failed = int(facts.values[strategy].isna().sum())
    if failed == len(facts.seeds):
        return "no trial succeeded"
    words = _comparative(assessment, strategy)
    return f"{words}; {failed} of {len(facts.seeds)} sweeps found nothing" if failed else words


def _comparative(assessment: Assessment, strategy: str) -> str:
    facts, leader = assessment.outcomes, assessment.leader
    if len(facts.strategies) == 1:
        return "nothing to compare with"
    if len(facts.seeds) == 1:
        return "one seed: nothing can be concluded"
    if strategy == leader:
        return _of_leader(assessment)
    parts: dict[str, list[str]] = {phrase: [] for phrase in _PHRASES.values()}
    for other in dict.fromkeys((leader, baseline(facts.strategies))):
        if other is not None and other != strategy:
            parts[_PHRASES[standing(assessment.pairs, strategy, other)]].append(other)
    return ", ".join(f"{phrase} {listing(names)}" for phrase, names in parts.items() if names)


def _of_leader(assessment: Assessment) -> str:
    others = wording.rivals(assessment)
    if not others:
        return "best of all"
    mean = wording.best_mean(assessment)
    rest, control = len(assessment.outcomes.strategies) - 1, baseline(assessment.outcomes.strategies)
    if control not in (None, assessment.leader, *others):
        mean += f", better than {control}"
    return f"{mean}, not told apart from {'any other' if len(others) == rest > 1 else listing(others)}"


def short_verdict(assessment: Assessment, strategy: str) -> str:
    """The verdict in at most a dozen characters, for the terminal."""
    facts, leader = assessment.outcomes, assessment.leader
    if strategy not in facts.strategies or not facts.seeds:
        return "unfinished"
    if math.isnan(float(assessment.means[strategy])):
        return "all failed"
    if len(facts.strategies) == 1:
        return "alone"
    if len(facts.seeds) == 1:
        return "one seed"
    if strategy == leader:
        return wording.best_mean(assessment) if wording.rivals(assessment) else "best"
    return "worse" if standing(assessment.pairs, strategy, str(leader)) == WORSE else "undecided"
