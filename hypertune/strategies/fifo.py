"""First in, first out: every trial trains to the end."""

from __future__ import annotations

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from hypertune.space import Space
from hypertune.strategies.plugin import scheduler


@scheduler(summary="every trial trains to max_epochs, in order", fidelities=False)
def fifo(space: Space, *, metric: str, mode: str, seed: int, max_epochs: int) -> TrialScheduler:
    """Ray Tune's own `FIFOScheduler`, unchanged."""
    return FIFOScheduler()
