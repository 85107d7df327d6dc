"""The sentences above the table, each from one fact of an assessment; the most important one comes first."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from hypertune.comparison.assessment import Assessment
from hypertune.comparison.coarseness import coarse
from hypertune.comparison.failures import failure_sentence, framed
from hypertune.comparison.findings import findings
from hypertune.comparison.narrative import design_sentences, finding_sentence
from hypertune.comparison.numbers import count, duration, listing, number, seeds_of, with_interval
from hypertune.comparison.outcomes import baseline, finished
from hypertune.comparison.spoken import Judged, lead_sentence, more_seeds, standing_sentence
from hypertune.comparison.statistics import FEWEST_SEEDS, interval
from hypertune.comparison.workers import workers_sentence


def sentences(assessment: Assessment) -> list[str]:
    """What can be concluded, sentence by sentence."""
    records = assessment.records
    if records.study.design is not None:
        said = design_sentences(records)
    else:
        said = [*strategy_sentences(assessment), *(finding_sentence(finding) for finding in findings(records))]
    return framed(records, said)


def strategy_sentences(assessment: Assessment) -> list[str]:
    """What can be concluded about the strategies of a study without a design."""
    facts, grain = assessment.outcomes, coarse(assessment.records)
    if not facts.seeds:
        return [_nothing_finished(assessment), *_those(assessment, _missing, _failures)]
    if assessment.leader is None:
        return ["No trial reported a finite value: there is nothing to compare.", *_those(assessment, _failures)]
    if len(facts.strategies) == 1:
        return [_alone(assessment), *grain, *_those(assessment, _optimism, _missing, _failures)]
    if len(facts.seeds) == 1:
        return [_one_seed(assessment), *grain, *_those(assessment, _workers, _missing, _failures)]
    return [
        lead_sentence(spoken(assessment)),
        *grain,
        *_those(
            assessment,
            _standing,
            _against_random,
            _more_seeds,
            _basis,
            _extended,
            _speed,
            _workers,
            _optimism,
            _found_nothing,
            _missing,
            _failures,
        ),
    ]


def _those(assessment: Assessment, *parts: Callable[[Assessment], str]) -> list[str]:
    return [sentence for part in parts if (sentence := part(assessment))]


def _nothing_finished(assessment: Assessment) -> str:
    if not assessment.outcomes.strategies:
        return "Nothing can be compared yet: no sweep has finished."
    return "Nothing can be compared yet: no seed has been finished by all strategies."


def _alone(assessment: Assessment) -> str:
    name, seeds = assessment.outcomes.strategies[0], len(assessment.outcomes.seeds)
    words = f"Only {name} has finished sweeps, so there is nothing to compare it with"
    mean = f"a mean {assessment.outcomes.judged_on} of {_mean(assessment, name)} over {seeds_of(seeds)}"
    return f"{words}; it ends at {mean}."


def _one_seed(assessment: Assessment) -> str:
    return (
        "With one seed nothing can be concluded about the strategies: another seed may reverse the order. "
        f"The table describes this one run. Claims begin at {FEWEST_SEEDS} seeds; --until-decided adds as many as it "
        "takes."
    )


def spoken(assessment: Assessment) -> Judged:
    """The judgement of a study with what its sentences need besides."""
    facts = assessment.outcomes
    assert assessment.judgement is not None
    return Judged(
        judgement=assessment.judgement,
        values=facts.judged,
        mode=assessment.records.study.mode,
        metric=facts.judged_on,
        step=assessment.step,
        seconds=assessment.seconds_per_sweep,
    )


def _standing(assessment: Assessment) -> str:
    return standing_sentence(spoken(assessment))


def _more_seeds(assessment: Assessment) -> str:
    return more_seeds(spoken(assessment))


def _against_random(assessment: Assessment) -> str:
    control = baseline(assessment.outcomes.strategies)
    judged = assessment.judgement
    if control is None or judged is None or len(assessment.outcomes.strategies) < 3:
        return ""
    names = [name for name in assessment.outcomes.strategies if name != control]
    better = [name for name in names if judged.beats(name, control)]
    worse = [name for name in names if judged.beats(control, name)]
    rest = [name for name in names if name not in better and name not in worse]
    if not better and not worse:
        return f"None is significantly better or worse than {control}."
    parts = [
        (better, f"Significantly better than {control}"), (worse, f"Significantly worse than {control}"),
        (rest, f"Not significantly different from {control}"),
    ]  # fmt: skip
    return " ".join(f"{phrase}: {listing(own)}." for own, phrase in parts if own)


def _basis(assessment: Assessment) -> str:
    """Which values the verdicts are based on, and their weakness."""
    facts, study = assessment.outcomes, assessment.records.study
    sought = "maximised" if study.mode == "max" else "minimised"
    if facts.judged_on != study.metric:
        return (
            f"The verdicts are based on {facts.judged_on} of the retrained incumbents; {study.metric} is what the "
            f"search itself {sought}, and flatters strategies that look at more configurations."
        )
    lacking = "Not every" if bool(facts.test.notna().any(axis=None)) else "No"
    return (
        f"{lacking} incumbent was retrained and tested: the verdicts are based on the best {study.metric} of each "
        "sweep, which is optimistic, and more so for strategies that look at more configurations."
    )


def _extended(assessment: Assessment) -> str:
    """What was added after the study had begun; the guarantee covers it, since it covers any number of looks."""
    extensions = assessment.records.extensions
    if not extensions:
        return ""
    before, now = extensions[0]["before"], extensions[-1]["plan"]
    added = [name for name in now["strategies"] if name not in before["strategies"]]
    parts = [*([f"the strategies {listing(added)}"] if len(added) > 1 else [f"the strategy {name}" for name in added])]
    if len(now["seeds"]) > len(before["seeds"]):
        parts.append(f"seeds, from {len(before['seeds'])} to {len(now['seeds'])}")
    if now["until_decided"] != before["until_decided"]:
        parts.append("running until decided" if now["until_decided"] else "a fixed number of seeds")
    if now["margin"] != before["margin"]:
        parts.append(f"a margin of {now['margin'] or 0:g} in place of {before['margin'] or 0:g}")
    return f"Added after the study had begun: {listing(parts)}." if parts else ""


def _speed(assessment: Assessment) -> str:
    """How long the strategies took to reach the reference's final mean: a description, not a test."""
    target = assessment.seconds
    if target is None or _workers(assessment):
        return ""
    table = target.table.drop(index=target.reference)
    table = table[table["at"].notna() & (table["speedup"] > 1)].sort_values("speedup", ascending=False)
    if table.empty or assessment.records.study.until_decided:
        return ""
    name, row = str(table.index[0]), table.iloc[0]
    epochs = float(assessment.epochs.table["at"][name]) if assessment.epochs else math.nan
    spent = f" and {count(epochs)} epochs" if math.isfinite(epochs) else ""
    known = assessment.records.study.warm_start
    uncharged = f"; the {count(known.epochs)} epochs of the warm start are not counted" if known else ""
    return (
        f"Speed: {name} reached the final mean {_metric(assessment)} of {target.reference} ({number(target.value)}) "
        f"first, after {duration(row['at'])}{spent}: {row['speedup']:.1f} times as fast as {target.reference} "
        f"(measured on validation; no significance test{uncharged})."
    )


def _workers(assessment: Assessment) -> str:
    return workers_sentence(assessment.records)


def _optimism(assessment: Assessment) -> str:
    """How far validation flatters; only where validation and test measure the same thing."""
    facts = assessment.outcomes
    if assessment.records.study.metric != "valid_accuracy" or facts.test.isna().all(axis=None):
        return ""
    gaps = (facts.values - facts.test).to_numpy(dtype=float)
    gaps = gaps[np.isfinite(gaps)]
    if not gaps.size:
        return ""
    sign = 1.0 if gaps.mean() >= 0 else -1.0
    gap = with_interval(abs(float(gaps.mean())), *interval(sign * gaps, differences=True))
    side = "below" if sign > 0 else "above"
    return f"On the test split the retrained incumbents score {gap} {side} their validation accuracy."


def _missing(assessment: Assessment) -> str:
    facts, study = assessment.outcomes, assessment.records.study
    if not facts.missing:
        return ""
    by_strategy: dict[str, list[str]] = {}
    for name, seed in facts.missing:
        by_strategy.setdefault(name, []).append(str(seed))
    names = [
        f"{name} (all seeds)" if len(seeds) == len(study.seeds) else f"{name} ({_seed_list(seeds)})"
        for name, seeds in by_strategy.items()
    ]
    total = len(finished(assessment.records)) + len(facts.missing)
    words = f"{len(facts.missing)} of {total} sweeps have not finished: {listing(names)}"
    if facts.seeds:
        words += f"; compared: {listing(facts.strategies)} with {_seed_list([str(seed) for seed in facts.seeds])}"
    return f"{words}."


def _found_nothing(assessment: Assessment) -> str:
    facts = assessment.outcomes
    empty = int((facts.values.isna() & facts.ran).sum().sum())
    if not empty:
        return ""
    what = "sweep found nothing and counts" if empty == 1 else "sweeps found nothing and count"
    return f"{empty} {what} as the worst value that any sweep ended with; the table's means are over the others."


def _failures(assessment: Assessment) -> str:
    return failure_sentence(assessment.records)


def _metric(assessment: Assessment) -> str:
    return assessment.records.study.metric


def _mean(assessment: Assessment, strategy: str) -> str:
    own = assessment.outcomes.judged[strategy]
    return with_interval(float(own.mean()), *interval(own, step=assessment.step))


def _seed_list(seeds: list[str]) -> str:
    return f"seed{'s' * (len(seeds) != 1)} {listing(seeds)}"
