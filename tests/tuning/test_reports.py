"""What a trainable reports, in the terms of the driver."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from ray.tune.result import DONE, RESULT_DUPLICATE, SHOULD_CHECKPOINT

from hypertune.tuning.reports import REPORT, Reader, Reported, number, reported_by, to_report


def read(result: Any, **how: Any) -> Reported:
    reported: Reported = Reader(**{"built_in": False, "metric": "loss", **how})(result)[REPORT]
    return reported


@pytest.mark.parametrize(
    "value",
    [
        0.5, np.float32(0.5), np.float64(0.5), np.array(0.5), np.array([0.5]), torch.tensor(0.5), Decimal("0.5"),
        torch.tensor([0.5], requires_grad=True), torch.tensor(0.5, dtype=torch.bfloat16), Fraction(1, 2),
    ],
    ids=repr,
)  # fmt: skip
def test_numbers_of_all_types_are_numbers(value: Any) -> None:
    (found,) = read({"loss": value}).metrics.values()
    assert type(found) is float
    assert found == 0.5


@pytest.mark.parametrize("value", [True, np.bool_(True), torch.tensor(True), 1, np.int64(1)], ids=repr)
def test_truth_values_and_integers_are_numbers(value: Any) -> None:
    assert read({"loss": value}).metrics == {"loss": 1.0}


@pytest.mark.parametrize(
    "value", [None, "0.5", b"1", [0.5], np.array([1.0, 2.0]), torch.ones(3), 1j, Decimal("sNaN")], ids=repr
)
def test_what_is_no_number_is_no_metric_and_as_the_metric_an_error(value: Any) -> None:
    assert number(value) is None
    assert read({"loss": 1.0, "other": value}).metrics == {"loss": 1.0}
    with pytest.raises(ValueError, match="^loss = .* was reported; the study's metric has to be a number$"):
        read({"loss": value})


def test_numbers_that_no_float_holds_are_infinite() -> None:
    assert (number(10**400), number(-(10**400))) == (math.inf, -math.inf)
    assert math.isnan(number(math.nan) or 0.0)


def test_nested_and_slashed_names_are_one() -> None:
    nested = read({"val": {"loss": 0.5, "top": {5: 0.9}}, "metrics/mAP50-95(B)": 0.25}, metric="val/loss")
    assert nested.metrics == {"val/loss": 0.5, "val/top/5": 0.9, "metrics/mAP50-95(B)": 0.25}
    with pytest.raises(ValueError, match=re.escape("val/loss = 'x' was reported")):
        read({"val": {"loss": "x"}}, metric="val/loss")


def test_names_may_be_of_any_type() -> None:
    result = {"loss": 1, 3: 2, 0: {"f1": 0.5, 1: {None: 0.25}}, None: {"a": 4}, (1, 2): 5}
    assert read(result).metrics == {"loss": 1.0, "3": 2.0, "0/f1": 0.5, "0/1/None": 0.25, "None/a": 4.0, "(1, 2)": 5.0}


def test_names_of_our_columns_are_kept_apart() -> None:
    result = {"epoch": "1/5", "seed": 3, "elapsed_s": "long", "config": {"lr": 0.1}, "loss": 1, "device": "cuda:0"}
    assert read(result) == Reported(
        {"reported/seed": 3.0, "reported/config/lr": 0.1, "loss": 1.0}, epoch=None, elapsed_s=None, device="cuda:0"
    )


def test_what_ray_is_told_stays_what_it_is() -> None:
    read_ = Reader(built_in=False, metric="loss")
    told = read_({"loss": 1.0, DONE: np.bool_(True), SHOULD_CHECKPOINT: 1, "big": np.zeros(10)})
    assert told == {DONE: True, SHOULD_CHECKPOINT: True, REPORT: Reported({"loss": 1.0})}
    assert read_({RESULT_DUPLICATE: True}) == {RESULT_DUPLICATE: True}
    with pytest.raises(TypeError, match=r"^a result is a dict of metrics, got 0\.5$"):
        read_(0.5)


def test_a_built_in_trainable_counts_for_itself() -> None:
    result = {"epoch": 4, "elapsed_s": 2.5, "device": "cpu", "loss": 1.0}
    assert read(result, built_in=True) == Reported({"loss": 1.0}, epoch=4, elapsed_s=2.5, device="cpu")


def test_a_count_of_ones_own_is_taken_where_it_is_asked_for() -> None:
    reader = Reader(built_in=False, metric="loss", time_attr="step")
    epochs = [reader({"loss": 1.0, "step": step})[REPORT].epoch for step in (1, np.int64(3), torch.tensor(10.0))]
    assert epochs == [1, 3, 10]
    for step in (10, 9):
        with pytest.raises(ValueError, match=rf"^step = {step} was reported after 10; "):
            reader({"loss": 1.0, "step": step})


@pytest.mark.parametrize("epoch", ["1/5", None, math.nan, math.inf, 0, -1, -5, 0.5, 10**400, [1]])
def test_a_count_of_ones_own_is_a_whole_number(epoch: Any) -> None:
    with pytest.raises(ValueError, match=r"^epoch = .* was reported; training\.time_attr has to be a whole number"):
        read({"loss": 1.0, "epoch": epoch}, time_attr="epoch")
    with pytest.raises(ValueError, match=r"^epoch = None was reported"):
        read({"loss": 1.0}, time_attr="epoch")


def test_the_driver_finds_the_report_and_what_ray_adds() -> None:
    result = {REPORT: Reported({"loss": 1.0}, epoch=2, device="cpu"), "time_total_s": 3.0, "node_ip": "10.0.0.1"}
    report = to_report(result, "time_total_s")
    assert (report.epoch, report.elapsed_s, report.node, report.device) == (2, 3.0, "10.0.0.1", "cpu")
    assert report.metrics == {"loss": 1.0, "time_total_s": 3.0}
    assert to_report(result, "loss").metrics == {"loss": 1.0}
    assert reported_by(result, "loss") == to_report(result, "loss")
    for nothing in (None, {}, {DONE: True}, {REPORT: Reported({}, epoch=1)}):
        assert reported_by(nothing, "loss") is None
