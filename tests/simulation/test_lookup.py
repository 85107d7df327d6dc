"""What stands for a suggestion: its own recording, noise by seed, the nearest one, or a surrogate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypertune.simulation.coordinates import Coordinates
from hypertune.simulation.lookup import Nearest
from hypertune.simulation.surrogate import LOOKUPS, Forest, Neighbours
from hypertune.space.space import Space
from hypertune.strategies.random import draw
from hypertune.study.study import Training
from tests.simulation.tables import made_up, recorded, recordings
from tests.sweep.scripted import SPACE, accuracy, make_study

A, B = {"lr": 0.01, "width": 2}, {"lr": 0.0002, "width": 7}

MIXED = Space.parse(
    {
        "lr": {"loguniform": [1e-4, 1e-1]},
        "q": {"quniform": [0.0, 1.0, 0.25]},
        "n": {"randn": [0.0, 2.0]},
        "width": {"lograndint": [1, 65]},
        "one": {"randint": [3, 4]},
        "norm": {"choice": ["none", "batch", "layer"]},
        "optimizer": {"choice": [{"name": "sgd", "momentum": {"uniform": [0.0, 1.0]}}, {"name": "adam"}]},
    }
)


def nearest(frame: pd.DataFrame, **changes: Any) -> Nearest:
    study = make_study(**changes)
    return Nearest(recordings(study, frame), study)


@given(st.integers(0, 10_000))
def test_coordinates_are_the_domains_own_quantiles(seed: int) -> None:
    config = draw(MIXED, np.random.default_rng(seed))
    point = Coordinates(MIXED).point(config)
    domains = {parameter.key: parameter.domain for parameter in MIXED.parameters()}
    for i, name in enumerate(("lr", "q", "n", "width", "one")):
        assert point[i] == pytest.approx(domains[name].to_unit(config[name]), abs=1e-9)  # type: ignore[union-attr]


def test_different_options_lie_as_far_apart_as_the_ends_of_a_domain() -> None:
    space = Space.parse({"norm": {"choice": ["none", "batch", "layer"]}, "x": {"uniform": [0.0, 1.0]}})
    points = Coordinates(space).points([{"norm": n, "x": x} for n, x in (("none", 0.0), ("batch", 0.0), ("none", 1.0))])
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(1)
    assert np.linalg.norm(points[0] - points[2]) == pytest.approx(1)


def test_a_hyperparameter_that_is_not_there_makes_no_distance() -> None:
    coordinates = Coordinates(MIXED)
    common = {"lr": 0.01, "q": 0.5, "n": 0.0, "width": 4, "one": 3, "norm": "none"}
    adam = coordinates.point({**common, "optimizer": {"name": "adam"}})
    sgd = [coordinates.point({**common, "optimizer": {"name": "sgd", "momentum": m}}) for m in (0.5, 0.9)]
    assert np.linalg.norm(np.subtract(sgd[0], adam)) == pytest.approx(1)
    assert np.linalg.norm(np.subtract(sgd[0], sgd[1])) == pytest.approx(0.4)


def test_what_was_recorded_is_found_exactly() -> None:
    source = nearest(made_up())
    for config in source.recordings.configs:
        curve = source.curve(config, 0)
        assert curve.known == 9
        assert curve.names == ("acc",)
        assert [row[0] for row in curve.rows] == [accuracy(config, epoch) for epoch in range(1, 10)]
        assert curve.seconds == pytest.approx([10.0 * config["width"]] * 9)


@given(st.integers(0, 10_000))
def test_another_one_gets_the_nearest_recording(seed: int) -> None:
    source, config = nearest(made_up()), draw(SPACE, np.random.default_rng([7, seed]))
    point = np.array(source.coordinates.point(config))
    best = source.recordings.configs[int(((source.points - point) ** 2).sum(axis=1).argmin())]
    curve = source.curve(config, 0)
    assert curve.known == 0
    assert curve.rows[-1].tolist() == [accuracy(best, 9)]


def replicates(seeds: list[int]) -> pd.DataFrame:
    """Recordings of A and B with each of the seeds, which lower every value by a hundredth."""
    parts = []
    for seed in seeds:
        part = recorded([A, B])
        parts.append(part.assign(seed=seed, acc=part["acc"] - 0.01 * seed, config_id=part["config_id"] + 2 * seed))
    return pd.concat(parts, ignore_index=True)


def test_several_recordings_are_noise_and_a_sweep_sees_its_own_seeds() -> None:
    source = nearest(replicates([7, 1, 4]))
    assert len(source.recordings.configs) == 2
    for seed, recorded_seed in ((1, 1), (4, 4), (7, 7), (0, 1), (2, 7), (3, 1), (5, 7)):
        assert source.curve(A, seed).rows[8][0] == pytest.approx(accuracy(A, 9) - 0.01 * recorded_seed)


def test_a_recording_that_was_stopped_serves_its_own_configuration_only() -> None:
    frame = made_up()
    short = {**A, "lr": 0.0101}
    stopped = recorded([short]).query("epoch <= 3").assign(config_id=999)
    source = nearest(pd.concat([frame, stopped], ignore_index=True))
    curve = source.curve(short, 0)
    assert (curve.known, len(curve.rows)) == (3, 9)
    assert [row[0] for row in curve.rows[:3]] == [accuracy(short, epoch) for epoch in (1, 2, 3)]
    steps = np.diff([row[0] for row in curve.rows])
    assert (steps > 0).all()
    assert steps.max() < 0.2
    assert source.curve({**short, "lr": 0.0102}, 0).known == 0


def test_values_drawn_out_stay_among_those_recorded() -> None:
    frame = pd.concat([made_up(), recorded([A]).query("epoch <= 2").assign(config_id=99, acc=0.999)], ignore_index=True)
    source = nearest(frame)
    assert max(row[0] for row in source.curve(A, 0).rows) <= 0.999


def test_a_short_recording_of_its_own_seed_goes_on_as_the_full_one_of_another() -> None:
    full = recorded([A]).assign(seed=0)
    short = recorded([A]).query("epoch <= 2").assign(seed=1, config_id=1, acc=lambda frame: frame["acc"] - 0.1)
    source = nearest(pd.concat([full, short], ignore_index=True))
    expected = np.array([accuracy(A, epoch) for epoch in range(1, 10)])
    for seed, off in ((0, 0.0), (1, 0.1), (2, 0.0)):
        curve = source.curve(A, seed)
        assert curve.known == 9
        np.testing.assert_allclose([row[0] for row in curve.rows], expected - off)


def test_a_strategy_sees_the_seconds_it_was_recorded_with() -> None:
    slow = recorded([A]).assign(strategy="random", seed=0)
    quick = recorded([A], seconds=1.0).query("epoch <= 2").assign(strategy="asha", seed=0)
    source = nearest(pd.concat([slow, quick], ignore_index=True))
    assert source.curve(A, 0, "random").seconds == pytest.approx([20.0] * 9)
    assert source.curve(A, 0, "asha").seconds == pytest.approx([2.0] * 2 + [20.0] * 7)
    assert source.curve(A, 0, "hyperopt").seconds == pytest.approx([20.0] * 9)


def test_divergence_is_found_again() -> None:
    frame = pd.concat([recorded([A]), recorded([B]).query("epoch <= 2").assign(config_id=1)], ignore_index=True)
    frame.loc[(frame["config_id"] == 1) & (frame["epoch"] == 2), "acc"] = np.inf
    curve = nearest(frame).curve({**B, "lr": 0.00021}, 0)
    assert len(curve.rows) == 2
    assert np.isinf(curve.rows[1][0])


def test_a_recording_that_was_stopped_does_not_end_where_another_diverged_earlier() -> None:
    stopped = recorded([A]).query("epoch <= 6").assign(seed=0)
    lost = recorded([A]).query("epoch <= 4").assign(seed=1, config_id=1)
    lost.loc[lost["epoch"] == 4, "acc"] = np.nan
    source = nearest(pd.concat([stopped, lost, recorded([B]).assign(seed=0, config_id=2)], ignore_index=True))
    curve = source.curve(A, 0)
    assert (curve.known, len(curve.rows)) == (6, 9)
    assert np.isfinite(curve.rows).all()
    assert len(source.curve(A, 1).rows) == 4


def test_test_scores_are_kept_from_the_search() -> None:
    source = nearest(made_up())
    config = source.recordings.configs[4]
    assert source.test_scores(config, 0, 5) == {"test_acc": accuracy(config, 5) - 0.01}
    assert nearest(made_up(), metric="test_acc").names == ("acc", "test_acc")
    assert nearest(made_up().drop(columns="test_acc")).test_scores(config, 0, 5) == {}


@pytest.mark.parametrize("kind", [Neighbours, Forest])
def test_a_surrogate_is_closer_to_the_truth_than_the_nearest_recording(kind: type[Nearest]) -> None:
    study, table = make_study(), recordings(frame=made_up(400))
    source, plain = kind(table, study), Nearest(table, study)
    others = [draw(SPACE, np.random.default_rng([9, n])) for n in range(60)]

    def off(lookup: Nearest) -> float:
        return float(np.mean([abs(lookup.curve(c, 0).rows[8][0] - accuracy(c, 9)) for c in others]))

    assert off(source) < 0.9 * off(plain)
    assert all(len(source.curve(c, 0).seconds) == 9 for c in others)
    recorded_one = table.configs[0]
    assert source.curve(recorded_one, 0).rows[8] == [accuracy(recorded_one, 9)]


@pytest.mark.parametrize("kind", [Nearest, Neighbours, Forest])
def test_the_held_out_error_is_shown(kind: type[Nearest]) -> None:
    study = make_study()
    told = kind(recordings(study, made_up(200)), study).description()
    assert told["lookup"] == kind.method
    held_out = told["held_out"]
    assert held_out["configurations"] == 200
    assert 0 < held_out["mean_absolute_error"] < held_out["spread"]
    assert held_out["rank_correlation"] > 0.7


def test_by_default_the_smaller_held_out_error_decides() -> None:
    study, smooth = make_study(), recordings(frame=made_up(200))
    chosen = LOOKUPS["auto"](smooth, study)
    told = chosen.description()
    assert told["lookup"] == "knn"
    assert told["held_out_errors"]["knn"] < told["held_out_errors"]["nearest"]
    config = draw(SPACE, np.random.default_rng(1))
    curve, expected = chosen.curve(config, 0), Neighbours(smooth, study).curve(config, 0)
    np.testing.assert_array_equal(curve.rows, expected.rows)
    np.testing.assert_array_equal(curve.seconds, expected.seconds)
    few = LOOKUPS["auto"](recordings(study, made_up(5)), study)
    assert few.description()["lookup"] == "nearest"


def test_a_surrogate_needs_enough_recordings() -> None:
    study = make_study(training=Training(trainable="cnn", dataset="digits", max_epochs=9))
    with pytest.raises(ValueError, match="--lookup knn: needs 10 configurations .*use --lookup nearest"):
        Neighbours(recordings(study, made_up(9)), study)
