"""Studies at the edges: one seed, one strategy, nothing finished, everything failed, odd metrics."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypertune.records.records import Records
from tests.comparison.synthetic import make_records

ALL = ("random", "hyperopt", "asha")
EDGES: dict[str, dict[str, Any]] = {
    "plain": {},
    "one strategy": {"strategies": ["hyperopt"]},
    "one seed": {"seeds": 1},
    "two seeds": {"seeds": 2},
    "all trials failed": {"failing": 1.0},
    "most trials failed": {"failing": 0.6, "trials": 3, "seeds": 5},
    "the less the better": {"metric": "valid_loss", "mode": "min"},
    "no finished sweep": {"unfinished": tuple((name, seed) for name in ALL for seed in range(3))},
    "one strategy unfinished": {"unfinished": (("asha", 0),), "absent": (("asha", 1), ("asha", 2))},
    "killed half-way": {"unfinished": (("asha", 1),), "absent": (("asha", 2),)},
    "no retraining": {"retrain": 0},
    "a metric of another name": {"metric": "score"},
    "a metric called test_accuracy": {"metric": "test_accuracy"},
    "one hyperparameter": {"space": {"lr": {"loguniform": [1e-4, 1e-1]}}},
    "one epoch": {"max_epochs": 1},
    "one trial": {"trials": 1},
}


@cache
def edge(name: str) -> Records:
    """The records of one of them; tests share them and must not change them."""
    return make_records(**EDGES[name])
