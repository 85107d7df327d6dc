"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypertune.comparison import numbers

DASH = numbers.MISSING


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.88123, 0.87901, 0.88298, "0.8812 [0.8790, 0.8830]"),
        (0.88123, math.nan, math.nan, "0.8812"),
        (math.nan, math.nan, math.nan, DASH),
        (1234.5, 1200.0, 1300.0, "1234 [1200, 1300]"),
        (0.5, 0.5, 0.5, "0.5000 [0.5000, 0.5000]"),
        (0.0, 0.0, 0.0, "0.0000 [0.0000, 0.0000]"),
        (7.336e-10, 7.1e-10, 7.6e-10, "7.336e-10 [7.100e-10, 7.600e-10]"),
        (2e13, -1e13, 5e13, "2.000e+13 [-1.000e+13, 5.000e+13]"),
        (0.95, 0.94999999, 0.95000001, "0.950000 [0.950000, 0.950000]"),
    ],
)
def test_with_interval(value: float, low: float, high: float, text: str) -> None:
    assert numbers.with_interval(value, low, high) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.1234, "0.123 s"),
        (34.21, "34.2 s"),
        (59.99, "60 s"),
        (725, "12 min 05 s"),
        (12000, "3 h 20 min"),
        (None, DASH),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert numbers.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(5.5e-4, "5.5e-4"), (0.05, "0.05"), (14, "14"), (True, "True"), (None, "none"), ("batch", "batch"), (1e6, "1e6"),
     (2000.0, "2000"), (1234.7, "1235"), (9999.96, "10000"), (-512.3, "-512"), (1e4, "1e4")],
)  # fmt: skip
def test_setting(value: object, text: str) -> None:
    assert numbers.setting(value) == text


def test_a_configuration_on_one_line() -> None:
    assert numbers.configuration({"filters": 14, "opt": {"lr": 5.5e-4}}) == "filters=14 opt/lr=5.5e-4"
    assert numbers.best_configuration(math.nan) == DASH


@given(st.floats())
def test_no_number_breaks_the_formats(value: float) -> None:
    for form in (numbers.number, numbers.duration, numbers.share, numbers.count):
        text = form(value) if math.isfinite(value) and value >= 0 else form(None)
        assert text
    assert "nan" not in numbers.with_interval(value, value, value)


def test_listing() -> None:
    assert [numbers.listing(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "", "a", "a and b", "a, b and c",
    ]  # fmt: skip
