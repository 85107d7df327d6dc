"""How many reports a trial sends together.

One, as a rule. A trial whose epochs take milliseconds would keep the driver busy with nothing but its reports. It may
send several at once as long as nothing is decided in between: neither scheduler nor budget would have answered any of
them but the last with anything else than to go on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypertune.sweep.sweep import Sweep

ANSWER_S = 0.01
"""Seconds between two answers to the driver, of whichever trial: Ray Tune takes some four milliseconds for each."""
LONGEST_S = 1.0
"""Seconds that a report waits at most: nobody who watches sees the difference."""


def batch_s(workers: int) -> float:
    """Seconds of training that one batch holds at most, the shorter the fewer trials keep the driver busy."""
    return min(ANSWER_S * workers, LONGEST_S)


class Batches:
    """The epochs that running trials have been granted beyond the one each of them is in."""

    def __init__(self) -> None:
        self._ahead: dict[str, int] = {}
        self._step = 1
        """Epochs from one report to the next, the most that were seen."""
        self.under_way = 0

    def grant(self, sweep: Sweep, trial_id: str) -> int:
        """How many reports the trial may send together next; their epochs are charged from now on."""
        self.forget(trial_id)
        reports = max(1, int(_epochs(sweep, trial_id) // self._step))
        self._ahead[trial_id] = reports * self._step - 1
        self.under_way += self._ahead[trial_id]
        return reports

    def reported(self, trial_id: str, epochs: int) -> None:
        """That many of the granted ones have been trained."""
        self._step = max(self._step, epochs)
        ahead = self._ahead.get(trial_id)
        if ahead:
            self._ahead[trial_id] = max(ahead - epochs, 0)
            self.under_way += self._ahead[trial_id] - ahead

    def forget(self, trial_id: str) -> None:
        """What the trial has not trained of them it will not train."""
        self.under_way -= self._ahead.pop(trial_id, 0)


def _epochs(sweep: Sweep, trial_id: str) -> float:
    """Up to the next decision, for at most `batch_s`, and in no more than a small part of the room."""
    state = sweep.trials[trial_id]
    if not state.epochs:
        return 1  # how long one takes is not known yet
    upcoming = getattr(sweep.scheduler, "next_decision", None)
    decided = upcoming(trial_id, state.epochs) if upcoming else state.epochs + 1
    quick = batch_s(sweep.workers) * state.epochs / state.train_s if state.train_s else math.inf
    # Granted epochs that are trained no more because time is up must not keep other trials from starting.
    share = sweep.room() / (10 * sweep.workers)
    return float(min(decided - state.epochs, sweep.study.training.max_epochs - state.epochs, quick, share))
