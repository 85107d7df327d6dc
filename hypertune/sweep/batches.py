"""How many reports a trial sends together.

Usually one. But a trial whose epochs take milliseconds would keep the driver busy with its reports alone. Such a trial
may send several at once if nothing is decided in between, that is, if scheduler and budget would have answered all of
them except the last with CONTINUE.
"""

from __future__ import annotations

import math

from hypertune.sweep.trial import TrialState

ANSWER_S = 0.01
"""Seconds between two reports to the driver, over all trials: Ray Tune takes about 4 ms for each."""
LONGEST_S = 1.0
"""Maximal seconds that a report is held back; too short to notice in a display."""


def batch_s(workers: int) -> float:
    """Maximal seconds of training in one batch; fewer workers load the driver less and so get shorter batches."""
    return min(ANSWER_S * workers, LONGEST_S)


class Batches:
    """The epochs that running trials have been granted beyond the next report of each of them.

    Args:
        workers: trials that can run at the same time.
        max_epochs: epochs of a full training.
    """

    def __init__(self, workers: int, max_epochs: int) -> None:
        self.workers, self._max_epochs = workers, max_epochs
        self._ahead: dict[str, int] = {}
        self.step = 1
        """Epochs from one report to the next, the most that were seen."""
        self.under_way = 0

    def grant(self, trial_id: str, state: TrialState, *, decision: float, room: float) -> int:
        """How many reports the trial may send together next; the epochs of all but the first are charged from now on.

        Args:
            decision: the next epoch at which the scheduler may answer with anything but CONTINUE.
            room: epochs that may still be started, before subtracting those granted to this trial.
        """
        reports = max(1, int(self._epochs(state, decision, room) // self.step))
        self._ahead[trial_id] = (reports - 1) * self.step
        self.under_way += self._ahead[trial_id]
        return reports

    def _epochs(self, state: TrialState, decision: float, room: float) -> float:
        """Epochs up to the next decision, for at most `batch_s`, and using only a small part of the room."""
        if not state.epochs:
            return 1  # the duration of an epoch is not known yet
        quick = batch_s(self.workers) * state.epochs / state.train_s if state.train_s else math.inf
        # Granted epochs that time does not allow any more must not keep other trials from starting.
        share = room / (10 * self.workers)
        return float(min(decision - state.epochs, self._max_epochs - state.epochs, quick, share))

    def reported(self, trial_id: str, epochs: int) -> None:
        """That many of the granted ones have been trained."""
        self.step = max(self.step, epochs)
        ahead = self._ahead.get(trial_id)
        if ahead:
            self._ahead[trial_id] = max(ahead - epochs, 0)
            self.under_way += self._ahead[trial_id] - ahead

    def in_flight(self, running: int) -> int:
        """Epochs that so many running trials train now, and have been granted."""
        return running * self.step + self.under_way

    def most(self, trial_id: str, epochs: int, room: float) -> float:
        """The last epoch that a running trial may report next: its training or the budget ends there."""
        return min(self._max_epochs, epochs + room + self.step + self._ahead.get(trial_id, 0))

    def forget(self, trial_id: str) -> None:
        """Drops the remaining granted epochs of a trial that has ended."""
        self.under_way -= self._ahead.pop(trial_id, 0)
