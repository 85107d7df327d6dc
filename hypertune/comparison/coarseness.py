"""How coarse an accuracy is, given the number of images it was measured on."""

from __future__ import annotations

from hypertune.comparison.numbers import number
from hypertune.records.records import Records

FEW_IMAGES = 100
"""Below this many validation images, a single one weighs so much that the conclusion says so."""


def validation_images(records: Records) -> int | None:
    """Size of the validation split; None where it is not recorded: other trainables, simulations, older studies."""
    images = records.provenance.get("images")
    count = images.get("valid") if isinstance(images, dict) else None
    return count if isinstance(count, int) and count > 0 else None


def coarseness(records: Records) -> str:
    """A sentence on the resolution of the study's validation accuracy; empty if it is unknown."""
    count = validation_images(records)
    if count is None or records.study.metric != "valid_accuracy":
        return ""
    return (
        f"The validation split has {count:,} image{'s' * (count != 1)}: one image is {number(1 / count, 3)} of "
        "valid_accuracy, the least by which two trainings can differ."
    )


def coarse(records: Records) -> list[str]:
    """That sentence, if the split is small enough for the conclusion to mention it."""
    count = validation_images(records)
    sentence = coarseness(records)
    return [sentence] if sentence and count is not None and count < FEW_IMAGES else []
