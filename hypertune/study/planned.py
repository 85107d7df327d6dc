"""What a study file's tables say about strategies, options and budget, with a design of experiments and without."""

from __future__ import annotations

from typing import Any

from hypertune.space.space import Space
from hypertune.study.design import Design
from hypertune.study.file import Budget, StudyFile


def plan(design: Design, space: Space) -> dict[str, Any]:
    """The fields of a study that follow from its design: strategies, their options, and the budget for all cells.

    Raises:
        ValueError: if the space or the baseline does not make a design.
    """
    try:
        cells = design.cells(space).size
    except ValueError as error:
        raise ValueError(f"design: {error}") from None
    return {"strategies": (design.kind,), "options": {design.kind: design.options}, "budget": Budget(trials=cells)}


def planned(file: StudyFile, space: Space) -> dict[str, Any]:
    if file.design is None:
        names = tuple(file.study.strategies or ())
        return {"strategies": names, "budget": file.study.budget, "options": file.strategies}
    if file.strategies:
        raise ValueError(f"strategies.{next(iter(file.strategies))}: not allowed with a [design]; leave it out")
    return plan(file.design, space)
