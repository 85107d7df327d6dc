"""What is said before anything is started."""

from __future__ import annotations

from typing import Any

import pytest
from ray import tune

from hypertune.study.study import Study
from hypertune.tuning.checks import check


class Forgetful(tune.Trainable):
    """Has no `save_checkpoint`."""

    def step(self) -> dict[str, Any]:
        return {"score": 1.0}


class Careful(Forgetful):
    def save_checkpoint(self, checkpoint_dir: str) -> None: ...


def study(strategy: str) -> Study:
    return Study.parse(
        {
            "study": {"name": "s", "strategies": [strategy], "metric": "score", "mode": "max", "budget": {"trials": 8}},
            "training": {"trainable": "user_code:Some", "max_epochs": 9},
            "space": {"x": {"uniform": [0.0, 1.0]}},
        }
    )


@pytest.mark.parametrize("strategy", ["hyperband", "pbt", "pb2", "bohb"])
def test_a_class_that_cannot_be_saved_is_refused_where_trials_are_paused(strategy: str) -> None:
    with pytest.raises(ValueError, match=f"study.strategies: {strategy} pauses trials, but Forgetful cannot be saved"):
        check(study(strategy), Forgetful)
    check(study(strategy), Careful)


@pytest.mark.parametrize("strategy", ["random", "asha", "median"])
def test_it_will_do_where_none_are(strategy: str) -> None:
    check(study(strategy), Forgetful)
