"""A simulation from the curves of a real run gives that run again: the same decisions and the same training time."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from ray import tune

from hypertune import compare
from hypertune.simulation.costs import Costs
from hypertune.simulation.lookup import Nearest
from hypertune.simulation.recordings import read
from hypertune.simulation.runner import Setting, simulate_all
from tests.integration import trainables

STRATEGIES = ["random", "asha", "hyperband", "hyperopt+asha"]

pytestmark = pytest.mark.usefixtures("local_ray")


def test_one_worker_and_the_same_seed_reproduce_the_ledger(tmp_path: Path) -> None:
    real = compare(
        trainable=trainables.checkpointing,
        space={"lr": tune.loguniform(1e-4, 1e-1), "width": tune.randint(1, 9), "sleep": 0.02},
        strategies=STRATEGIES,
        seeds=1,
        budget={"epochs": 45},
        metric="score",
        mode="max",
        max_epochs=9,
        resources={"cpus_per_trial": 2},  # all the processors there are: one trial at a time
        out=tmp_path / "real",
    ).records
    assert set(real.sweeps["workers"]) == {1}
    source = Nearest(read(tmp_path / "real", real.study), real.study)
    virtual = simulate_all(Setting(real.study, source, Costs()), 1, None)

    columns = ["strategy", "trial_id", "status", "epochs", "best_epoch", "score", "config/lr", "config/width"]
    pd.testing.assert_frame_equal(virtual.trials[columns], real.trials[columns])
    assert (real.trials["status"] == "stopped").sum() > 5
    told = virtual.provenance["trials"]
    assert (told["recorded"], told["estimated"]) == (len(real.trials), 0)
    same = ["strategy", "epochs", "trials", "completed", "stopped", "failed", "diverged", "incumbent"]
    pd.testing.assert_frame_equal(virtual.sweeps[same], real.sweeps[same], check_dtype=False)
    # Training seconds are charged to the last digit; what the real run takes on top depends on how busy the machine is.
    assert list(virtual.sweeps["busy_s"]) == pytest.approx(list(real.sweeps["busy_s"]), rel=1e-6)
    assert (real.sweeps["wall_s"] > real.sweeps["busy_s"]).all()
