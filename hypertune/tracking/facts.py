"""What a place where trials are kept is told of them, and what it has to offer."""

from __future__ import annotations

from typing import Any, Protocol

from hypertune.records.records import Book
from hypertune.space.space import flatten
from hypertune.study.study import Study


class Sink(Protocol):
    """One place where trials are kept; it opens a trial when it first hears of it, also in the midst of one."""

    def begin(self, trial_id: str) -> None: ...
    def epoch(self, trial_id: str, epoch: int, metrics: dict[str, float]) -> None: ...
    def end(self, trial_id: str, status: str) -> None: ...
    def close(self) -> None: ...


class Facts:
    """What a sink may ask of a trial; the recorder has taken in every event before a sink hears of it."""

    def __init__(self, study: Study, book: Book) -> None:
        self.study, self._book = study, book

    def row(self, trial_id: str) -> dict[str, Any]:
        """The trial's row of `trials.csv` so far, less its configuration."""
        return self._book.trials[trial_id]

    def config(self, trial_id: str) -> dict[str, Any]:
        """The whole configuration: the study's constants and what was searched."""
        return {**self.study.training.config, **self._book.configs[trial_id]}

    def flat(self, trial_id: str) -> dict[str, Any]:
        """The configuration on one level, with what else a run is told apart by."""
        row = self.row(trial_id)
        return {"strategy": row["strategy"], "seed": row["seed"], **flatten(self.config(trial_id))}
