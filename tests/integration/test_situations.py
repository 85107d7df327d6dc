"""What people bring to Ray Tune, as it is: it runs here unchanged, or is refused in one line."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import tune

from hypertune import load
from hypertune.comparison.export import FORMATS, export
from hypertune.tuning import experiment
from tests.integration.brought import study

pytestmark = pytest.mark.usefixtures("local_ray")


def reports(what: str) -> Iterator[dict[str, Any]]:
    """The reports of one trial; `val/loss` is the metric."""
    good = {"val": {"loss": 0.5}}
    if what == "torch":
        import torch

        yield {"val": {"loss": torch.tensor([0.25], requires_grad=True)}}
    values = {
        "numpy": np.float32(0.25), "array": np.array(0.25), "truth": np.bool_(True), "none": None, "text": "0.25",
        "huge": 10**400, "nan": math.nan,
    }  # fmt: skip
    if what in values:
        yield {"val/loss": values[what]}
    if what == "odd":
        yield from ({**good, "epoch": odd, "elapsed_s": "long"} for odd in ("1/5", None, math.nan))
    if what == "from_0":
        yield from ({"val": {"loss": 0.1 + epoch}, "epoch": epoch} for epoch in range(3))
    if what == "folds":
        yield from ({**good, "epoch": epoch} for epoch in (100, 200, 100))
    if what == "names":
        yield {**good, **dict.fromkeys(("seed", "strategy", "status", "trial_id", "epochs", "pid", "config/what"), 7)}
    if what == "test_loss":
        yield from ({**good, "test_loss": math.nan, "train_loss": math.inf} for _ in range(3))
    if what == "nested":
        yield from [good] * 3
    if what == "lacking":
        yield from (good, {"accuracy": 1.0})


def bring(config: dict[str, Any]) -> None:
    if config["what"] == "lines":
        raise ValueError("first line\n  second: of\n\nthree")
    for report in reports(config["what"]):
        same = os.path.realpath(tune.get_context().get_trial_dir()) == os.path.realpath(os.getcwd())
        Path("written").touch(exist_ok=False)  # each trial has a folder of its own
        Path("written").unlink()
        tune.report({**report, "at_home": same})


EXPECTED = {
    "nested": ("completed", 3, 0.5), "numpy": ("completed", 1, 0.25), "array": ("completed", 1, 0.25),
    "truth": ("completed", 1, 1.0), "torch": ("completed", 1, 0.25), "odd": ("completed", 3, 0.5),
    "from_0": ("completed", 3, 0.1), "folds": ("completed", 3, 0.5), "names": ("completed", 1, 0.5),
    "test_loss": ("completed", 3, 0.5), "none": ("failed", 0, math.nan), "text": ("failed", 0, math.nan),
    "huge": ("diverged", 1, math.nan), "nan": ("diverged", 1, math.nan), "silent": ("failed", 0, math.nan),
    "lacking": ("failed", 1, 0.5), "lines": ("failed", 0, math.nan),
}  # fmt: skip
"""What is brought, and what becomes of its trial: status, epochs, best value."""


def test_reports_of_all_kinds(tmp_path: Path) -> None:
    space = {"what": tune.grid_search(list(EXPECTED))}
    out = tmp_path / "out"
    result = study(out, bring, space, strategies=["grid"], metric="val/loss", max_epochs=3, budget={"epochs": 60})
    trials = result.trials.set_index("config/what")
    found = {what: tuple(trials.loc[what, ["status", "epochs", "val/loss"]]) for what in EXPECTED}
    assert {what: (*facts[:2], repr(float(facts[2]))) for what, facts in found.items()} == {
        what: (*facts[:2], repr(facts[2])) for what, facts in EXPECTED.items()
    }
    assert trials["error"].dropna().to_dict() == {
        "none": "ValueError: val/loss = None was reported; the study's metric has to be a number",
        "text": "ValueError: val/loss = '0.25' was reported; the study's metric has to be a number",
        "silent": "reported nothing",
        "lacking": "a report lacks val/loss; it holds accuracy, at_home",
        "lines": "ValueError: first line | second: of | three",
    }
    curves = result.curves
    assert curves["at_home"].dropna().eq(1).all()
    mine = curves[curves["config/what"] == "from_0"].sort_values("epoch")
    assert list(mine["epoch"]) == [1, 2, 3]
    assert list(mine["reported/epoch"]) == [0, 1, 2]
    names = curves[curves["config/what"] == "names"].iloc[0]
    assert names["pid"] == names["reported/seed"] == names["reported/config/what"] == 7
    (ledger,) = result.records.sweeps.to_dict("records")
    assert ledger["epochs"] == trials["epochs"].sum() + (trials["status"] == "failed").sum()  # a failure costs an epoch
    for format in FORMATS:
        assert export(load(out).records, format)
    assert "val/loss" in (out / "report.html").read_text()


def drawing(config: dict[str, Any]) -> None:
    import random

    import numpy
    import torch

    tune.report({"loss": float(torch.rand(1)), "numpy": numpy.random.rand(), "python": random.random()})


@pytest.mark.slow
def test_a_configuration_draws_the_same_in_whichever_trial_of_a_process(tmp_path: Path) -> None:
    curves = study(tmp_path / "out", drawing).curves
    assert len(curves) == 4
    assert curves[["loss", "numpy", "python"]].nunique().tolist() == [1, 1, 1]


def placed(config: dict[str, Any]) -> None:
    asked = tune.get_context().get_trial_resources()
    tune.report({"loss": config["lr"], "bundles": len(asked.bundles), "cpus": asked.required_resources["CPU"]})


class Placed(tune.Trainable):
    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([{"CPU": config["cpus"]}])

    def setup(self, config: dict[str, Any]) -> None: ...

    def step(self) -> dict[str, Any]:
        asked = self.trial_resources
        assert asked is not None
        return {"loss": 1.0, "same": asked.required_resources["CPU"] == self.config["cpus"], "done": True}


def asking() -> Any:
    def train(config: dict[str, Any]) -> None:
        placed(config)

    return tune.with_resources(train, tune.PlacementGroupFactory([{"CPU": 1}, {"CPU": 0.5}]))


@pytest.mark.slow
def test_functions_get_the_resources_that_they_ask_for(tmp_path: Path) -> None:
    curves = study(tmp_path / "bundles", asking(), budget={"trials": 2}).curves
    assert curves[["bundles", "cpus"]].to_numpy().tolist() == [[2, 1.5], [2, 1.5]]


def test_classes_get_the_resources_that_they_ask_for(tmp_path: Path) -> None:
    space = {"cpus": tune.grid_search([1, 2])}
    curves = study(tmp_path / "class", Placed, space, strategies=["grid"]).curves
    assert curves["same"].tolist() == [1, 1]
    with pytest.raises(ValueError, match="^resources: the trainable asks for its own .*; leave one of the two out$"):
        study(tmp_path / "both", asking(), resources={"cpus_per_trial": 1})
    with pytest.raises(
        ValueError, match=r"^resources: a trial asks for \[\{'CPU': 64.*which the cluster does not have$"
    ):
        study(tmp_path / "many", tune.with_resources(placed, {"cpu": 64}))


class Unmade(tune.Trainable):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        raise RuntimeError("cannot be made")


def simple(config: dict[str, Any]) -> None:
    tune.report({"loss": config["lr"]})


def lacking(config: dict[str, Any]) -> None:
    tune.report({"losses": config["lr"]})


@pytest.mark.slow
@pytest.mark.parametrize("told_by", ["hypertune", "Ray"])
def test_ray_stays_usable_after_studies_that_fail(
    tmp_path: Path, told_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, lock = np.zeros(15_000_000), threading.Lock()

    def large(config: dict[str, Any]) -> None:
        tune.report({"loss": data[0]})

    def locked(config: dict[str, Any]) -> None:
        with lock:
            tune.report({"loss": 0.0})

    if told_by == "hypertune":
        with pytest.raises(ValueError, match="^trainable: captures 114 MiB of data, .* tune.with_parameters"):
            study(tmp_path / "large", large)
        with pytest.raises(ValueError, match="^trainable: captures what cannot be sent .*lock"):
            study(tmp_path / "locked", locked)
        with pytest.raises(ValueError, match="metric: .loss. is not reported; did you mean losses"):
            study(tmp_path / "lacking", lacking)
    else:
        monkeypatch.setattr(experiment, "most_captured", lambda: 10**12)
        with pytest.raises(ValueError, match="nothing has been run$"):
            study(tmp_path / "large", large)
        (error,) = study(tmp_path / "unmade", Unmade, budget={"trials": 1}).trials["error"]
        assert error.startswith("RuntimeError: cannot be made")
    assert study(tmp_path / "good", simple).trials["status"].tolist() == ["completed"] * 4
