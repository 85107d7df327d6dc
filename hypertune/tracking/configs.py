"""Logs every trial's configuration as a TOML file with time stamps."""

from __future__ import annotations

from pathlib import Path

import tomli_w

from hypertune.space.values import to_toml
from hypertune.storage.files import write_atomically
from hypertune.tracking.facts import Facts


class ConfigFiles:
    """Writes `TRIAL.toml` when a trial begins and again, with its results, when it ends."""

    def __init__(self, facts: Facts, folder: Path) -> None:
        self.facts, self.folder = facts, folder

    def begin(self, trial_id: str) -> None:
        self._write(trial_id)

    def epoch(self, trial_id: str, epoch: int, metrics: dict[str, float]) -> None:
        """Does nothing: the curves are in curves.parquet."""

    def end(self, trial_id: str, status: str) -> None:
        self._write(trial_id)

    def close(self) -> None:
        """Does nothing: no file is kept open."""

    def _write(self, trial_id: str) -> None:
        row, study = self.facts.row(trial_id), self.facts.study
        wanted = (
            "started_at",
            "ended_at",
            "strategy",
            "seed",
            "status",
            "epochs",
            "best_epoch",
            study.metric,
            "train_s",
        )
        # Unknown values are left out: TOML has no null, and 0 would be wrong.
        known = {name: row[name] for name in wanted if row.get(name) is not None}
        facts = {"trial_id": trial_id, "study": study.name, **known, "config": self.facts.config(trial_id)}
        write_atomically(self.folder / f"{trial_id}.toml", tomli_w.dumps(to_toml(facts)))
