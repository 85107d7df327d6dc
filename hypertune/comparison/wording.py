"""The sentences above the table, each from one fact of an assessment; the most important one comes first."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from hypertune.comparison.assessment import Assessment
from hypertune.comparison.coarseness import coarse
from hypertune.comparison.failures import failure_sentence, framed
from hypertune.comparison.findings import findings
from hypertune.comparison.narrative import design_sentences, finding_sentence
from hypertune.comparison.numbers import count, duration, listing, number, with_interval
from hypertune.comparison.outcomes import baseline
from hypertune.comparison.pairs import BETTER, OPEN, WORSE, find_pair, standing
from hypertune.comparison.statistics import FEWEST_SEEDS, MOST_SEEDS, interval

MOST_NAMES = 5
"""Strategies that a sentence lists one by one."""


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
        return [_one_seed(assessment), *grain, *_those(assessment, _missing, _failures)]
    return [
        _ranking(assessment),
        *grain,
        *_those(assessment, _against_random, _speed, _more_seeds, _optimism, _found_nothing, _missing, _failures),
    ]


def _those(assessment: Assessment, *parts: Callable[[Assessment], str]) -> list[str]:
    return [sentence for part in parts if (sentence := part(assessment))]


def rivals(assessment: Assessment) -> list[str]:
    """The strategies that cannot be told apart from the leader."""
    leader = str(assessment.leader)
    return [
        name
        for name in assessment.outcomes.strategies
        if name != leader and standing(assessment.pairs, leader, name) == OPEN
    ]


def best_mean(assessment: Assessment) -> str:
    return "highest mean" if assessment.records.study.mode == "max" else "lowest mean"


def _nothing_finished(assessment: Assessment) -> str:
    if not assessment.outcomes.strategies:
        return "Nothing can be compared yet: no sweep has finished."
    return "Nothing can be compared yet: no seed has been finished by all strategies."


def _alone(assessment: Assessment) -> str:
    name, seeds = assessment.outcomes.strategies[0], len(assessment.outcomes.seeds)
    words = f"Only {name} has finished sweeps, so there is nothing to compare it with"
    return f"{words}; it ends at a mean {_metric(assessment)} of {_mean(assessment, name)} over {_seeds(seeds)}."


def _one_seed(assessment: Assessment) -> str:
    return (
        "With one seed nothing can be concluded about the strategies: another seed may turn the order round. "
        f"What stands below describes this one run; tests begin at {FEWEST_SEEDS} seeds, and five to ten are sensible."
    )


def _ranking(assessment: Assessment) -> str:
    leader, others = str(assessment.leader), rivals(assessment)
    lead = f"{leader} has the {best_mean(assessment)} {_metric(assessment)}, {_mean(assessment, leader)}"
    lead += f" over {_seeds(len(assessment.outcomes.seeds))}"
    beaten = [name for name in assessment.outcomes.strategies if name != leader and name not in others]
    if not others:
        by = _by_how_much(assessment, leader, beaten[0], BETTER).removeprefix(leader) if len(beaten) == 1 else ""
        return f"{lead}, and is better than {_all(beaten)}{by}."
    if not beaten:
        return f"{lead}, but cannot be told apart from {_all(others)}: no winner is established."
    return f"{lead}; it is better than {_some(beaten)} and cannot be told apart from {_some(others)}."


def _some(names: list[str]) -> str:
    return listing(names) if len(names) <= MOST_NAMES else f"{len(names)} others"


def _all(names: list[str]) -> str:
    if len(names) > MOST_NAMES:
        return f"any of the {len(names)} others"
    return names[0] if len(names) == 1 else f"any of the others ({listing(names)})"


def _against_random(assessment: Assessment) -> str:
    control = baseline(assessment.outcomes.strategies)
    if control is None or len(assessment.outcomes.strategies) < 3:
        return ""
    names = [name for name in assessment.outcomes.strategies if name != control]
    by_standing = {key: [n for n in names if standing(assessment.pairs, n, control) == key] for key in _STANDINGS}
    if len(by_standing[OPEN]) == len(names):
        return f"None is shown to be better or worse than {control}."
    parts = [
        f"{phrase} {control}: {listing([_by_how_much(assessment, name, control, key) for name in by_standing[key]])}."
        for key, phrase in _STANDINGS.items()
        if by_standing[key]
    ]
    return " ".join(parts)


_STANDINGS = {BETTER: "Better than", WORSE: "Worse than", OPEN: "Not told apart from"}


def _by_how_much(assessment: Assessment, name: str, other: str, key: str) -> str:
    if key == OPEN:
        return name
    pair = find_pair(assessment.pairs, name, other)
    low, high = sorted((abs(pair["low"]), abs(pair["high"]))) if pair["low"] * pair["high"] > 0 else (0.0, 0.0)
    size = abs(pair["better_by"])
    return f"{name} (by {with_interval(size, low, high) if high else number(size, 3)})"


def _speed(assessment: Assessment) -> str:
    target = assessment.seconds
    if target is None:
        return ""
    table = target.table.drop(index=target.reference)
    table = table[table["at"].notna()].sort_values("speedup", ascending=False)
    goal = f"the mean {_metric(assessment)} that {target.reference} ends at ({number(target.value)})"
    shown, slower = (
        table[table["decided"] & (table["speedup"] > 1)],
        target.table["decided"] & (target.table["speedup"] < 1),
    )
    tail = f" Slower: {listing([str(name) for name in target.table.index[slower]])}." if slower.any() else ""
    if len(shown):
        faster = [_speedup(assessment, str(name), row) for name, row in shown.iterrows()]
        return f"Faster to {goal}: {listing(faster)}.{tail}"
    words = f"None is shown to be faster to {goal}"
    if table.empty or table["speedup"].iloc[0] <= 1:
        return f"{words}.{tail}"
    return f"{words}; seen, but not established: {_speedup(assessment, str(table.index[0]), table.iloc[0])}.{tail}"


def _speedup(assessment: Assessment, name: str, row: pd.Series[float]) -> str:
    epochs = float(assessment.epochs.table["at"][name]) if assessment.epochs else math.nan
    spent = f" and {count(epochs)} epochs" if math.isfinite(epochs) else ""
    ratio = f"{row['speedup']:.1f} times as fast {_band(row['low'], row['high'])}"
    return f"{name} after {duration(row['at'])}{spent}, {ratio}"


def _band(low: float, high: float) -> str:
    return f"[{low:.1f}, {high:.1f}]" if math.isfinite(high) else f"[{low:.1f}, no upper bound]"


def _more_seeds(assessment: Assessment) -> str:
    """How many seeds would tell the leader from each of its rivals."""
    others, have = rivals(assessment), len(assessment.outcomes.seeds)
    if not others:
        return ""
    needed = {name: find_pair(assessment.pairs, str(assessment.leader), name)["seeds_needed"] for name in others}
    few = f"{_seeds(have)} are too few for any test; {FEWEST_SEEDS} are the least. " if have < FEWEST_SEEDS else ""
    # A pair that the power analysis holds for decidable with these seeds was unlucky: one more at least.
    finite = sorted((max(int(n), have + 1), name) for name, n in needed.items() if math.isfinite(n))
    plan = [f"about {n} for {name}" for n, name in finite]
    if len(plan) > MOST_NAMES:
        plan = [f"from {plan[0]} to {plan[-1]}"]
    never = [name for name, n in needed.items() if not math.isfinite(n)]
    plan += [f"more than {MOST_SEEDS} for {listing(never)}"] if never else []
    words = f"Seeds in all that would tell {assessment.leader} from the others if the differences stay as seen"
    return f"{few}{words}: {listing(plan)}."


def _optimism(assessment: Assessment) -> str:
    """How far validation flatters; only where validation and test measure the same thing."""
    facts = assessment.outcomes
    if assessment.records.study.metric != "valid_accuracy" or facts.test.isna().all(axis=None):
        return ""
    gaps = (facts.values - facts.test).to_numpy(dtype=float)
    gaps = gaps[np.isfinite(gaps)]
    sign = 1.0 if gaps.mean() >= 0 else -1.0
    gap = with_interval(abs(float(gaps.mean())), *interval(sign * gaps))
    test = facts.test.mean()
    best = str(test.idxmax())
    agrees = "too" if best == assessment.leader else "there, a difference that is not tested"
    first = f"; {best} has the highest test mean {agrees}" if len(facts.strategies) > 1 else ""
    side = "below" if sign > 0 else "above"
    return f"On the test split the retrained incumbents score {gap} {side} their validation accuracy{first}."


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
    total = len(study.strategies) * len(study.seeds)
    words = f"{len(facts.missing)} of {total} sweeps have not finished: {listing(names)}"
    if facts.seeds:
        words += f"; compared are {listing(facts.strategies)} on {_seed_list([str(seed) for seed in facts.seeds])}"
    return f"{words}."


def _found_nothing(assessment: Assessment) -> str:
    empty = int(assessment.outcomes.values.isna().sum().sum())
    if not empty:
        return ""
    what = "sweep found nothing and counts" if empty == 1 else "sweeps found nothing and count"
    return f"{empty} {what} as the worst value that any sweep ended with; the table's means are over the others."


def _failures(assessment: Assessment) -> str:
    return failure_sentence(assessment.records)


def _metric(assessment: Assessment) -> str:
    return assessment.records.study.metric


def _mean(assessment: Assessment, strategy: str) -> str:
    return with_interval(float(assessment.means[strategy]), *interval(assessment.outcomes.values[strategy]))


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count != 1)}"


def _seed_list(seeds: list[str]) -> str:
    return f"seed{'s' * (len(seeds) != 1)} {listing(seeds)}"
