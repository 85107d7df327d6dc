"""What a trainable reports: read in its own process, and handed over through Ray Tune in hypertune's terms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ray.tune.result import (
    DONE,
    NODE_IP,
    RESULT_DUPLICATE,
    SHOULD_CHECKPOINT,
    TIME_THIS_ITER_S,
    TIME_TOTAL_S,
)
from ray.tune.utils import flatten_dict

from hypertune.study.metrics import column
from hypertune.sweep.trial import Report

REPORT = "hypertune_report"
"""Key of the result under which the driver finds what was reported."""


class Reported(NamedTuple):
    """One report, as it travels: plain values only, so that the driver needs none of the trainable's libraries.

    Attributes:
        epoch: how far the training is; None where reports are counted.
        elapsed_s: seconds trained so far; None to use Ray's clock.
    """

    metrics: dict[str, float]
    epoch: int | None = None
    elapsed_s: float | None = None
    device: str | None = None


class Reader:
    """Reads the reports of one trial in the process that trains it, from its start or its checkpoint on.

    Args:
        built_in: whether the trainable is one of ours, which counts its epochs and seconds itself.
        metric: the study's.
        time_attr: the reported number that says how far the training is; None to count reports.
    """

    def __init__(self, *, built_in: bool, metric: str | None = None, time_attr: str | None = None) -> None:
        self._built_in, self._metric = built_in, metric
        self._time_attr = "epoch" if built_in else time_attr
        self._last = 0

    def __call__(self, result: Any) -> dict[str, Any]:
        """The result with `REPORT` in place of all that Ray Tune does not need to know.

        Raises:
            ValueError: if the study's metric, or what says how far the training is, is not a valid number.
            TypeError: if it is not a dict of metrics.
        """
        if not isinstance(result, Mapping):
            raise TypeError(f"a result is a dict of metrics, got {_short(result)}")
        if RESULT_DUPLICATE in result:
            return dict(result)
        # Nested names are joined by a slash, as in Ray Tune's own `TuneConfig(metric="val/loss")`.
        flat = flatten_dict({str(name): value for name, value in result.items()})
        epoch = self._epoch(flat.get(self._time_attr)) if self._time_attr is not None else None
        elapsed_s, device = number(flat.get("elapsed_s")) if self._built_in else None, flat.get("device")
        own = ("epoch", "elapsed_s", "device") if self._built_in else ()
        metrics = self._metrics({name: value for name, value in flat.items() if name not in (*own, *CONTROLS)})
        report = Reported(metrics, epoch, elapsed_s, device if isinstance(device, str) else None)
        return {**{name: convert(flat[name]) for name, convert in CONTROLS.items() if name in flat}, REPORT: report}

    def _metrics(self, flat: Mapping[str, Any]) -> dict[str, float]:
        numbers = {column(name): number(value) for name, value in flat.items()}
        if self._metric in numbers and numbers[self._metric] is None:
            told = next(value for name, value in flat.items() if column(name) == self._metric)
            raise ValueError(f"{self._metric} = {_short(told)} was reported; the study's metric has to be a number")
        return {name: value for name, value in numbers.items() if value is not None}

    def _epoch(self, value: Any) -> int:
        """How far the training is by its own account."""
        told = number(value)
        if told is None or not math.isfinite(told) or told < 1 or told != int(told):
            raise ValueError(
                f"{self._time_attr} = {_short(value)} was reported; training.time_attr has to be a whole number from 1"
                " on in every report; leave it out to count the reports"
            )
        if told <= self._last:
            raise ValueError(
                f"{self._time_attr} = {int(told)} was reported after {self._last}; training.time_attr has to grow with "
                "every report; leave it out to count the reports"
            )
        self._last = int(told)
        return self._last


def number(value: Any) -> float | None:
    """A number of any type, numpy and torch scalars included, as a float; None for anything else."""
    if hasattr(value, "item"):
        try:
            value = value.item()
        except (TypeError, ValueError, RuntimeError):
            return None  # an array of several numbers
    if not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return None


CONTROLS: dict[str, Callable[[Any], Any]] = {DONE: bool, SHOULD_CHECKPOINT: bool, TIME_THIS_ITER_S: number}
"""What a trainable tells Ray Tune in its results, and as what; no metrics."""


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def to_report(result: Mapping[str, Any], metric: str) -> Report:
    """One result of a trial in hypertune's terms.

    Args:
        metric: the study's, which may also be one of the numbers that Ray Tune adds, such as `time_total_s`.
    """
    reported: Reported = result[REPORT]
    metrics = reported.metrics
    if metric not in metrics and (added := number(result.get(metric))) is not None:
        metrics = {**metrics, metric: added}
    assert reported.epoch is not None  # counted by the worker
    elapsed_s = reported.elapsed_s if reported.elapsed_s is not None else float(result.get(TIME_TOTAL_S, 0.0))
    return Report(reported.epoch, metrics, elapsed_s, result.get(NODE_IP), reported.device)


def reported_by(result: Mapping[str, Any] | None, metric: str) -> Report | None:
    """The report inside a trial's last result, which Ray does not show to the scheduler when it says `done`."""
    if not result or REPORT not in result:
        return None
    report = to_report(result, metric)
    return report if report.metrics else None
