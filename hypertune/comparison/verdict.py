"""What can be concluded, in plain words: a verdict per strategy, and the sentences above the table."""

from __future__ import annotations

import math

from hypertune.comparison import wording
from hypertune.comparison.assessment import Assessment, assess
from hypertune.comparison.judgement import EQUAL, WORSE, Judgement
from hypertune.comparison.numbers import listing
from hypertune.comparison.outcomes import baseline
from hypertune.records.records import Records


def conclusion(records: Records) -> str:
    """What can be concluded from the study, as one paragraph."""
    return " ".join(wording.sentences(assess(records)))


def verdict(assessment: Assessment, strategy: str) -> str:
    """The verdict column: `best`, `practically equal to the best`, `worse than ...` or `undecided`, with how the
    strategy compares to random search where that is established; or why there is no verdict."""
    facts = assessment.outcomes
    if (reason := _no_verdict(assessment, strategy)) is not None:
        return reason
    assert assessment.judgement is not None
    words = ", ".join(filter(None, (_plain(assessment.judgement, strategy), _to_random(assessment, strategy))))
    failed = int((facts.values[strategy].isna() & facts.ran[strategy]).sum())
    return f"{words}; {failed} of {len(facts.seeds_of(strategy))} sweeps found nothing" if failed else words


def _no_verdict(assessment: Assessment, strategy: str) -> str | None:
    facts = assessment.outcomes
    if strategy not in facts.strategies:
        return "no finished sweep"
    if not facts.seeds:
        return "no seed finished by all strategies"
    if facts.values[strategy].isna().all():
        return "no trial succeeded"
    if assessment.judgement is None:
        return "nothing to compare with"
    return "one seed: nothing can be concluded" if len(facts.seeds) == 1 else None


def _plain(judgement: Judgement, strategy: str) -> str:
    own = judgement.verdicts[strategy]
    if own == EQUAL:
        return "practically equal to the best"
    if own == WORSE:
        better = [name for name in judgement.evidence.strategies if judgement.beats(name, strategy)]
        first = [name for name in judgement.leaders if name in better]
        return f"worse than {listing(first or better[:1])}"
    return own


def _to_random(assessment: Assessment, strategy: str) -> str:
    """Empty where the verdict says it already or nothing is established."""
    control, judged = baseline(assessment.outcomes.strategies), assessment.judgement
    if control in (None, strategy) or judged is None or control in judged.leaders:
        return ""
    if judged.beats(strategy, str(control)):
        return "" if judged.verdicts[strategy] == "best" else f"better than {control}"
    return f"worse than {control}" if judged.beats(str(control), strategy) else ""


def short_verdict(assessment: Assessment, strategy: str) -> str:
    """The verdict in at most a dozen characters, for the terminal."""
    facts, judged = assessment.outcomes, assessment.judgement
    if strategy not in facts.strategies or not facts.seeds:
        return "unfinished"
    if math.isnan(float(facts.values[strategy].mean())):
        return "all failed"
    if judged is None:
        return "alone"
    return "one seed" if len(facts.seeds) == 1 else judged.verdicts[strategy]
