"""The protocol of a sink that logs trials, and the facts about trials that it may read."""

from __future__ import annotations

from typing import Any, Protocol

from hypertune.records.records import Book
from hypertune.space.space import flatten
from hypertune.study.study import Study


class Sink(Protocol):
    """A sink that logs trials; it opens a trial at its first event, which may be in the middle of the trial."""

    def begin(self, trial_id: str) -> None: ...
    def epoch(self, trial_id: str, epoch: int, metrics: dict[str, float]) -> None: ...
    def end(self, trial_id: str, status: str) -> None: ...
    def close(self) -> None: ...


class Facts:
    """Facts about trials for sinks; the recorder has handled every event before a sink receives it."""

    def __init__(self, study: Study, book: Book) -> None:
        self.study, self._book = study, book

    def row(self, trial_id: str) -> dict[str, Any]:
        """The trial's row of `trials.csv` so far, without its configuration."""
        return self._book.trials[trial_id]

    def config(self, trial_id: str) -> dict[str, Any]:
        """The whole configuration: the study's constants and the searched hyperparameters."""
        return {**self.study.training.config, **self._book.configs[trial_id]}

    def flat(self, trial_id: str) -> dict[str, Any]:
        """The flattened configuration, with strategy and other fields that identify a run."""
        row = self.row(trial_id)
        return {"strategy": row["strategy"], "seed": row["seed"], **flatten(self.config(trial_id))}
