"""The copying of a study's working copy to shared storage while it runs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hypertune.storage.files import BEST, JOURNAL, MODEL
from hypertune.storage.lease import LeaseLost
from hypertune.storage.patience import storage_patience_s
from hypertune.storage.storage import Storage, StorageError, resume_command, signatures, upload
from hypertune.storage.telling import tell_user

INTERVAL_SECONDS = 2.0
"""Minimal seconds between two copies."""
SHARE = 0.2
"""Maximal share of the time spent copying, in a thread that mostly waits for the network."""
LONGEST_PAUSE_S = 10.0
"""Maximal seconds between two copies, however long the first one took."""
TELL_AFTER_S = 5.0
"""Seconds of waiting for the storage after which the user is told."""


class Mirror:
    """Copies changes in `folder` to `storage` in a thread, from construction until `close`.

    Args:
        check: called before each file is copied; raises `LeaseLost` if somebody else writes to the storage by now,
            after which nothing is copied any more.
        tell: called with a line when the storage stops answering, and when it answers again.
    """

    def __init__(
        self,
        folder: Path,
        storage: Storage,
        *,
        check: Callable[[], None] = lambda: None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.folder, self.storage, self._check = folder, storage, check
        self.known: dict[str, tuple[int, int]] = {}
        self._best: set[str] | None = None
        """Files of the winner that are on the storage."""
        self._tell = tell or tell_user
        self._failing = self._told_waiting = self._lost = False
        self._last, self._copied = -math.inf, threading.Condition()
        self._answered = time.monotonic()
        """When the storage last had everything."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hypertune-mirror", daemon=True)
        self._thread.start()

    def close(self, patience_s: float) -> None:
        """Copies the remaining changes.

        Raises:
            LeaseLost: if somebody else writes to the storage by now.
            ValueError: if the storage does not answer for `patience_s`; names the local folder with the results.
        """
        self._ended.set()
        self._thread.join()
        deadline = self._answered + patience_s
        while not self._copy():
            if time.monotonic() > deadline:
                raise ValueError(
                    f"{self.storage}: the last results could not be copied there; they are in {self.folder}, and "
                    f"{resume_command(self.storage.url)} on this machine continues from them"
                )
            self._tell_waiting(deadline)
            time.sleep(INTERVAL_SECONDS)

    def copied(self, since: float) -> bool:
        """Waits for a copy that began after `since` to succeed; False if the storage has not answered for too long, or
        is another's by now."""
        deadline = self._answered + storage_patience_s()
        with self._copied:
            for limit_s in (TELL_AFTER_S, math.inf):
                left_s = max(deadline - time.monotonic(), 0.0)
                if self._copied.wait_for(lambda: self._lost or self._last > since, timeout=min(limit_s, left_s)):
                    return not self._lost
                self._tell_waiting(deadline)
        return False

    def _tell_waiting(self, deadline: float) -> None:
        left_s = deadline - time.monotonic()
        if not self._told_waiting and left_s > 0:
            self._told_waiting = True
            self._tell(f"{self.storage}: waiting up to {left_s:.0f} s for it to take what has been recorded")

    def _work(self) -> None:
        pause = 0.0
        while not self._ended.wait(max(INTERVAL_SECONDS, pause)):
            began = time.monotonic()
            try:
                self._copy()
            except LeaseLost:
                with self._copied:
                    self._lost = True
                    self._copied.notify_all()
                return
            pause = min((time.monotonic() - began) / SHARE, LONGEST_PAUSE_S)

    def _copy(self) -> bool:
        """Copies once; returns whether it succeeded."""
        began = time.monotonic()
        try:
            self._check()
            if self.folder.is_dir() and any(self.folder.iterdir()):
                self._remove_former()
                upload(self.folder, self.storage, self.known, check=self._check)
            else:
                self._clear()
        except StorageError as error:
            self._note(failing=True, line=f"{error}; continuing, results are kept in {self.folder} meanwhile")
            return False
        self._note(failing=False, line=f"{self.storage}: answers again")
        with self._copied:
            self._last, self._answered, self._told_waiting = began, time.monotonic(), False
            self._copied.notify_all()
        return True

    def _remove_former(self) -> None:
        """Deletes files of a former winner, which the driver has replaced by another's; the weights it removes itself,
        since a worker writes the next ones to the storage."""
        if self._best is None:
            self._best = set(self.storage.files(BEST)) - {MODEL}
        here = {f"{BEST}/{name}" for name in signatures(self.folder / BEST)} - {MODEL}
        for name in self._best - here:
            self._check()
            self.storage.delete(name)
            self._best.remove(name)
            self.known.pop(name, None)
        self._best |= here

    def _clear(self) -> None:
        """Deletes what has been copied of a study that recorded nothing, whose files the driver has removed.

        Raises:
            StorageError: if something had been recorded, so that somebody else has removed them.
        """
        lines = (self.storage.read(JOURNAL.as_posix()) or b"").splitlines()
        if any(b'"event": "planned"' not in line for line in lines):
            raise StorageError(f"{self.folder}: the working copy of {self.storage} has been removed")
        for name in reversed(list(self.known)):  # of what is cut off, the study and its journal are left
            self.storage.delete(name)
            del self.known[name]

    def _note(self, *, failing: bool, line: str) -> None:
        if failing != self._failing:
            self._failing = failing
            self._tell(line)
