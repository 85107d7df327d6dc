"""Logs every trial as a run in the study's MLflow store: `mlflow ui --backend-store-uri sqlite:///DIR/mlflow.db`."""

from __future__ import annotations

import logging
import math
import re
import time
from pathlib import Path
from typing import Any

from hypertune.tracking.facts import Facts

FLUSH_S = 5.0
"""Minimal seconds between two writes for a running trial; each is a database transaction."""
STATES = {"completed": "FINISHED", "stopped": "FINISHED", "failed": "FAILED", "diverged": "FAILED"}
LONGEST = 6000
"""Characters of a parameter that MLflow takes."""
LONGEST_NAME = 250


class MLflow:
    """One run per trial in `mlflow.db`, in an experiment named after the study; artifacts would go to `mlflow/`."""

    def __init__(self, facts: Facts, out: Path) -> None:
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)  # they log the creation of every table
        self.facts = facts
        self.client: Any = MlflowClient(tracking_uri=f"sqlite:///{(out / 'mlflow.db').resolve()}")
        known = self.client.get_experiment_by_name(facts.study.name)
        place = (out / "mlflow").resolve().as_uri()
        self.experiment = known.experiment_id if known else self.client.create_experiment(facts.study.name, place)
        self._runs: dict[str, str] = {}
        self._waiting: dict[str, list[Any]] = {}
        self._due: dict[str, float] = {}

    def begin(self, trial_id: str) -> None:
        self._run(trial_id)

    def epoch(self, trial_id: str, epoch: int, metrics: dict[str, float]) -> None:
        from mlflow.entities import Metric

        self._run(trial_id)
        now = int(time.time() * 1000)
        # MLflow's SQLite store takes no infinity; a diverged trial is told by its status.
        finite = {_name(name): value for name, value in metrics.items() if not math.isinf(value)}
        self._waiting[trial_id] += [Metric(name, value, now, epoch) for name, value in finite.items()]
        if time.monotonic() >= self._due[trial_id]:
            self._flush(trial_id)

    def end(self, trial_id: str, status: str) -> None:
        run = self._run(trial_id)
        self._flush(trial_id)
        self.client.set_tag(run, "status", status)
        self.client.set_terminated(run, STATES.get(status, "FINISHED"))
        for held in (self._runs, self._waiting, self._due):
            held.pop(trial_id)

    def close(self) -> None:
        for trial_id in self._runs:
            self._flush(trial_id)

    def _flush(self, trial_id: str) -> None:
        waiting, self._waiting[trial_id] = self._waiting[trial_id], []
        self._due[trial_id] = time.monotonic() + FLUSH_S
        for start in range(0, len(waiting), 1000):  # the most that MLflow takes at once
            self.client.log_batch(self._runs[trial_id], metrics=waiting[start : start + 1000])

    def _run(self, trial_id: str) -> str:
        if trial_id not in self._runs:
            self._runs[trial_id] = self._found(trial_id) or self._made(trial_id)
            self._waiting[trial_id], self._due[trial_id] = [], 0.0
        return self._runs[trial_id]

    def _found(self, trial_id: str) -> str | None:
        """The run of a trial that an interrupted attempt has started."""
        runs = self.client.search_runs([self.experiment], f"tags.trial_id = '{trial_id}'", max_results=1)
        return str(runs[0].info.run_id) if runs else None

    def _made(self, trial_id: str) -> str:
        from mlflow.entities import Param

        row = self.facts.row(trial_id)
        tags = {
            "trial_id": trial_id,
            "strategy": row["strategy"],
            "seed": str(row["seed"]),
            "study": self.facts.study.name,
        }
        run = self.client.create_run(self.experiment, run_name=trial_id, tags=tags)
        params = [Param(_name(name), str(value)[:LONGEST]) for name, value in self.facts.flat(trial_id).items()]
        self.client.log_batch(run.info.run_id, params=params)
        return str(run.info.run_id)


def _name(name: str) -> str:
    """A name as MLflow takes it, which is a path of letters, digits and few signs."""
    parts = re.sub(r"[^\w.\- :/]", "_", name)[:LONGEST_NAME].split("/")
    return "/".join(part for part in parts if part.strip(". ")) or "_"
