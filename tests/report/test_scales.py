"""Axes of hyperparameters: ticks that can be read and are true, and fields that hold whole values."""

from __future__ import annotations

import numpy as np
import pytest

from hypertune.comparison.encoding import encoded
from hypertune.report.hyperparameters import pair, scales
from hypertune.report.scales import BINS, Scale
from hypertune.space.domains import Numeric
from tests.comparison.synthetic import make_records


def scale_of(kind: str, *args: float) -> Scale:
    records = make_records(space={"x": {kind: list(args)}}, seeds=1, trials=3)
    return scales(records, encoded(records))["x"]


def labels(scale: Scale) -> list[str]:
    return [text for _, text in scale.ticks()]


@pytest.mark.parametrize(
    ("kind", "args", "expected"),
    [
        ("lograndint", (16, 513), ["16", "51", "161", "512"]),
        ("qrandint", (64, 1024, 64), ["64", "384", "704", "1024"]),
        ("randint", (1, 6), ["1", "2", "4", "5"]),
        ("uniform", (100.0, 9999.0), ["100", "3400", "6699", "9999"]),
        ("loguniform", (1e-4, 1e-1), ["1e-4", "1e-3", "0.01", "0.1"]),
        ("quniform", (0.0, 1.0, 0.125), ["0", "0.375", "0.625", "1"]),
        ("randint", (0, 100001), ["0", "33333", "66667", "100000"]),
        ("uniform", (0.5, 0.5), ["0.5"]),
    ],
)
def test_ticks_are_written_out_and_lie_on_values(kind: str, args: tuple[float, ...], expected: list[str]) -> None:
    scale = scale_of(kind, *args)
    assert labels(scale) == expected
    domain = Numeric(kind, args)
    if domain.step is not None:
        assert all(domain.contains(domain.cast(at)) and abs(domain.cast(at) - at) < 1e-9 for at, _ in scale.ticks())


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("randint", (1, 9)),
        ("quniform", (0.0, 1.0, 0.1)),
        ("lograndint", (1, 7)),
        ("qrandint", (-10, 10, 5)),
    ],
)
def test_each_of_a_few_values_has_a_field_and_a_tick(kind: str, args: tuple[float, ...]) -> None:
    domain, scale = Numeric(kind, args), scale_of(kind, *args)
    assert domain.step is not None
    values = domain.low + domain.step * np.arange(domain.levels or 0)
    counts, _ = np.histogram(values, scale.edges())
    assert counts.tolist() == [1] * len(values)
    axis = scale.axis()
    assert axis["tickvals"] == pytest.approx(values)
    assert [float(text) for text in axis["ticktext"]] == pytest.approx(values)
    ends = np.log10(scale.edges()) if scale.log else scale.edges()
    assert axis["range"][0] < ends[0] < ends[-1] < axis["range"][1]


@pytest.mark.parametrize(("kind", "args"), [("randint", (0, 100)), ("lograndint", (1, 1000)), ("randint", (5, 18))])
def test_of_many_values_each_field_holds_whole_ones(kind: str, args: tuple[float, ...]) -> None:
    edges = scale_of(kind, *args).edges()
    counts, _ = np.histogram(np.arange(*args), edges)
    assert counts.min() >= 1
    assert counts.sum() == args[1] - args[0]
    assert len(counts) <= BINS
    assert np.allclose(edges % 1, 0.5)


def test_zero_among_steps_is_zero() -> None:
    scale = Scale("x", (), False, -0.3, 0.3, 0.1)  # three steps from -0.3 are 5.6e-17
    assert scale.axis()["ticktext"] == ["-0.3", "-0.2", "-0.1", "0", "0.1", "0.2", "0.3"]
    assert labels(scale) == ["-0.3", "-0.1", "0.1", "0.3"]


def test_a_normal_distribution_ends_at_the_tried_values() -> None:
    scale = scale_of("qrandn", 0.0, 1.0, 0.5)
    assert np.isfinite(scale.edges()).all()
    assert np.isfinite([at for at, _ in scale.ticks()]).all()


def test_the_background_of_integers_has_no_empty_bands() -> None:
    records = make_records(space={"layers": {"randint": [1, 6]}, "lr": {"loguniform": [1e-4, 1e-1]}}, trials=60)
    chart = pair(records, ("layers", "lr"))
    assert chart is not None
    ground = next(trace for trace in chart.data if trace.type == "heatmap")
    assert list(ground.x) == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert np.isfinite(np.array(ground.z, dtype=float)).any(axis=0).all()
