"""The weights of a study's winner: never those of an earlier one, in its output folder as on shared storage."""

from __future__ import annotations

from functools import partial

from hypertune.records.records import Book
from hypertune.storage.files import MODEL
from hypertune.storage.patience import patiently
from hypertune.storage.storage import StorageError, resume_command
from hypertune.storage.workspace import Workspace
from hypertune.sweep.trial import StorageLost
from hypertune.tuning.removed import check_ours


class Weights:
    """`best/model.pt` of a study, which the worker that retrains the winner writes.

    Attributes:
        place: its path or URL, as that worker reaches it.

    Raises:
        StorageLost: from `remove` and `settle`, if shared storage has not answered for too long.
    """

    def __init__(self, work: Workspace, book: Book) -> None:
        self._work, self._book = work, book
        self._path = work.folder / MODEL
        self.place = work.storage.url_of(MODEL) if work.storage else str(self._path.resolve())

    def are_of(self, trial_id: str) -> bool:
        """Whether they are there and this trial's, or its retraining has diverged, so that there are none."""
        exists, model = self._path.exists(), self._book.model
        if model is None:  # an older journal does not say whose they are
            return exists
        return model["trial_id"] == trial_id and (exists or model["status"] == "diverged")

    def remove(self) -> None:
        """Removes them, as an earlier winner's."""
        check_ours(self._work)
        self._path.unlink(missing_ok=True)
        if self._work.storage is not None:
            self._patiently(partial(self._work.storage.delete, MODEL))

    def settle(self, winner: str | None) -> None:
        """At the end of a run: copies the weights of this trial into the folder, and removes any other's."""
        model = self._book.model
        if model is not None and model["trial_id"] != winner:
            self.remove()
        elif self._work.storage is not None and not self._path.exists():
            self._patiently(partial(self._work.storage.download, self._work.folder, [MODEL]))

    def _patiently(self, call: partial[None]) -> None:
        try:
            patiently(call, self._work.place, errors=(StorageError,))
        except StorageError as error:
            raise StorageLost(
                f"{error}; what was recorded is safe; resume with: {resume_command(self._work.place)}"
            ) from None
