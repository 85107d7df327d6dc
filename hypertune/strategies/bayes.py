"""Bayesian optimisation with a Gaussian process (Snoek et al., 2012), on the pieces of `bayesian-optimization`.

That package's own loop has no log scale, breaks on parallel, failed and repeated trials and takes seconds per
suggestion. We use only its expected improvement and its model, scikit-learn's process. The rest follows the
literature: see `gaussian_process.py` for the model, pending trials and approximations, `unit_cube.py` for rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bayes_opt.acquisition import ExpectedImprovement
from ray.tune.search import Searcher

from hypertune.space.space import Categorical, Config, Space
from hypertune.strategies.gaussian_process import Hyperparameters, Surrogate, fit, scores
from hypertune.strategies.history import HistorySearcher, Suggestion
from hypertune.strategies.plugin import FEATURES, searcher
from hypertune.strategies.sobol import sobol_point
from hypertune.strategies.threads import one_thread
from hypertune.strategies.unit_cube import Array, UnitCube

_RANDOM = 1000
_SPREADS = (0.2, 0.1, 0.05, 0.02, 0.005)
_LEADERS, _CHILDREN = 5, 40
_REFIT_GROWTH = 1.15


class BayesSearcher(HistorySearcher):
    """Maximises expected improvement over the best posterior mean, given what has finished and what is pending."""

    def __init__(self, space: Space, *, metric: str, mode: str, seed: int, n_initial: int, exploration: float) -> None:
        super().__init__(space, metric=metric, mode=mode, seed=seed)
        self._n_initial = n_initial
        self._exploration = exploration
        self._cube = UnitCube(space)
        self._fits: dict[int, Hyperparameters] = {}

    def propose(self, number: int, rng: np.random.Generator) -> Config:
        usable = sum(np.isfinite(suggestion.loss or 0.0) for suggestion in self.done())
        if number < self._n_initial or usable < 2 or not self._cube.size:
            return self._cube.config(sobol_point(self._cube.size, self.seed, number))
        with one_thread():
            return self._cube.config(self._best(rng))

    def _best(self, rng: np.random.Generator) -> Array:
        """The point of the unit cube that the model suggests next."""
        points = self._points(self.done())
        x, losses = self._cube.features(points), _losses(self.done())
        pending = self._cube.features(self._points(self.pending()))
        model = Surrogate(self._hyperparameters(x, losses), x, scores(losses), pending)
        taken = {row.tobytes() for row in np.vstack([x, pending])}
        leaders = points[np.argsort(losses, kind="stable")[:_LEADERS]]
        return self._maximise(lambda u: self._value(model, u, taken), leaders, rng)

    def _points(self, suggestions: list[Suggestion]) -> Array:
        return self._cube.points([suggestion.numbers for suggestion in suggestions])

    def _hyperparameters(self, x: Array, losses: Array) -> Hyperparameters:
        """The hyperparameters fitted to as many first observations as the schedule says: a function of the history."""
        size = _refit_size(len(losses), np.isfinite(losses))
        if size not in self._fits:
            self._fits = {size: fit(x[:size], scores(losses[:size]))}
        return self._fits[size]

    def _value(self, model: Surrogate, u: Array, taken: set[bytes]) -> Array:
        """Expected improvement at points `u`, shape (M, P); -1 at points that are finished or pending."""
        x = self._cube.features(u)
        acquisition: Any = ExpectedImprovement(xi=self._exploration)
        acquisition.y_max = model.best
        value = acquisition.base_acq(*model.predict(x))
        return np.where([row.tobytes() in taken for row in x], -1.0, value)

    def _maximise(self, value: Callable[[Array], Array], leaders: Array, rng: np.random.Generator) -> Array:
        """Searches random points, then ever closer neighbours of the best; this suits any mix of domains."""
        points = np.vstack([rng.random((_RANDOM, self._cube.size)), self._neighbours(leaders, 0.1, rng)])
        values = value(points)
        for spread in _SPREADS:
            best = points[np.argsort(-values, kind="stable")[:_LEADERS]]
            children = self._neighbours(best, spread, rng)
            points, values = np.vstack([points, children]), np.concatenate([values, value(children)])
        best_of_all: Array = points[np.argmax(values)]
        return best_of_all

    def _neighbours(self, points: Array, spread: float, rng: np.random.Generator) -> Array:
        """`_CHILDREN` variations of each point: numbers move by about `spread`, choices are sometimes redrawn."""
        children = np.repeat(points, _CHILDREN, axis=0)
        fresh = rng.random(children.shape)
        children = np.where(np.isnan(children), fresh, children)
        moved = np.abs(children + spread * rng.standard_normal(children.shape))
        moved = 1 - np.abs(1 - moved)  # reflected at both ends
        choice = np.array([isinstance(p.domain, Categorical) for p in self._cube.parameters])
        varied = np.where(choice, fresh, np.clip(moved, 0.0, 1.0))
        chance = np.where(choice, 0.15, 0.6)
        return np.where(rng.random(children.shape) < chance, varied, children)


def _losses(suggestions: list[Suggestion]) -> Array:
    return np.array([np.inf if s.loss is None else s.loss for s in suggestions])


def _refit_size(n: int, finite: np.ndarray) -> int:
    """How many of `n` observations the hyperparameters are fitted to; at least two of them are finite."""
    size = int(np.flatnonzero(finite)[1]) + 1
    while max(size + 1, int(size * _REFIT_GROWTH)) <= n:
        size = max(size + 1, int(size * _REFIT_GROWTH))
    return size


@searcher(summary="Bayesian optimisation: Gaussian process, expected improvement", supports=FEATURES, warm_starts=True)
def bayes(
    space: Space,
    *,
    metric: str,
    mode: str,
    seed: int,
    max_epochs: int,
    n_initial: int = 8,
    exploration: float = 0.0,
) -> Searcher:
    """A Gaussian process over the log-warped unit cube; any mix of domains; any number of pending trials.

    A suggestion takes under 0.2 s after 200 observations and under 1 s after 1,000 on one core; `gaussian_process.py`
    states the approximations. The model sees an inactive conditional hyperparameter as a constant.

    Args:
        n_initial: suggestions from a scrambled Sobol sequence before the model is used.
        exploration: required improvement over the best (xi), in standard deviations of the scores.

    Raises:
        ValueError: for options out of range.
    """
    if n_initial < 2 or exploration < 0:
        raise ValueError("n_initial must be at least 2 and exploration at least 0")
    return BayesSearcher(space, metric=metric, mode=mode, seed=seed, n_initial=n_initial, exploration=exploration)
