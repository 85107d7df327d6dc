"""First in, first out: every trial trains to the end."""

from __future__ import annotations

import math

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from hypertune.space.space import Space
from hypertune.strategies.plugin import scheduler


class FifoScheduler(FIFOScheduler):
    """Ray Tune's FIFO scheduler, which makes no decisions."""

    def next_decision(self, trial_id: str, epoch: int) -> float:
        """Never."""
        return math.inf


@scheduler(summary="every trial trains to max_epochs, in order", fidelities=False)
def fifo(space: Space, *, metric: str, mode: str, seed: int, max_epochs: int) -> TrialScheduler:
    """No trial is stopped or paused."""
    return FifoScheduler()
