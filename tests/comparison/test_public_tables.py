"""Advice from public tables: what is chosen, and what leaving tables out says about it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from hypertune.comparison import public_tables as module
from hypertune.comparison.public_tables import ABOUT, BUDGETS, FILE, WORKERS, Setting, advised, kinds, known_strategies
from hypertune.space.space import Space
from hypertune.strategies.registry import parse_strategy


def tables(collections: dict[str, dict[tuple[int, int, int], list[tuple[float, float]]]]) -> pd.DataFrame:
    """Collection to kinds of hyperparameters to the regrets of strategies a and b, one pair per table."""
    rows = [
        (name, f"{name}/{kinds}/{i}", *kinds, workers, budget, *regrets)
        for name, spaces in collections.items()
        for kinds, pairs in spaces.items()
        for i, regrets in enumerate(pairs)
        for workers, budget in product(WORKERS, BUDGETS)
    ]
    return pd.DataFrame(rows, columns=[*ABOUT, "a", "b"])


def told(monkeypatch: pytest.MonkeyPatch, frame: pd.DataFrame, setting: Setting) -> module.Advised:
    monkeypatch.setattr(module, "public_tables", lambda: frame)
    return advised(setting, ["a", "b"])


A, B = (0.0, 5.0), (5.0, 0.0)
NUMBERS, CHOICES = (4, 0, 0), (0, 0, 4)


def test_alike_tables_count_where_that_is_right_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = tables({"one": {NUMBERS: [A] * 4, CHOICES: [B] * 5}, "two": {NUMBERS: [A] * 4, CHOICES: [B] * 5}})
    # Tables with nothing but other kinds of hyperparameters count a quarter.
    for space, best, share in ((NUMBERS, "a", 8 / (8 + 10 / 4)), (CHOICES, "b", 10 / (10 + 8 / 4))):
        advice = told(monkeypatch, frame, Setting(space, 1, 8))
        assert (advice.strategy, advice.alike) == (best, True)
        assert advice.shares[best] == pytest.approx(share)
        assert (advice.table_out.tables, advice.table_out.advised) == (18, 18)
        assert advice.table_out.same == 10  # always b
        assert advice.table_out.chance == 9
        assert advice.collection_out.advised == 18


def test_tables_count_the_same_where_likeness_does_not_help(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = tables({"one": {NUMBERS: [A, A, B], CHOICES: [A, A, B]}, "two": {CHOICES: [A, (0.5, 0.0)]}})
    advice = told(monkeypatch, frame, Setting(NUMBERS, 1, 8))
    assert (advice.strategy, advice.alike) == ("a", False)
    assert advice.shares == {"a": 6 / 8, "b": 3 / 8}  # where a is half a margin worse, both are right
    assert advice.table_out.advised == advice.table_out.same == 6
    assert advice.table_out.chance == pytest.approx(0.5 * 7 + 1)


def test_a_collection_that_is_left_out_tells_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = tables({"one": {NUMBERS: [A] * 3}, "two": {CHOICES: [B] * 3}})
    advice = told(monkeypatch, frame, Setting(NUMBERS, 1, 8))
    assert advice.table_out.advised == 6
    assert advice.collection_out.advised == 0
    assert advice.collection_out.chance == 3


def test_the_nearest_workers_and_budget_are_taken() -> None:
    advice = advised(Setting(NUMBERS, 100, 3), known_strategies())
    assert (advice.workers, advice.budget) == (8, 4)


def test_the_file_is_small_whole_and_of_known_strategies() -> None:
    assert FILE.stat().st_size <= 2_000_000
    frame = module.public_tables()
    assert np.isfinite(frame[list(known_strategies())].to_numpy()).all()
    assert (frame.groupby("table").size() == len(BUDGETS) * len(WORKERS)).all()
    assert {parse_strategy(name).name for name in known_strategies()} == set(known_strategies())


def test_hyperparameters_are_counted_by_kind() -> None:
    space = Space.parse(
        {
            "lr": {"loguniform": [1e-4, 1e-1]},
            "width": {"randint": [1, 9]},
            "norm": {"choice": ["none", {"kind": "batch", "momentum": {"uniform": [0.0, 1.0]}}]},
            "constant": 3,
        }
    )
    assert kinds(space) == (2, 1, 1)
