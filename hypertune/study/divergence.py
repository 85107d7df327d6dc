"""Which reported numbers tell that training has diverged."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from hypertune.study.study import Study

LOSSES = ("train_loss", "valid_loss", "test_loss")
"""What built-in trainables report besides the metric that shows whether training has diverged."""


def finite_ones(study: Study, reported: Collection[str]) -> list[str]:
    """The numbers that are finite unless training has diverged: the study's metric, and of a built-in trainable (only
    those have a data set) its losses, since weights that are no numbers still have an accuracy."""
    losses = [name for name in LOSSES if name in reported and name != study.metric]
    return [study.metric, *losses] if study.training.dataset is not None else [study.metric]


def value_of(study: Study, metrics: Mapping[str, float]) -> float | None:
    """The study's metric in what an epoch has reported; None if training has diverged."""
    finite = all(math.isfinite(metrics[name]) for name in finite_ones(study, metrics))
    return metrics[study.metric] if finite else None
