"""Seeds of a simulated design are recorded runs, each used once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hypertune.commands.cli import main
from hypertune.simulation.lookup import Nearest
from hypertune.simulation.recordings import from_frame
from hypertune.simulation.repetitions import check_repetitions
from hypertune.study.study import Study

OPTIONS = ("adam", "sgd")


def study_of(seeds: int | list[int] | str, kind: str = "grid") -> Study:
    table = {"name": "null", "seeds": seeds, "metric": "acc", "mode": "max", "retrain": 0, "hypotheses": ["adam > sgd"]}
    training = {"trainable": "m:train", "max_epochs": 3}
    space = {"opt": {"grid_search": list(OPTIONS)}}
    return Study.parse({"study": table, "training": training, "space": space, "design": {"kind": kind}})


def curves(recorded: dict[str, list[int]], *, with_seeds: bool = True, lasts: int = 3) -> pd.DataFrame:
    """Runs of each optimizer, by their seeds, all with another accuracy; those of sgd last so many epochs."""
    runs = [(option, seed) for option, seeds in recorded.items() for seed in seeds]
    frame = pd.DataFrame(
        [
            {"trial_id": f"t{k}", "seed": seed, "config/opt": option, "epoch": epoch, "acc": 0.8 + k / 100,
             "elapsed_s": float(epoch)}
            for k, (option, seed) in enumerate(runs)
            for epoch in range(1, 1 + (lasts if option == "sgd" else 3))
        ]
    )  # fmt: skip
    return frame if with_seeds else frame.drop(columns="seed")


@pytest.mark.parametrize(
    ("frame", "seeds"),
    [
        (curves({"adam": [0, 1, 2], "sgd": [0, 1, 2]}), 3),
        (curves({"adam": [1, 5], "sgd": [1, 5]}), 2),
        (curves({"adam": [7, 8, 9], "sgd": [0, 1]}), 2),
        (curves({"adam": [0, 1], "sgd": [0, 1]}, with_seeds=False), 2),
        (curves({"adam": [0, 1], "sgd": [0, 1]}, with_seeds=False).sort_values(["epoch", "trial_id"]), [4, 1]),
    ],
)
def test_no_two_seeds_replay_the_same_run(frame: pd.DataFrame, seeds: int | list[int]) -> None:
    study = study_of(seeds)
    recordings = from_frame(frame, study, source="c")
    check_repetitions(recordings, study)
    source = Nearest(recordings, study)
    for option in OPTIONS:
        lasts = {float(source.curve({"opt": option}, seed, "grid").rows[-1, 0]) for seed in study.seeds}
        assert len(lasts) == len(study.seeds)


@pytest.mark.parametrize(
    ("frame", "seeds", "said"),
    [
        (curves({"adam": [0, 1, 2], "sgd": [0]}), 3, "opt = sgd has 1 recorded run, too few for 3 .* --seeds 1,"),
        (curves({"adam": [0, 1], "sgd": [0, 1]}), 10, "opt = adam has 2 recorded runs, too few .* --seeds 2,"),
        (curves({"adam": [0, 1], "sgd": [4, 4]}), 2, "opt = sgd has 1 recorded run, too few"),
        (curves({"adam": [0, 1], "sgd": [0, 1]}, lasts=2), 1, "opt = sgd has not been recorded in full"),
        (curves({"adam": [0, 1]}), 1, "opt = sgd has not been recorded in full"),
        (curves({"adam": [0, 1, 2], "sgd": [0, 1, 2]}), "until decided", "--max-seeds 3, or curves with more seeds"),
    ],
)
def test_too_few_runs_are_refused(frame: pd.DataFrame, seeds: int | str, said: str) -> None:
    study = study_of(seeds)
    with pytest.raises(ValueError, match=said) as error:
        check_repetitions(from_frame(frame, study, source="c.parquet"), study)
    assert str(error.value).startswith("--curves c.parquet: the cell ")
    assert "\n" not in str(error.value)


def test_one_at_a_time_is_held_to_it_too() -> None:
    study = study_of(2, kind="one_at_a_time")
    with pytest.raises(ValueError, match="has 1 recorded run"):
        check_repetitions(from_frame(curves({"adam": [0], "sgd": [0]}), study, source="c"), study)


def test_the_command_ends_with_2_and_takes_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No difference but noise is no finding: one run of each cell, replayed ten times, was one at p < 0.001."""
    frame = curves({"adam": [0], "sgd": [0]})
    frame["acc"] += np.random.default_rng(0).normal(0, 1e-3, len(frame))
    frame.to_parquet(tmp_path / "curves.parquet")
    (tmp_path / "study.toml").write_text(study_of(10).to_toml())
    command = ["simulate", str(tmp_path / "study.toml"), "--curves", str(tmp_path / "curves.parquet"), "--quiet"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    assert "give --seeds 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*command, "--out", str(tmp_path / "out"), "--seeds", "1", "--processes", "1"]) == 0
    assert "supported" not in (tmp_path / "out" / "report.md").read_text()
