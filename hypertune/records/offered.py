"""The workers that a sweep had over time, on a cluster that grows and shrinks."""

from __future__ import annotations


class Offered:
    """Workers by time; seconds are wall-clock, since the sweep began."""

    def __init__(self, workers: int) -> None:
        self._now, self._since_s, self._worker_s = workers, 0.0, 0.0

    def change(self, workers: int, wall_s: float) -> None:
        """From `wall_s` on there are so many workers."""
        self._worker_s += self._now * (wall_s - self._since_s)
        self._now, self._since_s = workers, wall_s

    def mean(self, wall_s: float) -> float:
        """The mean number of workers up to `wall_s`; a whole number where it has never changed."""
        if not self._since_s or not wall_s:
            return self._now
        return (self._worker_s + self._now * (wall_s - self._since_s)) / wall_s
