"""A study that runs until it is decided, and what is added to it afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from hypertune import compare, load
from hypertune.storage.files import JOURNAL


def shallow(config: dict[str, Any]) -> None:
    """A loss that depends on one number a little: all strategies are practically equal."""
    tune.report({"loss": 0.001 * config["x"]})


@pytest.mark.slow
def test_a_study_ends_once_decided_and_runs_only_what_is_added(tmp_path: Path) -> None:
    out = tmp_path / "study"
    told: list[str] = []
    result = compare(
        trainable=shallow, space={"x": tune.uniform(0, 1)}, metric="loss", mode="min", max_epochs=1,
        strategies=["random", "hyperopt"], budget={"trials": 3}, until_decided=True, max_seeds=6, margin=0.5, out=out,
        progress=False, observers=[lambda event: told.append(event.get("told", ""))],
    )  # fmt: skip
    ledger = result.records.sweeps
    assert ledger.groupby("strategy").size().to_dict() == {"random": 5, "hyperopt": 5}
    assert result.records.looks[-1]["why"] == "decided"
    assert any(line.startswith("5 seeds: decided") for line in told)
    assert result.conclusion.startswith("Take ")
    assert "have not finished" not in result.conclusion
    assert 'seeds = "until decided"' in (out / "study.toml").read_text()

    again = compare(out=out, resume=True, trainable=shallow, progress=False)
    assert len(again.records.sweeps) == 10

    more = compare(out=out, resume=True, trainable=shallow, strategies="+optuna", progress=False)
    assert more.records.sweeps.groupby("strategy").size().to_dict() == {"random": 5, "hyperopt": 5, "optuna": 5}
    assert more.records.extensions[-1]["before"]["strategies"] == ["random", "hyperopt"]
    assert load(out).records.looks[-1]["ended"]
    assert "Added after the study had begun: the strategy optuna." in more.conclusion

    fixed = compare(out=out, resume=True, trainable=shallow, seeds=6, progress=False)
    assert len(fixed.records.sweeps) == 18
    events = [json.loads(line)["event"] for line in (out / JOURNAL).read_text().splitlines()]
    assert events.count("planned") == 3
