"""The distribution of rank sums: against every table that there is, and drawn against tabulated."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from hypertune.comparison import rank_sums as module
from hypertune.comparison.rank_sums import Ints, rank_sums


def every_table(halves: Ints) -> Ints:
    """The rank sums of all tables with the ranks of each task in any order, shape (tables, strategies)."""
    orders = [list(itertools.permutations(task)) for task in halves.tolist()]
    return np.array([np.sum(table, axis=0) for table in itertools.product(*orders)])


@pytest.mark.parametrize(
    "halves",
    [
        [[2, 4]] * 6,
        [[2, 4], [3, 3], [2, 4], [4, 2]],
        [[2, 4, 6]] * 4,
        [[2, 4, 6], [3, 3, 6], [2, 5, 5], [4, 4, 4]],
        [[2, 4, 6, 8], [3, 3, 6, 8], [2, 4, 6, 8]],
    ],
)
def test_probabilities_are_those_of_all_tables(halves: list[list[int]]) -> None:
    table = np.array(halves)
    sums, found = every_table(table), rank_sums(table)
    squares, gaps = (sums**2).sum(axis=1), np.ptp(sums, axis=1)
    for value in np.unique(squares):
        assert found.p_of_squares(int(value)) == pytest.approx((squares >= value).mean())
    rare = [gap for gap in np.unique(gaps) if (gaps >= gap).mean() <= 0.05]
    assert found.critical_gap() == (rare[0] if rare else math.inf)


def test_drawn_probabilities_are_close_to_the_tabulated(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.tile([2, 4, 6, 8], (8, 1))
    exact = rank_sums(table)
    monkeypatch.setattr(module, "MOST_ROWS", 0)
    module._of.cache_clear()
    drawn = rank_sums(table)
    module._of.cache_clear()
    assert drawn.unseen == pytest.approx(1 / (module.DRAWS + 1))
    assert drawn.critical_gap() == exact.critical_gap()
    for squares in np.quantile(exact.squares, [0.2, 0.5, 0.9]).astype(int):
        assert drawn.p_of_squares(squares) == pytest.approx(exact.p_of_squares(squares), abs=0.02)


@pytest.mark.parametrize("shape", [(4, 3), (12, 7)], ids=["tabulated", "drawn"])
def test_neither_the_order_of_tasks_nor_that_of_strategies_matters(shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(0)
    halves = 2 * generator.integers(1, 4, shape)
    ours, turned = rank_sums(halves), rank_sums(halves[::-1, ::-1])
    assert ours.critical_gap() == turned.critical_gap()
    assert ours.gaps.tolist() == turned.gaps.tolist()


def test_without_any_difference_nothing_is_significant() -> None:
    found = rank_sums(np.full((9, 3), 4))
    assert found.critical_gap() == math.inf
    assert found.p_of_squares(3 * 36**2) == 1.0
