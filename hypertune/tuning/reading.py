"""How far the reading of a study's images is, for its observers; and how it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError

from hypertune.records.records import Event

TELL_EVERY_S = 1.0
"""Seconds between two events; images that are read faster are not spoken of."""


class Reading:
    """Called by the thread that reads, with the number of images read so far and that of all.

    Args:
        emit: gets events of the kind `reading`, from that thread.
        clock: seconds since some fixed moment.
    """

    def __init__(self, emit: Callable[[Event], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._emit, self._clock = emit, clock
        self._due = clock() + TELL_EVERY_S
        self._stopped = False

    def __call__(self, done: int, images: int) -> None:
        """Tells the observers now and then.

        Raises:
            CancelledError: once it has been stopped.
        """
        if self._stopped:
            raise CancelledError
        if self._clock() >= self._due:
            self._due = self._clock() + TELL_EVERY_S
            self._emit({"event": "reading", "done": done, "images": images})

    def stop(self) -> None:
        """Lets the reading end with its next image."""
        self._stopped = True


def reading_line(event: Event) -> str:
    """An event of the kind `reading` in words."""
    return f"reading images: {event['done']:,} of {event['images']:,}"
