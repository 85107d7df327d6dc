"""What Ray Tune hands over of a trainable's results, in hypertune's terms."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from ray.tune.result import DONE, NODE_IP, TIME_TOTAL_S, TRAINING_ITERATION

from hypertune.sweep.trial import Report


def to_report(result: Mapping[str, Any]) -> Report:
    """One result of a trainable in hypertune's terms; an `epoch` it does not report is Ray's iteration count."""
    # Ray's own keys are neither metrics nor interesting; what is nested or no number is not a metric either.
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
    """The report inside a trial's last result, which Ray does not show to the scheduler when it says `done`."""
    if not result or set(result) <= {DONE, "trial_id"} or TRAINING_ITERATION not in result:
        return None
    report = to_report(result)
    return report if report.metrics else None
