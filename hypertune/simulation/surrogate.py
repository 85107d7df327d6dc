"""Surrogates: learning curves of configurations that were not recorded, from a model fitted to the recorded ones.

The mean of several curves has less noise than one training, so trials look more alike than they are. Recorded
configurations are still looked up, and a suggestion whose nearest recorded neighbour diverged diverges like it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from hypertune.simulation.lookup import MOST_HELD_OUT, Curve, Floats, Nearest, Source, error_of, nearest_others
from hypertune.simulation.recordings import Recordings
from hypertune.study.study import Study

NEIGHBOURS = 5
TREES = 100
LEAST = 10
"""Minimal number of fully recorded configurations for a surrogate."""


class _Surrogate(Nearest, ABC):
    def __init__(self, recordings: Recordings, study: Study) -> None:
        super().__init__(recordings, study)
        if self.full.size < LEAST:
            raise ValueError(
                f"--lookup {self.method}: needs {LEAST} configurations recorded for all "
                f"{study.training.max_epochs} epochs, {recordings.source} has {self.full.size}; use --lookup nearest"
            )
        self._place = {k: i for i, k in enumerate(self.full.tolist())}
        self.targets = np.array([self._target(k) for k in self.full.tolist()])

    def estimate(self, k: int, point: Floats, distances: Floats, seed: int) -> Curve:
        """The fitted curve, or the nearest recorded neighbour's curve if that one diverged."""
        if k not in self._place:
            return super().estimate(k, point, distances, seed)
        flat = self.predict(point, distances + point @ point)
        rows = flat[self.epochs :].reshape(self.epochs, len(self.names))
        return Curve(self.names, rows, np.exp(flat[: self.epochs]), 0)

    @abstractmethod
    def predict(self, point: Floats, distances: Floats) -> Floats:
        """Logarithms of seconds, then values: the shape of a row of `targets`.

        Args:
            point: the configuration's coordinates, shape (F,).
            distances: its squared distances to all recorded configurations, shape (K,).
        """

    def _target(self, k: int) -> Floats:
        """Mean over the full recordings of configuration `k`, shape (E + E * M,)."""
        recordings = self._fully(k)
        seconds = np.log(np.maximum(self.recordings.seconds[recordings], 1e-9)).mean(axis=0)
        return np.concatenate([seconds, self.values[recordings].mean(axis=0).ravel()])

    def _metric(self, predicted: Floats) -> Floats:
        """The study's metric after the last epoch, from rows like those of `targets`."""
        metric: Floats = predicted[:, self.epochs + (self.epochs - 1) * len(self.names) :][
            :, self.names.index(self.study.metric)
        ]
        return metric


class Neighbours(_Surrogate):
    """The mean curve of the five nearest configurations, weighted by the inverse distance."""

    method = "knn"

    def predict(self, point: Floats, distances: Floats) -> Floats:
        distances = distances[self.full]
        return self._mean(distances, np.argpartition(distances, NEIGHBOURS)[:NEIGHBOURS])

    def _mean(self, distances: Floats, nearest: NDArray[np.intp]) -> Floats:
        weights = 1.0 / np.sqrt(np.maximum(distances[nearest], 1e-12))
        mean: Floats = (weights / weights.sum()) @ self.targets[nearest]
        return mean

    @cached_property
    def held_out(self) -> dict[str, float]:
        """The error of predicting each configuration from the five nearest others."""
        points = self.points[self.full]
        sample = np.random.default_rng(0).permutation(len(points))[:MOST_HELD_OUT].tolist()
        predicted = []
        for i in sample:
            nearest = nearest_others(points, i, NEIGHBOURS)
            predicted.append(self._mean(((points - points[i]) ** 2).sum(axis=1), nearest))
        return error_of(self._metric(np.array(predicted)), self._metric(self.targets[sample]))


class Forest(_Surrogate):
    """A random forest (Breiman, 2001) from coordinates to curves, fitted to all epochs at once."""

    method = "forest"

    def __init__(self, recordings: Recordings, study: Study) -> None:
        super().__init__(recordings, study)
        self._model = RandomForestRegressor(TREES, max_features=1 / 3, oob_score=True, random_state=0)
        self._model.fit(self.points[self.full], self.targets)

    def predict(self, point: Floats, distances: Floats) -> Floats:
        prediction: Floats = self._model.predict(point[None])[0]
        return prediction

    @cached_property
    def held_out(self) -> dict[str, float]:
        """The error of predicting each configuration from the trees that were not fitted to it."""
        return error_of(self._metric(self._model.oob_prediction_), self._metric(self.targets))


class Chosen:
    """The one of `nearest` and `knn` with the smaller error on held-out configurations."""

    def __init__(self, recordings: Recordings, study: Study) -> None:
        nearest = Nearest(recordings, study)
        candidates = [nearest, Neighbours(recordings, study)] if nearest.full.size >= LEAST else [nearest]
        errors = {one.method: one.held_out.get("mean_absolute_error", 0.0) for one in candidates}
        best = min(candidates, key=lambda one: errors[one.method])
        self.curve, self.test_scores = best.curve, best.test_scores
        self._told = {**best.description(), "held_out_errors": errors}

    def description(self) -> Mapping[str, Any]:
        """The chosen method, and the errors of both."""
        return self._told


LOOKUPS: dict[str, Callable[[Recordings, Study], Source]] = {
    "auto": Chosen,
    **{lookup.method: lookup for lookup in (Nearest, Neighbours, Forest)},
}
"""Name on the command line to the class of the source."""
