"""Logs every trial's curves for TensorBoard: `tensorboard --logdir DIR/tensorboard`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

from hypertune.tracking.facts import Facts

FLUSH_S = 5
"""Seconds between flushes, after which a running TensorBoard sees new values."""


class TensorBoard:
    """One folder of event files per trial; its hyperparameters are in TensorBoard's tab for these."""

    def __init__(self, facts: Facts, folder: Path) -> None:
        self.facts, self.folder = facts, folder
        self._open: dict[str, Any] = {}

    def begin(self, trial_id: str) -> None:
        self._writer(trial_id)

    def epoch(self, trial_id: str, epoch: int, metrics: dict[str, float]) -> None:
        writer = self._writer(trial_id)
        for name, value in metrics.items():
            writer.add_scalar(name, value, epoch)

    def end(self, trial_id: str, status: str) -> None:
        writer, metric = self._writer(trial_id), self.facts.study.metric
        best = self.facts.row(trial_id).get(metric)
        if best is not None and math.isfinite(best):
            # The tab's best value has its own name, so that it does not mix with the curve of that metric.
            for summary in hparams(_plain(self.facts.flat(trial_id)), {f"best/{metric}": best}):
                writer.file_writer.add_summary(summary)
            writer.add_scalar(f"best/{metric}", best, self.facts.row(trial_id)["best_epoch"])
        self._open.pop(trial_id).close()

    def close(self) -> None:
        for trial_id in list(self._open):
            self._open.pop(trial_id).close()

    def _writer(self, trial_id: str) -> Any:
        if trial_id not in self._open:
            place = self.folder / trial_id
            # Files are named by the second; a resume within a second would overwrite the first attempt's.
            attempt = sum(1 for _ in place.glob("events.*"))
            self._open[trial_id] = SummaryWriter(str(place), flush_secs=FLUSH_S, filename_suffix=f".{attempt}")
        return self._open[trial_id]


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Converts values to the types of TensorBoard's hyperparameters: numbers, booleans and text."""
    return {name: value if isinstance(value, bool | int | float | str) else repr(value)
            for name, value in config.items()}  # fmt: skip
