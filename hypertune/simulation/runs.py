"""A trial on a virtual worker: its progress, the duration of its next epoch, and its failures."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypertune.simulation.costs import Costs
from hypertune.simulation.lookup import Curve
from hypertune.sweep.trial import Report

DEVICE = "virtual"
NOWHERE = -1


class Run:
    """One trial's training.

    Args:
        trial: the trial object that the scheduler sees.
        curve: its reports, and the duration of each epoch on the recording machine.
        chance: random generator for stragglers and failures; None if there are none.
    """

    __slots__ = (
        "chance", "costs", "curve", "deaths", "elapsed_s", "epoch", "node", "slow", "trial", "unreported", "worker",
    )  # fmt: skip

    def __init__(self, trial: Any, curve: Curve, costs: Costs, chance: np.random.Generator | None) -> None:
        self.trial, self.curve, self.costs, self.chance = trial, curve, costs, chance
        self.epoch, self.elapsed_s, self.deaths = 0, 0.0, 0
        self.worker, self.slow, self.node = NOWHERE, 1.0, ""
        self.unreported: list[Report] = []
        """Reports of the epochs that have been trained since the driver was told last."""

    def enter(self, worker: int) -> float:
        """Occupies a worker; returns the seconds until training begins there."""
        costs = self.costs
        self.worker, self.node = worker, f"worker_{worker}"
        self.slow = 1.0 / costs.speeds[worker % len(costs.speeds)]
        if self.chance is not None and self.chance.random() < costs.straggler_share:
            self.slow *= costs.straggler_factor
        return costs.start_s + (costs.resume_s if self.epoch else 0.0)

    def leave(self) -> int:
        """Releases the worker and returns it."""
        worker, self.worker = self.worker, NOWHERE
        return worker

    @property
    def failed(self) -> bool:
        """Whether the trial's worker has died too often."""
        return self.deaths > self.costs.retries

    def train(self, reports: int, limit_s: float) -> float:
        """Trains the epochs of the reports that are sent together; returns the seconds that it takes, or those until
        the trial has failed.

        Args:
            reports: at most so many.
            limit_s: no further epoch begins after so many seconds.
        """
        self.unreported = []
        took = self._epoch()
        while not self.failed and len(self.unreported) < reports and took < limit_s:
            took += self._epoch()
        return took

    def _epoch(self) -> float:
        """Trains one epoch; returns the seconds until its end, or until the trial has failed."""
        seconds = self.curve.seconds.item(self.epoch) * self.slow
        lost = 0.0
        if self.chance is not None and self.costs.failures_per_hour:
            lost = self._deaths(seconds, self.chance)
            if self.failed:
                return lost
        self.epoch += 1
        self.elapsed_s += seconds
        metrics = dict(zip(self.curve.names, self.curve.rows[self.epoch - 1].tolist(), strict=True))
        self.unreported.append(Report(self.epoch, metrics, self.elapsed_s, self.node, DEVICE))
        return lost + seconds

    def _deaths(self, seconds: float, chance: np.random.Generator) -> float:
        """Seconds lost to deaths of the worker during an epoch of this length, which is then trained again."""
        lost = 0.0
        while (death := chance.exponential(3600 / self.costs.failures_per_hour)) < seconds:
            self.deaths += 1
            lost += death
            if self.failed:
                break
            lost += self.costs.restart_s + self.costs.start_s + self.costs.resume_s
        return lost

    def origin(self) -> str:
        """The origin of its values, one of `ORIGINS`."""
        known = self.curve.known
        return ORIGINS[1] if not known else ORIGINS[0] if self.epoch <= known else ORIGINS[2]


ORIGINS = ("recorded", "estimated", "continued_beyond_their_recording")
