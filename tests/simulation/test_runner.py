"""All sweeps of a study: in one process or several, the same to the last digit."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd

from hypertune.comparison.asking import ask
from hypertune.records.records import Records
from hypertune.simulation.costs import Costs
from hypertune.simulation.lookup import Nearest
from hypertune.simulation.runner import Job, Setting, jobs_of, processes, simulate_all, simulate_sweep
from hypertune.study.study import Study
from tests.simulation.tables import recordings
from tests.sweep.scripted import accuracy, make_study

STUDY = make_study(strategies=("random", "asha", "hyperopt"), seeds=(0, 1, 2))


def setting(study: Study = STUDY) -> Setting:
    return Setting(study, Nearest(recordings(study), study), Costs(straggler_share=0.1))


def in_processes(count: int) -> Records:
    with processes(setting(), count) as pool:
        return simulate_all(setting(), 3, pool)


def test_however_many_processes_the_records_are_the_same() -> None:
    alone, shared = in_processes(1), in_processes(2)
    for name in ("trials", "curves", "sweeps", "retrained"):
        pd.testing.assert_frame_equal(getattr(alone, name), getattr(shared, name), check_exact=True)
    assert alone.configs == shared.configs
    assert alone.provenance == shared.provenance


def test_the_records_are_those_of_a_study() -> None:
    facts = in_processes(1)
    assert list(facts.sweeps["strategy"]) == ["random", "asha", "hyperopt"] * 3
    assert (facts.sweeps["epochs"] == 40).all()
    assert facts.sweeps["finished"].all()
    assert set(facts.trials["trial_id"]) == set(facts.curves["trial_id"]) == set(facts.configs)
    assert facts.provenance["trials"]["estimated"] == len(facts.trials)


def test_seeds_come_in_order_so_that_a_study_cut_short_has_pairs() -> None:
    assert jobs_of(STUDY, 4)[:4] == [
        Job(name, seed, 4) for name, seed in zip([*STUDY.strategies, "random"], [0, 0, 0, 1], strict=True)
    ]


def test_the_incumbent_is_scored_once_with_its_recorded_test_metrics() -> None:
    facts = in_processes(1)
    assert len(facts.retrained) == len(facts.sweeps)
    assert "test_acc" not in facts.curves
    row = facts.retrained.iloc[0]
    configs = recordings(STUDY).configs
    known = {accuracy(config, int(row["epochs"])) - 0.01 for config in configs}
    assert row["test_acc"] in known
    assert row["trial_id"] == facts.sweeps["incumbent"].iloc[0]


def test_global_generators_are_seeded_for_a_sweep_and_put_back() -> None:
    random.seed(1)
    np.random.seed(1)
    expected = random.random(), np.random.random()
    random.seed(1)
    np.random.seed(1)
    simulate_sweep(setting(), Job("random", 0, 1))
    assert (random.random(), np.random.random()) == expected


def test_a_study_that_runs_until_decided_stops_and_says_why() -> None:
    study = make_study(strategies=("random", "asha"), seeds=tuple(range(9))).replace(until_decided=True, margin=1.0)
    facts = simulate_all(setting(study), 3, None, ask=ask)
    assert len(facts.sweeps) == 10
    assert [look["seeds"] for look in facts.looks] == [1, 2, 3, 4, 5]
    assert facts.looks[-1]["ended"]
