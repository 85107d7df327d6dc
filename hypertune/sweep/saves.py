"""The checkpoints of a sweep's trials, from which forks start."""

from __future__ import annotations

from collections.abc import Collection

from hypertune.sweep.trial import Checkpoint, CheckpointMissing, Fork, View


class Saves:
    """The last checkpoint of each live trial; earlier ones, and those of trials that have ended, are deleted."""

    def __init__(self, strategy: str) -> None:
        self._strategy = strategy
        self._last: dict[str, Checkpoint] = {}

    def add(self, trial_id: str, checkpoint: Checkpoint) -> None:
        self._last[trial_id] = checkpoint

    def forget(self, trial_id: str) -> None:
        """Removes a trial that has ended."""
        self._last.pop(trial_id, None)

    def has(self, trial_id: str, epoch: int) -> bool:
        return trial_id in self._last and self._last[trial_id].epoch == epoch

    def of(self, fork: Fork) -> Checkpoint:
        """The checkpoint from which the fork starts."""
        return self._last[fork.parent_id]

    def ready(self, fork: Fork, view: View, paused: Collection[str]) -> bool:
        """Whether the fork can start; False while its parent, one of the `paused` trials, is being saved.

        Raises:
            CheckpointMissing: if the parent left no checkpoint.
        """
        if self.has(fork.parent_id, fork.epoch):
            return True
        # For the driver a trial is PAUSED once its state is saved, for the sweep as soon as that was decided.
        saving = {trial.trial_id for trial in view.get_trials() if trial.status != "PAUSED"}.intersection(paused)
        if fork.parent_id in saving:
            return False
        raise CheckpointMissing(
            f"study.strategies: {self._strategy} needs a trainable that saves checkpoints; "
            f"{fork.parent_id} left none after epoch {fork.epoch}"
        )
