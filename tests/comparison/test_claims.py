"""The error rates of every form of hypothesis, in the least favourable cases; the full table is a benchmark."""

from __future__ import annotations

import numpy as np
import pytest

from hypertune.comparison import claims
from tests.benchmarks.hypotheses import FORMS, errors, power

REPEATS = 600
HIGHEST = 0.05 + 3 * (0.05 * 0.95 / REPEATS) ** 0.5


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(("kind", "seeds"), [("normal", 5), ("exponential", 3), ("negative exponential", 8)])
def test_false_support_and_false_refutation_are_rare(name: str, kind: str, seeds: int) -> None:
    assert max(errors(FORMS[name], FORMS[name].test, kind, seeds, REPEATS)) <= HIGHEST


@pytest.mark.parametrize("name", sorted(set(FORMS) - {"equal within little", "flat"}))
def test_what_is_clear_is_found_with_ten_seeds(name: str) -> None:
    assert min(power(FORMS[name], FORMS[name].test, "normal", 10, REPEATS)) >= 0.6


def test_the_simulation_sees_what_the_plain_tests_do_wrong() -> None:
    assert errors(FORMS["robust"], FORMS["robust"].peer, "normal", 5, REPEATS)[0] > 0.4
    assert errors(FORMS["trend"], FORMS["trend"].peer, "normal", 5, REPEATS)[0] > 0.9
    assert errors(FORMS["bound"], FORMS["bound"].peer, "exponential", 5, REPEATS)[1] > HIGHEST


def test_equal_numbers_are_certain_and_one_seed_says_nothing() -> None:
    same = np.full(5, 0.1) + 0.2
    assert claims.p_above(same, same) == claims.p_above(same, np.full(5, 0.3)) == 1
    assert claims.p_above(same, same - 0.1) == 0
    assert np.isnan(claims.p_above(same[:1], same[:1] - 0.1))


def test_deterministic_levels_rise_with_plateaus() -> None:
    sizes = np.repeat([[100.0], [200.0], [200.0], [400.0]], 3, axis=1)
    assert [float(p) for p in claims.trend(sizes, None)] == [0, 1]
    assert [float(p) for p in claims.trend(-sizes, None)] == [1, 0]
