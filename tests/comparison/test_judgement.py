"""The verdicts: rarely wrong however often one looks, soon decided, and what they mean in special cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hypertune.comparison.evidence import FEWEST_FOR_EQUAL, boundary_of_difference, evidence
from hypertune.comparison.judgement import BEST, EQUAL, UNDECIDED, WORSE, judge_values
from hypertune.comparison.pairs import pairs_of
from hypertune.comparison.sequence import decide, seeds_to_decide
from tests.benchmarks.judgement import KINDS, SCALES, false_claim, noise


def table(values: NDArray[np.float64]) -> pd.DataFrame:
    return pd.DataFrame(values, columns=[f"s{i}" for i in range(values.shape[1])])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", SCALES)
def test_equal_strategies_rarely_get_a_false_verdict_at_any_look(kind: str, scale: str) -> None:
    """Looked at after each of ten to twenty seeds; in the long run at most 5 % of such studies."""
    random, wrong = np.random.default_rng(1), 0
    for _ in range(40):
        values = noise(kind, random, (20, 4)) * SCALES[scale](4)
        wrong += any(false_claim(values[:n], np.zeros(4), 1.0) for n in (3, 5, 8, 12, 20))
    assert wrong <= 5


@pytest.mark.parametrize("ahead", [2.0, 0.0])
def test_it_is_decided_with_far_fewer_sweeps_than_twenty_seeds(ahead: float) -> None:
    random, sweeps, taken = np.random.default_rng(2), 0, []
    for _ in range(40):
        values = random.standard_normal((20, 4))
        values[:, 2] += ahead
        outcome = decide(table(values), "max", margin=1.0)
        sweeps += sum(outcome.seeds_used.values())
        taken.append(outcome.judgement.recommended)
    assert sweeps / 40 / 80 < 0.75
    assert sum(name is not None for name in taken) > 32
    assert not ahead or set(taken) == {"s2"}


def test_the_best_is_better_than_each_other_one_and_the_worse_ones_are_dropped() -> None:
    random = np.random.default_rng(3)
    values = table(random.standard_normal((12, 3)) * 0.1 + np.array([5.0, 0.0, -8.0]))
    judgement = judge_values(values, "max")
    assert judgement.verdicts == {"s0": BEST, "s1": WORSE, "s2": WORSE}
    assert judgement.recommended == "s0"
    assert judge_values(values, "min").recommended == "s2"
    outcome = decide(values, "max")
    assert outcome.ended
    assert max(outcome.seeds_used.values()) < 12


def test_within_the_margin_the_cheapest_is_recommended() -> None:
    random = np.random.default_rng(4)
    values = table(random.standard_normal((30, 2)) * 0.1 + np.array([1.01, 1.0]))
    judgement = judge_values(values, "max", margin=0.5, seconds={"s0": 10.0, "s1": 3.0})
    assert set(judgement.verdicts.values()) == {EQUAL}
    assert judgement.recommended == "s1"
    near = judge_values(values, "max", margin=0.5, seconds={"s0": 10.0, "s1": 9.5})
    assert near.recommended == near.leaders[0]
    assert judge_values(values, "max").named(EQUAL) == []


def test_a_strategy_that_blows_up_leaves_the_others_their_differences() -> None:
    random = np.random.default_rng(8)
    values = table(random.standard_normal((12, 3)) * 0.1 + np.array([1.0, 2.0, 3.0]))
    values.loc[3, "s0"] = -2e13
    assert judge_values(values, "max").gain("s2", "s1") == pytest.approx((values["s2"] - values["s1"]).mean())


def test_a_time_that_is_missing_or_nothing_recommends_nobody() -> None:
    values = table(np.random.default_rng(4).standard_normal((30, 2)) * 0.1 + np.array([1.1, 1.0]))
    for seconds in ({"s1": 0.0}, {"s0": 0.0, "s1": 0.0}, {"s0": np.nan, "s1": 1.0}, {"s0": 1.0}):
        assert judge_values(values, "max", margin=0.5, seconds=seconds).recommended == "s0"
    assert judge_values(values, "max", margin=0.5, seconds={"s0": 1.0, "s1": 0.0}).recommended == "s1"


@pytest.mark.parametrize("margin", [None, 0.5])
@pytest.mark.parametrize("spread", [0.0, 0.001])
def test_a_strategy_that_only_fails_is_never_recommended(margin: float | None, spread: float) -> None:
    """A failed sweep counts as the worst value, which may lie within the margin of the others' values."""
    values = table(np.random.default_rng(7).standard_normal((8, 2)) * spread + 0.9)
    values["s1"] = values["s0"].min()
    found = pd.DataFrame({"s0": [True] * 8, "s1": [False] * 8})
    options: Any = {"margin": margin, "seconds": {"s0": 10.0, "s1": 0.1}, "found": found}
    for judgement in (judge_values(values, "max", **options), decide(values, "max", **options).judgement):
        assert judgement.leaders == ("s0",)
        assert judgement.recommended == ("s0" if margin else None)
        assert judgement.verdicts["s1"] in (WORSE, UNDECIDED)
    nobody = judge_values(values, "max", found=~found & False, margin=margin)
    assert nobody.leaders


def test_a_strategy_is_not_recommended_for_the_time_that_its_failures_save() -> None:
    values = table(np.random.default_rng(4).standard_normal((30, 2)) * 0.1 + np.array([1.1, 1.0]))
    found = pd.DataFrame(True, index=values.index, columns=values.columns)
    found.loc[3, "s1"] = False
    seconds = {"s0": 10.0, "s1": 3.0}
    assert judge_values(values, "max", margin=0.5, seconds=seconds, found=found).recommended == "s0"


def test_identical_results_share_the_lead() -> None:
    values = table(np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.1], [1.5, 1.5, 0.3], [1.2, 1.2, 0.2]]))
    judgement = judge_values(values, "max")
    assert judgement.leaders == ("s0", "s1")
    assert judgement.verdicts["s0"] == judgement.verdicts["s1"]
    alone = judge_values(values[["s0", "s1"]], "max")
    assert set(alone.verdicts.values()) == {UNDECIDED}


def test_too_few_seeds_claim_nothing() -> None:
    far = table(np.array([[9.0, 0.0], [9.1, 0.1]]))
    assert set(judge_values(far, "max", margin=1).verdicts.values()) == {UNDECIDED}
    close = table(np.full((FEWEST_FOR_EQUAL - 1, 2), 0.5))
    assert set(judge_values(close, "max", margin=1).verdicts.values()) == {UNDECIDED}


def test_strategies_are_compared_on_the_seeds_that_both_have() -> None:
    random = np.random.default_rng(5)
    full = random.standard_normal((9, 3)) + np.array([0.0, 1.0, 2.0])
    part = full.copy()
    part[4:, 0] = np.nan
    facts = evidence(table(part), "max")
    assert facts.seeds.tolist() == [[4, 4, 4], [4, 9, 9], [4, 9, 9]]
    assert facts.gain[0, 1] == pytest.approx((full[:4, 0] - full[:4, 1]).mean())
    early = evidence(table(full[:4]), "max")
    assert facts.error[0, 1] == pytest.approx(early.error[0, 1])


def test_a_dropped_strategy_keeps_its_verdict() -> None:
    random = np.random.default_rng(6)
    values = table(random.standard_normal((20, 4)) * 0.2 + np.array([0.0, 0.0, 0.0, -3.0]))
    outcome = decide(values, "max")
    assert outcome.seeds_used["s3"] < 20
    assert outcome.judgement.verdicts["s3"] == WORSE


@given(st.integers(2, 8), st.integers(3, 12), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_verdict_does_not_depend_on_order_scale_or_sign(strategies: int, seeds: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = table(random.standard_normal((seeds, strategies)) + np.arange(strategies))
    ours = judge_values(values, "max", margin=1.0).verdicts
    turned = judge_values(values.iloc[::-1, ::-1], "max", margin=1.0).verdicts
    scaled = judge_values(3 * values + 7, "max", margin=3.0).verdicts
    negative = judge_values(-values, "min", margin=1.0).verdicts
    assert ours == turned == scaled == negative


def test_the_table_of_pairs_agrees_with_the_verdicts() -> None:
    random = np.random.default_rng(7)
    values = table(random.standard_normal((10, 3)) * 0.3 + np.array([2.0, 0.0, 0.1]))
    judgement = judge_values(values, "max", margin=0.2)
    pairs = pairs_of(judgement)
    assert ((pairs["low"] > 0) | (pairs["high"] < 0)).tolist() == (pairs["outcome"] == "significant").tolist()
    assert pairs["outcome"].tolist()[:2] == ["significant", "significant"]


def test_more_strategies_and_fewer_seeds_ask_for_more() -> None:
    few, many = boundary_of_difference(2), boundary_of_difference(14)
    zero = np.zeros(2)
    seeds = np.array([4.0, 20.0])
    assert (many.factor(seeds, zero) > few.factor(seeds, zero)).all()
    assert few.factor(seeds, zero)[0] > few.factor(seeds, zero)[1]


def test_seeds_to_decide_grow_with_the_noise() -> None:
    random = np.random.default_rng(8)
    noise_ = random.standard_normal((8, 2))
    quiet = judge_values(table(noise_ * 0.5 + np.array([1.0, 0.0])), "max")
    loud = judge_values(table(noise_ * 2 + np.array([1.0, 0.0])), "max")
    assert seeds_to_decide(quiet, "s1") < seeds_to_decide(loud, "s1")
