"""Trainables that fail on a real Ray: the reason is where a user looks, and what was printed is kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ray import tune

from hypertune import compare
from hypertune.tuning.printed import MOST_BYTES

pytestmark = pytest.mark.usefixtures("local_ray")


def lacking(config: dict[str, Any]) -> None:
    print("about to import", config["lr"])
    import there_is_no_such_module  # noqa: F401


def talking(config: dict[str, Any]) -> None:
    print("begins")
    print("warns", file=sys.stderr)
    os.system("echo from a program")
    if config["lr"] > 0.01:
        print("x" * 1_000_000)
        try:
            config["no such key"]
        except KeyError as error:
            raise ValueError(f"lr {config['lr']} is too large") from error
    tune.report({"loss": config["lr"]})
    print("ends")


def study(out: Path, trainable: Any, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "trainable": trainable, "space": {"lr": tune.loguniform(1e-4, 1e-1)}, "strategies": ["random"], "seeds": 1,
        "metric": "loss", "mode": "min", "max_epochs": 5, "budget": {"trials": 12}, "out": out, "progress": False,
    }  # fmt: skip
    return compare(**{**arguments, **changes})


def test_a_study_whose_trials_all_fail_ends_early_and_says_why(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = study(out, lacking, give_up_after=3)
    reason = "ModuleNotFoundError: No module named 'there_is_no_such_module'"
    assert result.records.gave_up
    assert 3 <= (result.trials["status"] == "failed").sum() <= 4
    assert result.conclusion.startswith("The study was ended after ")
    assert reason in result.conclusion
    assert set(pd.read_csv(out / "trials.csv")["error"].dropna()) == {reason}
    (failure,) = result.records.failures
    assert "in lacking\n    import there_is_no_such_module" in failure.traceback
    assert "function_trainable" not in failure.traceback
    assert (out / failure.log).read_text().startswith("about to import 0.")
    page = (out / "report.html").read_text()
    assert "What failed" in page
    assert "import there_is_no_such_module" in page
    assert failure.log in page
    again = study(out, lacking, give_up_after=3, resume=True)  # tries again, with a fresh allowance
    assert again.records.gave_up
    assert len(again.trials) > len(result.trials)


def test_what_a_trial_prints_is_kept_within_bounds(tmp_path: Path) -> None:
    result = study(tmp_path / "out", talking)
    failed = result.trials[result.trials["status"] == "failed"]["trial_id"]
    fine = result.trials[result.trials["status"] == "completed"]["trial_id"]
    assert len(failed) > 0
    assert len(fine) > 0
    for trial_id in fine:
        text = (tmp_path / "out" / "logs" / f"{trial_id}.txt").read_text()
        assert text == "begins\nfrom a program\nends\n\n--- standard error ---\nwarns\n"
    for trial_id in failed:
        text = (tmp_path / "out" / "logs" / f"{trial_id}.txt").read_text()
        assert len(text) < 2 * MOST_BYTES
        assert "bytes left out" in text
    (kind,) = result.records.failures
    assert kind.error.startswith("ValueError: lr 0.")
    assert "KeyError" in kind.traceback  # its cause
    assert "reports 1 times, not max_epochs = 5 times" in result.conclusion
