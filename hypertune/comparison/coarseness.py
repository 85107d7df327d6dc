"""How coarse an accuracy is that so many images were counted for."""

from __future__ import annotations

from hypertune.comparison.numbers import number
from hypertune.records.records import Records

FEW_IMAGES = 100
"""Validation images below which one of them weighs so much that the conclusion speaks of it."""


def validation_images(records: Records) -> int | None:
    """Size of the validation split; None where it is not recorded: other trainables, simulations, older studies."""
    images = records.provenance.get("images")
    count = images.get("valid") if isinstance(images, dict) else None
    return count if isinstance(count, int) and count > 0 else None


def coarseness(records: Records) -> str:
    """The step in which the study's validation accuracy is counted; empty where that is not known."""
    count = validation_images(records)
    if count is None or records.study.metric != "valid_accuracy":
        return ""
    return (
        f"The validation split has {count:,} image{'s' * (count != 1)}: one image is {number(1 / count, 3)} of "
        "valid_accuracy, the least by which two trainings can differ."
    )


def coarse(records: Records) -> list[str]:
    """That sentence, where the split is so small that the conclusion has to have it."""
    count = validation_images(records)
    sentence = coarseness(records)
    return [sentence] if sentence and count is not None and count < FEW_IMAGES else []
