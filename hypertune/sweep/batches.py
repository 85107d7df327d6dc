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
    """The epochs granted to running trials beyond their current one.

    Args:
        workers: trials that can run at the same time.
        max_epochs: epochs of a full training.
    """

    def __init__(self, workers: int, max_epochs: int) -> None:
        self._workers, self._max_epochs = workers, max_epochs
        self._ahead: dict[str, int] = {}
        self._step = 1
        """The largest number of epochs seen from one report to the next."""
        self.under_way = 0

    def grant(self, trial_id: str, state: TrialState, *, decision: float, room: float) -> int:
        """The number of reports that the trial may send together next; their epochs are charged now.

        Args:
            decision: the next epoch at which the scheduler may answer with anything but CONTINUE.
            room: epochs that may still be started, before subtracting those granted to this trial.
        """
        reports = max(1, int(self._epochs(state, decision, room) // self._step))
        self._ahead[trial_id] = reports * self._step - 1
        self.under_way += self._ahead[trial_id]
        return reports

    def _epochs(self, state: TrialState, decision: float, room: float) -> float:
        """Epochs up to the next decision, for at most `batch_s`, and using only a small part of the room."""
        if not state.epochs:
            return 1  # the duration of an epoch is not known yet
        quick = batch_s(self._workers) * state.epochs / state.train_s if state.train_s else math.inf
        # Granted epochs that time does not allow any more must not keep other trials from starting.
        share = room / (10 * self._workers)
        return float(min(decision - state.epochs, self._max_epochs - state.epochs, quick, share))

    def reported(self, trial_id: str, epochs: int) -> None:
        """Subtracts granted epochs that have been trained."""
        self._step = max(self._step, epochs)
        ahead = self._ahead.get(trial_id)
        if ahead:
            self._ahead[trial_id] = max(ahead - epochs, 0)
            self.under_way += self._ahead[trial_id] - ahead

    def forget(self, trial_id: str) -> None:
        """Drops the remaining granted epochs of a trial that has ended."""
        self.under_way -= self._ahead.pop(trial_id, 0)
