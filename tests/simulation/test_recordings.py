"""Recorded curves: what can be read, and what is refused by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hypertune.records.records import Book
from hypertune.simulation.lookup import Nearest
from hypertune.simulation.recordings import from_frame, read
from hypertune.space.space import Space
from hypertune.study.study import Budget, Study, Training
from hypertune.sweep.trial import Report
from tests.simulation.tables import made_up, published, recorded, recordings, simulated
from tests.sweep.scripted import Runner, make_study


def test_a_table_becomes_arrays() -> None:
    table = recordings()
    assert table.values.shape == (60, 9, 2)
    assert table.names == ("acc", "test_acc")
    assert table.complete.all()
    assert table.left_out == {}
    widths = np.array([config["width"] for config in table.configs])
    np.testing.assert_allclose(table.seconds, 10.0 * widths[:, None] * np.ones(9))


def test_rows_may_come_in_any_order_and_in_32_bits() -> None:
    frame = made_up()
    shuffled = frame.sample(frac=1, random_state=1)
    small = shuffled.astype({"config/lr": "float32", "config/width": "int16", "acc": "float32", "epoch": "int8"})
    table = recordings(frame=small)
    by_lr = {round(config["lr"], 7): r for r, config in enumerate(table.configs)}
    for r, config in enumerate(recordings().configs):
        np.testing.assert_allclose(table.values[by_lr[round(config["lr"], 7)]], recordings().values[r], rtol=1e-6)


def test_the_bounds_themselves_are_inside_the_space_in_32_bits_too() -> None:
    frame = recorded([{"lr": 1e-4, "width": 1}, {"lr": 1e-1, "width": 8}]).astype({"config/lr": "float32"})
    table = recordings(frame=frame)
    assert [config["lr"] for config in table.configs] == [1e-4, 1e-1]


def test_the_longer_part_of_a_recording_is_not_used() -> None:
    study = make_study(training=Training(trainable="cnn", dataset="digits", max_epochs=3))
    assert recordings(study).values.shape == (60, 3, 2)


def test_recordings_outside_the_space_or_with_other_constants_are_left_out_and_counted() -> None:
    frame = recorded([{"lr": 0.01, "width": 2}, {"lr": 0.5, "width": 2}, {"lr": 0.02, "width": 3}])
    frame["config/batch"] = np.where(frame["config_id"] == 2, 64, 32)
    study = make_study(training=Training(trainable="cnn", dataset="digits", max_epochs=9, config={"batch": 32}))
    table = recordings(study, frame)
    assert table.configs == [{"lr": 0.01, "width": 2}]
    assert table.left_out == {
        "recorded with other constants than [training.config]": 1,
        "outside the search space": 1,
    }


def test_the_curves_of_a_study_come_back_typed_with_conditions_choices_and_nothing() -> None:
    space = Space.parse(
        {
            "lr": {"loguniform": [1e-4, 1e-1]},
            "width": {"randint": [1, 9]},
            "optimizer": {"choice": [{"name": "sgd", "momentum": {"uniform": [0.0, 1.0]}}, {"name": "adam"}]},
            "norm": {"choice": ["batch", None]},
            "shape": {"choice": [[1, 2], [3]]},
            "bias": {"choice": [True, False]},
            "inner": {"depth": {"qrandint": [2, 8, 2]}, "fixed": 3},
        }
    )
    study = make_study(space=space)
    book: Book = Runner(study, "random").run().book()
    table = from_frame(book.curves_table(), study, source="x")
    assert table.configs == list(book.configs.values())
    assert all(space.contains(config) for config in table.configs)


def test_the_curves_of_a_study_have_their_sweeps_seed(tmp_path: Path) -> None:
    study = make_study()
    Runner(study, "random", seed=3).run().book().curves_table().to_parquet(tmp_path / "curves.parquet")
    table = read(tmp_path, study)
    assert set(table.seeds) == {3}
    assert table.source == str(tmp_path / "curves.parquet")


def cut(frame: pd.DataFrame, config_id: int, epochs: int) -> pd.DataFrame:
    return frame[(frame["config_id"] != config_id) | (frame["epoch"] <= epochs)]


def test_a_short_recording_is_incomplete_and_a_diverged_one_is_not() -> None:
    frame = cut(made_up(), 3, 4)
    frame.loc[(frame["config_id"] == 5) & (frame["epoch"] >= 2), "acc"] = np.nan
    table = recordings(frame=cut(frame, 5, 2))
    assert np.flatnonzero(~table.complete).tolist() == [3]
    assert table.lengths[[3, 5]].tolist() == [4, 2]


@pytest.mark.parametrize("column", ["train_loss", "valid_loss", "other_loss"])
@pytest.mark.parametrize("built_in", [True, False])
def test_a_recording_diverges_where_a_sweep_would_say_so(column: str, built_in: bool) -> None:
    study = make_study(budget=Budget(trials=20))
    if not built_in:
        study = dataclasses.replace(study, training=Training(trainable="x:y", dataset=None, max_epochs=9))
    frame = made_up().assign(**{column: 1.0})
    third = frame["config_id"] % 3 == 0
    frame.loc[third & (frame["epoch"] == 4), column] = np.inf
    frame = frame[~third | (frame["epoch"] <= 4)]
    table = recordings(study, frame)
    last = Report(4, dict(zip(table.names, table.values[3, 3].tolist(), strict=True)), 1.0)
    assert table.diverges[3] == (last.value(study) is None) == (built_in and column != "other_loss")
    book, _ = simulated(study, "random", source=Nearest(table, study))
    assert (book.trials_table()["status"] == "diverged").any() == table.diverges[3]


def changed(column: str, config_id: int, epoch: int, value: Any) -> pd.DataFrame:
    frame = made_up()
    frame.loc[(frame["config_id"] == config_id) & (frame["epoch"] == epoch), column] = value
    return frame


REFUSED = {
    "no rows": (lambda: made_up().head(0), "has no rows"),
    "no epoch": (lambda: made_up().drop(columns="epoch"), "lacks the column epoch"),
    "no seconds": (lambda: made_up().drop(columns="elapsed_s"), "elapsed_s .*give --epoch-seconds 1"),
    "seconds as text": (lambda: made_up().astype({"elapsed_s": str}), "elapsed_s is not numeric"),
    "no metric": (lambda: made_up().drop(columns="acc"), "lacks the study's metric acc; .*test_acc"),
    "no hyperparameter": (lambda: made_up().drop(columns="config/lr"), "lacks the column config/lr"),
    "unknown": (lambda: made_up().assign(**{"config/x": range(540)}), "config/x varies .*training.config"),
    "gap": (lambda: made_up().drop(index=12), "config_id 1: epoch 4 is missing"),
    "late": (lambda: made_up().query("epoch > 1"), "config_id 0: epoch 1 is missing"),
    "twice": (lambda: pd.concat([made_up(), made_up().head(3)]), "config_id 0: epoch 1 appears twice"),
    "half": (lambda: made_up().assign(epoch=0.5), "whole number"),
    "backwards": (lambda: changed("elapsed_s", 2, 5, 1.0), "config_id 2: elapsed_s runs backwards at epoch 5"),
    "time gap": (lambda: changed("elapsed_s", 2, 5, np.nan), "config_id 2: elapsed_s is missing .* at epoch 5"),
    "endless": (lambda: changed("elapsed_s", 2, 9, np.inf), "config_id 2: elapsed_s is missing or not finite"),
    "value gap": (lambda: changed("acc", 2, 5, np.nan), "config_id 2: acc is missing or not finite at epoch 5"),
    "short": (lambda: made_up(epochs=4), "no recording reaches training.max_epochs = 9.* give --max-epochs 4"),
    "outside": (lambda: recorded([{"lr": 9.0, "width": 2}]), r"no recording can be used \(1 outside"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_named_in_one_line(case: str) -> None:
    make, said = REFUSED[case]
    with pytest.raises(ValueError, match=f"curves.parquet: .*{said}") as error:
        recordings(frame=make())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"PAR1 no"])
def test_a_file_that_is_no_table_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"--curves .*x.parquet: cannot be read") as error:
        read(path, make_study())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("column", ["elapsed_s", None])
def test_given_seconds_take_the_place_of_recorded_ones(column: str | None) -> None:
    frame = made_up().drop(columns=column) if column else changed("elapsed_s", 2, 5, np.nan)
    table = from_frame(frame, make_study(), source="x", epoch_s=2.0)
    assert (table.seconds == 2.0).all()


def test_the_shipped_study_reads_the_published_curves() -> None:
    study = Study.load("lcbench_fashion_mnist")
    table = read(published("lcbench_fashion_mnist"), study)
    assert len(table.configs) == 2000
    assert table.left_out == {}
    assert table.complete.all()
    assert all(study.space.contains(config) for config in table.configs)
