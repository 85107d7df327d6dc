"""PB2 (Parker-Holder et al., 2020, "Provably Efficient Online Hyperparameter Optimization with Population-Based
Bandits"): population based training in which a model of the training so far chooses the clones' hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from ray.tune.schedulers import TrialScheduler
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from hypertune.space.domains import Numeric
from hypertune.space.space import Parameter, Space
from hypertune.strategies.pbt import Generations, PopulationScheduler
from hypertune.strategies.plugin import scheduler
from hypertune.strategies.population import Interval, Numbers, mutable
from hypertune.strategies.score import usual
from hypertune.strategies.unit_cube import Array

LATEST = 200
"""How many of the latest intervals the model is fitted to."""
CANDIDATES = 1000
LENGTHS = (0.1, 0.2, 0.4, 0.8, 1.6)
NOISES = (0.01, 0.1, 0.5)
FORGETTING = (0.0, 0.05, 0.2, 0.5)
"""Values among which the likelihood chooses: length scale, noise variance, and the share of what was learnt in one
generation that is forgotten by the next."""
USUAL = 5.0
"""Largest distance of a gain from the median of its generation, in median absolute deviations."""
Parameters = tuple[float, float, float]
"""One of each: length scale, noise, forgetting."""
Cholesky = tuple[Array, bool]
"""What `scipy.linalg.cho_factor` returns."""


class TimeVarying:
    """A Gaussian process over points of the unit cube whose function drifts with time (section 4 of the paper).

    The covariance of two points at distance d is (1 - forgetting)^(|t - t'| / 2) exp(-d^2 / (2 length^2)). The three
    hyperparameters are those of a grid with the highest likelihood.

    Args:
        x: points, shape (n, D).
        t: their times, shape (n,).
        y: their scores, mean 0 and variance about 1, shape (n,).
    """

    def __init__(self, x: Array, t: Array, y: Array) -> None:
        self._y = y
        grid = list(product(LENGTHS, NOISES, FORGETTING))
        fits = [self._condition(x, t, parameters) for parameters in grid]
        best = int(np.argmax([self._log_likelihood(fit) for fit in fits]))
        self._parameters, self._cholesky = grid[best], fits[best]
        self._x, self._t = x, t
        self._weights = cho_solve(self._cholesky, y)

    def believe(self, x: Array, t: float) -> None:
        """Adds a pending point, shape (D,), with its predicted score, so that only the uncertainty shrinks."""
        mean, _ = self.predict(x[None], t)
        self._x, self._t = np.vstack([self._x, x]), np.append(self._t, t)
        self._y = np.append(self._y, mean)
        self._cholesky = self._condition(self._x, self._t, self._parameters)
        self._weights = cho_solve(self._cholesky, self._y)

    def predict(self, x: Array, t: float) -> tuple[Array, Array]:
        """Mean and standard deviation at points `x`, shape (m, D), at time `t`; each of shape (m,)."""
        cross = _covariance(x, np.full(len(x), t), self._x, self._t, self._parameters)
        variance = 1 - np.einsum("ij,ji->i", cross, cho_solve(self._cholesky, cross.T))
        return cross @ self._weights, np.sqrt(np.maximum(variance, 1e-12))

    @staticmethod
    def _condition(x: Array, t: Array, parameters: Parameters) -> Cholesky:
        covariance = _covariance(x, t, x, t, parameters) + parameters[1] * np.eye(len(x))
        factor, lower = cho_factor(covariance, lower=True)
        return factor, bool(lower)

    def _log_likelihood(self, cholesky: Cholesky) -> float:
        return float(-0.5 * self._y @ cho_solve(cholesky, self._y) - np.log(np.diag(cholesky[0])).sum())


def _covariance(x: Array, t: Array, other_x: Array, other_t: Array, parameters: Parameters) -> Array:
    length, _, forgetting = parameters
    near: Array = np.exp(-0.5 * cdist(x, other_x, "sqeuclidean") / length**2)
    return near * (1 - forgetting) ** (np.abs(t[:, None] - other_t) / 2)


class Bandit:
    """Explores where the model's upper confidence bound is highest.

    The model's score is a member's improvement in a generation relative to the others of that generation, since
    improvements shrink as training proceeds. In the first generation, all members start alike.
    """

    def __init__(self, parameters: list[Parameter]) -> None:
        self._parameters = parameters
        self._points: list[Array] = []
        self._times: list[int] = []
        self._scores: list[float] = []
        self._model: TimeVarying | None = None

    def observe(self, intervals: Sequence[Interval]) -> None:
        """Adds a generation; the model is refitted at the next suggestion."""
        gains = np.array([interval.after - (interval.before or 0.0) for interval in intervals])
        self._points += [self._point(interval.numbers) for interval in intervals]
        self._times += [interval.generation for interval in intervals]
        self._scores += _standardised(gains).tolist()
        self._model = None

    def __call__(self, numbers: Numbers, generation: int, rng: np.random.Generator) -> Numbers:
        if self._model is None:
            latest = slice(-LATEST, None)
            x, t, y = self._points[latest], self._times[latest], self._scores[latest]
            self._model = TimeVarying(np.array(x), np.array(t, float), np.array(y))
        candidates = rng.random((CANDIDATES, len(self._parameters)))
        mean, deviation = self._model.predict(candidates, generation)
        # Exploration grows with the logarithm of the number of observations; constants from the authors' code.
        width = np.sqrt(0.2 + max(0.0, np.log(0.4 * len(self._scores))))
        best = candidates[np.argmax(mean + width * deviation)]
        self._model.believe(best, generation)
        found = zip(self._parameters, best.tolist(), strict=True)
        return {**numbers, **{parameter.key: _domain(parameter).from_unit(u) for parameter, u in found}}

    def _point(self, numbers: Numbers) -> Array:
        return np.array([_domain(parameter).to_unit(numbers[parameter.key]) for parameter in self._parameters])


def _domain(parameter: Parameter) -> Numeric:
    assert isinstance(parameter.domain, Numeric)
    return parameter.domain


def _standardised(gains: Array) -> Array:
    """Gains scaled to mean 0 and variance 1; a failure counts as the worst of the others.

    A gain of a trial that blew up to a large finite number, or recovered, becomes the last usual one: it would make all
    others the same.
    """
    finite = gains[np.isfinite(gains)]
    if not len(finite):
        return np.zeros_like(gains)
    gains = np.clip(np.where(np.isfinite(gains), gains, finite.min()), *usual(gains, USUAL))
    spread = gains.std()
    return (gains - gains.mean()) / spread if spread else np.zeros_like(gains)


@scheduler(
    summary="PB2: population based training whose clones ask a time-varying Gaussian process",
    needs_checkpoints=True,
    asynchronous=False,
)
def pb2(
    space: Space,
    *,
    metric: str,
    mode: str,
    seed: int,
    max_epochs: int,
    population_size: int = 8,
    perturbation_interval: int | None = None,
    quantile: float = 0.25,
    mutate: list[str] | None = None,
) -> TrialScheduler:
    """Population based bandits, for small populations; the searcher proposes the first generation.

    Args:
        population_size: trials that train side by side.
        perturbation_interval: epochs of a generation; by default a fifth of `max_epochs`.
        quantile: share of the population that is replaced, and share that is cloned.
        mutate: names of the hyperparameters that clones change; by default all that are not whole numbers.

    Raises:
        ValueError: for options out of range, and where no hyperparameter can change.
    """
    explore = Bandit(mutable(space, mutate))
    generations = Generations.of(
        max_epochs,
        population_size=population_size,
        perturbation_interval=perturbation_interval,
        quantile=quantile,
    )
    return PopulationScheduler(space, explore, metric=metric, mode=mode, seed=seed, generations=generations)
