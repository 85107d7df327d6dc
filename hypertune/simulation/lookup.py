"""Looks up the learning curve of a suggested configuration: its own recording, or else the nearest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hypertune.simulation.columns import TEST, searched_names
from hypertune.simulation.coordinates import Coordinates
from hypertune.simulation.recordings import Recordings
from hypertune.space.space import Config
from hypertune.study.study import Study

Floats = NDArray[np.float64]

SAME = 1e-9
"""Squared distance below which two configurations are the same except for rounding."""
MOST_HELD_OUT = 2000
"""Number of configurations in the held-out error."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The learning curve of one simulated trial.

    Attributes:
        names: the reported metrics.
        rows: their values, shape (E, metrics); E is `max_epochs` unless the training diverges earlier.
        seconds: training seconds of each epoch, shape (E,).
        known: number of epochs recorded for this configuration itself; 0 for an estimate.
    """

    names: tuple[str, ...]
    rows: Floats
    seconds: Floats
    known: int


class Source(Protocol):
    """Provides the learning curves of configurations."""

    def curve(self, config: Config, seed: int, strategy: str = "") -> Curve:
        """The learning curve of a configuration in a sweep of this strategy and seed."""

    def test_scores(self, config: Config, seed: int, epoch: int) -> dict[str, float]:
        """The `test_...` metrics at one epoch; empty where none were recorded."""

    def description(self) -> Mapping[str, Any]:
        """The method, and its error on held-out configurations."""


class Nearest:
    """The curve of a configuration is its own recording, or else that of the nearest recorded configuration.

    Several recordings of a configuration represent its noise. In all its trials, a sweep uses the recording of its own
    seed and strategy, else of its own seed, else of its seed modulo their number; of a design, else one that no other
    seed uses. A recording that was stopped early is used for its own configuration only. It is extended by another
    recording of that configuration, or by the nearest full one, shifted to start where it stopped.
    """

    method = "nearest"

    def __init__(self, recordings: Recordings, study: Study) -> None:
        self.recordings, self.study = recordings, study
        self.coordinates = Coordinates(study.space)
        self.points = self.coordinates.points(recordings.configs)
        self._squares = (self.points**2).sum(axis=1)
        # Fortran order makes the product with one point three times as fast.
        self._doubled = np.asfortranarray(-2.0 * self.points)
        self._of: list[list[int]] = [[] for _ in recordings.configs]
        for r in np.argsort(recordings.seeds, kind="stable").tolist():
            self._of[recordings.config_of[r]].append(r)
        self.names = searched_names(recordings.names, study.metric)
        columns = [recordings.names.index(name) for name in self.names]
        self.values = np.ascontiguousarray(recordings.values[:, :, columns])
        self.epochs = self.values.shape[1]
        self._full: list[bool] = recordings.full.tolist()
        self._complete: list[bool] = recordings.complete.tolist()
        complete = self._configs_with(recordings.complete)
        self._unless_complete = None if complete.all() else np.where(complete, 0.0, np.inf)
        full = self._configs_with(recordings.full)
        self.full = np.flatnonzero(full)
        """Indices of the configurations that were trained to the end."""
        self._unless_full = np.where(full, 0.0, np.inf)

    def curve(self, config: Config, seed: int, strategy: str = "") -> Curve:
        """The configuration's own recording, or the method's estimate."""
        point, distances = self._distances(config)
        k = int(distances.argmin())
        if distances[k] + point @ point < SAME:
            return self._recorded(k, distances, seed, strategy)
        if self._unless_complete is not None:
            k = int((distances + self._unless_complete).argmin())
        return self.estimate(k, point, distances, seed)

    def estimate(self, k: int, point: Floats, distances: Floats, seed: int) -> Curve:
        """The curve of a configuration that was not recorded.

        Args:
            k: index of the nearest recorded configuration.
            point: its coordinates, shape (F,).
            distances: its squared distances to all recorded configurations, less its own square, shape (K,).
        """
        rows, seconds = self._of_recording(self._pick(k, seed))
        return Curve(self.names, rows, seconds, 0)

    def test_scores(self, config: Config, seed: int, epoch: int) -> dict[str, float]:
        """The test metrics of the nearest recording that is long enough."""
        _, distances = self._distances(config)
        for k in np.argsort(distances, kind="stable").tolist():
            r = self._pick(k, seed)
            if self.recordings.lengths[r] >= epoch:
                scores = zip(self.recordings.names, self.recordings.values[r, epoch - 1].tolist(), strict=True)
                return {name: score for name, score in scores if name.startswith(TEST)}
        return {}

    def repeats(self, config: Config) -> list[int]:
        """The recordings of exactly this configuration that were trained to the end or diverged, one per seed."""
        point, distances = self._distances(config)
        k = int(distances.argmin())
        return self._repeats(k) if distances[k] + point @ point < SAME else []

    def description(self) -> dict[str, Any]:
        return {"lookup": self.method, "held_out": self.held_out}

    @cached_property
    def held_out(self) -> dict[str, float]:
        """The error of predicting each configuration by its nearest neighbour."""
        finals, points = self.finals(), self.points[self.full]
        sample = np.random.default_rng(0).permutation(len(points))[:MOST_HELD_OUT]
        predicted = [finals[nearest_others(points, i, 1)[0]] for i in sample.tolist()] if len(points) > 1 else []
        return error_of(np.array(predicted), finals[sample])

    def finals(self) -> Floats:
        """The study's metric after the last epoch, averaged over the recordings of each configuration in `full`."""
        j = self.names.index(self.study.metric)
        return np.array([self.values[self._fully(k), -1, j].mean() for k in self.full.tolist()])

    def _fully(self, k: int) -> list[int]:
        """The recordings of configuration `k` that were trained to the end."""
        return [r for r in self._of[k] if self._full[r]]

    def _configs_with(self, recorded: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which configurations have a recording selected by `recorded`, shape (K,)."""
        return np.bincount(self.recordings.config_of[recorded], minlength=len(self.recordings.configs)) > 0

    def _distances(self, config: Config) -> tuple[Floats, Floats]:
        """The configuration's point, and its squared distances to all recorded ones less its own square, shape (K,)."""
        point = np.array(self.coordinates.point(config))
        distances: Floats = self._doubled @ point
        distances += self._squares
        return point, distances

    def _pick(self, k: int, seed: int) -> int:
        """The recording of configuration `k` that a sweep of this seed uses; a complete one if available."""
        candidates = self._of[k]
        if len(candidates) == 1:
            return candidates[0]
        if self.study.design is not None and seed in (turns := self._turns(k)):
            return turns[seed]
        candidates = [r for r in candidates if self._complete[r]] or candidates
        own = [r for r in candidates if self.recordings.seeds[r] == seed]
        return max(own, key=self._length) if own else candidates[seed % len(candidates)]

    def _repeats(self, k: int) -> list[int]:
        return list({int(self.recordings.seeds[r]): r for r in self._of[k] if self._complete[r]}.values())

    def _turns(self, k: int) -> dict[int, int]:
        """Seed of the study to recording of configuration `k`, none of which is used twice; some seeds may have none.

        Seeds that share a recording would count as repetitions that never were.
        """
        free = {int(self.recordings.seeds[r]): r for r in self._repeats(k)}
        own = {seed: free.pop(seed) for seed in self.study.seeds if seed in free}
        others = (seed for seed in self.study.seeds if seed not in own)
        return own | dict(zip(others, free.values(), strict=False))

    def _length(self, r: int) -> int:
        return int(self.recordings.lengths[r])

    def _recorded(self, k: int, distances: Floats, seed: int, strategy: str) -> Curve:
        r = self._pick(k, seed)
        own = [c for c in self._of[k] if self.recordings.seeds[c] == seed]
        of_strategy = [c for c in own if self.recordings.strategies[c] == strategy]
        first = max(of_strategy or own or [r], key=self._length)
        rows, seconds = self._of_recording(first)
        longer = self._length(r) > len(rows)  # another one may have diverged before the first was stopped
        if longer and not self._complete[first]:
            rows, seconds = self._continued(rows, seconds, r)
        known = len(rows)
        if not (self._complete[first] or (longer and self._complete[r])):
            rows, seconds = self._drawn_out(rows, seconds, distances)
        return Curve(self.names, rows, seconds, known)

    def _of_recording(self, r: int) -> tuple[Floats, Floats]:
        length = self._length(r)
        return self.values[r, :length], self.recordings.seconds[r, :length]

    def _continued(self, rows: Floats, seconds: Floats, model: int) -> tuple[Floats, Floats]:
        """A recording that was stopped early, extended by another one shifted to start where it stopped."""
        length = len(rows)
        others, theirs = self._of_recording(model)
        rest = others[length:] + (rows[-1] - others[length - 1])
        rest = np.where(np.isfinite(rest), np.clip(rest, *self._range), rest)
        return np.vstack([rows, rest]), np.append(seconds, theirs[length:])

    def _drawn_out(self, rows: Floats, seconds: Floats, distances: Floats) -> tuple[Floats, Floats]:
        """A recording of a configuration that was never trained to the end, extended to a full training."""
        if self.full.size:
            k = int((distances + self._unless_full).argmin())
            return self._continued(rows, seconds, self._fully(k)[0])
        missing = self.epochs - len(rows)
        return np.vstack([rows, rows[-1:].repeat(missing, 0)]), np.append(seconds, seconds[-1:].repeat(missing))

    @cached_property
    def _range(self) -> tuple[Floats, Floats]:
        finite = np.isfinite(self.values)
        lowest, highest = np.where(finite, self.values, np.inf), np.where(finite, self.values, -np.inf)
        return lowest.min(axis=(0, 1)), highest.max(axis=(0, 1))


def nearest_others(points: Floats, i: int, count: int) -> NDArray[np.intp]:
    """The `count` points nearest to the i-th, without itself, nearest first."""
    distances = ((points - points[i]) ** 2).sum(axis=1)
    distances[i] = np.inf
    return np.argsort(distances, kind="stable")[:count]


def error_of(predicted: Floats, actual: Floats) -> dict[str, float]:
    """The error of predicting the metric after the last epoch for held-out configurations.

    Returns:
        `configurations`, their number; `mean_absolute_error`; `spread`, the error of always predicting the median; and
        `rank_correlation` (Spearman). Only the first for fewer than three configurations.
    """
    if len(actual) < 3 or np.ptp(actual) == 0 or np.ptp(predicted) == 0:
        return {"configurations": len(actual)}
    return {
        "configurations": len(actual),
        "mean_absolute_error": float(np.abs(predicted - actual).mean()),
        "spread": float(np.abs(actual - np.median(actual)).mean()),
        "rank_correlation": float(stats.spearmanr(predicted, actual).statistic),
    }
