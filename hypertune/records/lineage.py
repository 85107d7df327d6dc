"""Which trials were forked from another's checkpoint, and with which configurations their weights were trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypertune.space.space import Config

Schedule = Sequence[tuple[int, Config]]
"""Configurations by the first epoch that uses them; empty for a trial that was not forked."""


class Lineage:
    """The parents of forked trials, from the journal's events."""

    def __init__(self) -> None:
        self._parents: dict[str, Mapping[str, Any]] = {}

    def note(self, event: Mapping[str, Any]) -> None:
        """Notes the start of a trial."""
        if "parent" in event:
            self._parents[event["trial_id"]] = event["parent"]

    def inherited(self, trial_id: str) -> tuple[int, float]:
        """Epochs and seconds of training that the trial inherited; zero unless it is a fork."""
        parent = self._parents.get(trial_id)
        return (parent["epoch"], parent["elapsed_s"]) if parent else (0, 0.0)

    def schedule(self, trial_id: str, configs: Mapping[str, Config]) -> Schedule:
        """The configurations with which the trial's weights were trained, its ancestors' first."""
        steps: list[tuple[int, Config]] = []
        while (parent := self._parents.get(trial_id)) is not None:
            steps.append((parent["epoch"] + 1, configs[trial_id]))
            trial_id = parent["trial_id"]
        return [(1, configs[trial_id]), *reversed(steps)] if steps else ()

    def schedules(self, configs: Mapping[str, Config]) -> dict[str, Schedule]:
        """The schedules of all forked trials."""
        return {trial_id: self.schedule(trial_id, configs) for trial_id in self._parents}
