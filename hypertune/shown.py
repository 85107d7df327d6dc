"""What `compare` shows in Python while a study runs, and after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from hypertune.storage.files import REPORT
from hypertune.storage.storage import Place, inside
from hypertune.study.study import Study

if TYPE_CHECKING:
    from hypertune.result import Result
    from hypertune.tuning.display import Progress


def display_of(study: Study, place: Place, *, shown: bool) -> AbstractContextManager[Progress | None]:
    """A display of the study's progress in the notebook's cell or on stderr, or none."""
    if not shown:
        return nullcontext()
    from hypertune.tuning.display import Progress, target_here
    from hypertune.tuning.notebook import Cell

    target, picture = target_here(), None
    if isinstance(target, Cell):
        from hypertune.report.live_curve import LiveCurve

        picture = LiveCurve(study)
    epoch = f"; {study.epoch()}" if study.epoch() else ""
    title = f"{study.name}: {study.outline()}{epoch}; results go to {place}"
    return Progress(study, target, title=title, picture=picture)


def closing(result: Result) -> Iterator[str]:
    """The last lines of a display."""
    from hypertune.comparison.assessment import assess
    from hypertune.comparison.failures import told_failures
    from hypertune.comparison.wording import sentences

    yield sentences(assess(result.records))[0]
    yield from told_failures(result.records, str(result.place))
    yield f"Report: {inside(result.place or result.folder, REPORT)}"
    if result.interrupted:
        told = "Fix the trainable, then resume" if result.records.gave_up else "Interrupted. Resume"
        yield f'{told} with: compare(out="{result.place}", resume=True)'
