"""Converts a trainable's results from Ray Tune to reports."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from ray.tune.result import DONE, NODE_IP, TIME_TOTAL_S, TRAINING_ITERATION

from hypertune.sweep.trial import Report


def to_report(result: Mapping[str, Any]) -> Report:
    """Converts a trainable's result; if it does not report `epoch`, Ray's iteration count is used."""
    # Ray's own keys are not metrics, and neither is anything nested or not numeric.
    metrics = {
        name: float(value)
        for name, value in result.items()
        if isinstance(value, Real) and not isinstance(value, bool) and name not in _NOT_METRICS and "/" not in name
    }
    return Report(
        epoch=int(result.get("epoch", result.get(TRAINING_ITERATION, 1))),
        metrics=metrics,
        elapsed_s=float(result.get("elapsed_s", result.get(TIME_TOTAL_S, 0.0))),
        node=result.get(NODE_IP),
        device=result.get("device"),
    )


_NOT_METRICS = frozenset(
    {
        "epoch",
        "elapsed_s",
        "device",
        "done",
        "should_checkpoint",
        "training_iteration",
        "time_total_s",
        "pid",
        "time_this_iter_s",
        "time_since_restore",
        "iterations_since_restore",
        "timestamp",
        "timesteps_total",
        "episodes_total",
        "timesteps_since_restore",
        "checkpoint_dir_name",
        "warmup_time",
    }
)


def reported_by(result: Mapping[str, Any] | None) -> Report | None:
    """The report in a trial's last result, which Ray does not pass to the scheduler if it has `done`."""
    if not result or set(result) <= {DONE, "trial_id"} or TRAINING_ITERATION not in result:
        return None
    report = to_report(result)
    return report if report.metrics else None
