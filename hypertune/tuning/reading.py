"""Reports the progress of reading a study's images to its observers, and stops the reading."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError

from hypertune.records.records import Event

TELL_EVERY_S = 1.0
"""Seconds between two events; shorter readings are not reported."""


class Reading:
    """Called by the reading thread with the number of images read so far and the total.

    Args:
        emit: receives events of the kind `reading`, in that thread.
        clock: seconds since some fixed moment.
    """

    def __init__(self, emit: Callable[[Event], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._emit, self._clock = emit, clock
        self._due = clock() + TELL_EVERY_S
        self._stopped = False

    def __call__(self, done: int, images: int) -> None:
        """Reports to the observers now and then.

        Raises:
            CancelledError: after `stop`.
        """
        if self._stopped:
            raise CancelledError
        if self._clock() >= self._due:
            self._due = self._clock() + TELL_EVERY_S
            self._emit({"event": "reading", "done": done, "images": images})

    def stop(self) -> None:
        """Ends the reading at its next image."""
        self._stopped = True


def reading_line(event: Event) -> str:
    """The progress line of an event of the kind `reading`."""
    return f"reading images: {event['done']:,} of {event['images']:,}"
