"""The Gaussian process behind `bayes`: scikit-learn's, with bounded cost.

Three approximations keep a suggestion cheap. The kernel's hyperparameters are fitted to at most `FIT_POINTS`
observations, and refitted only when there are 15 % more than at the last fit. Predictions use at most `MODEL_POINTS`
observations: half of these are the best ones, the other half is spread evenly over the rest. Only the latest
`PENDING_POINTS` pending trials count.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.preprocessing import PowerTransformer

from hypertune.strategies.score import usual
from hypertune.strategies.unit_cube import Array

FIT_POINTS = 100
MODEL_POINTS = 500
PENDING_POINTS = 250
LARGEST = 30.0
"""Largest loss that is told from larger ones, in median absolute deviations above the median."""
OVERFLOW = 1e150
"""Larger numbers have no variance."""
# Likelihoods computed per fit; each costs in proportion to the features.
_FIT_CALLS, _FIT_FEATURE_CALLS = 25, 250
# Priors on the logarithms of signal variance, length scales and noise: (mean, standard deviation).
_SIGNAL, _LENGTH, _NOISE = (0.0, 1.0), (np.log(0.5), 1.0), (np.log(1e-3), 2.0)


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The result of a fit: the covariance function and the variance of one observation's noise."""

    kernel: Any
    noise: float


def scores(losses: Array) -> Array:
    """Losses, shape (n,), as scores to maximise: failures become the worst seen; no skew, mean 0, variance 1.

    The transform is Yeo and Johnson's (2000). It copes with skew, but not with the losses of trials that blow up to a
    large finite number, next to which all others would be the same: these are lowered to `LARGEST` first.
    """
    finite = losses[np.isfinite(losses)]
    _, largest = usual(losses, LARGEST)
    y = -np.minimum(np.where(np.isfinite(losses), losses, finite.max()), min(largest, OVERFLOW))
    spread = y.std()
    if spread == 0:
        return np.zeros_like(y)
    standard = ((y - y.mean()) / spread)[:, None]
    warped: Array = PowerTransformer().fit_transform(standard)[:, 0]
    return warped


def merge(x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Merges equal rows of `x`, shape (n, F): returns the rows, their mean scores, and how many each one merges."""
    unique, inverse, counts = np.unique(x, axis=0, return_inverse=True, return_counts=True)
    return unique, np.bincount(inverse.ravel(), weights=y) / counts, counts.astype(float)


def subset(y: Array, limit: int) -> NDArray[np.intp]:
    """Indices of at most `limit` observations: half of them the best, half spread evenly over the others."""
    order = np.argsort(-y, kind="stable")
    if len(y) <= limit:
        return order
    best, rest = order[: limit // 2], order[limit // 2 :]
    spread = np.linspace(0, len(rest) - 1, limit - limit // 2).round().astype(np.intp)
    return np.concatenate([best, rest[spread]])


def fit(x: Array, y: Array) -> Hyperparameters:
    """Maximum a posteriori hyperparameters of a Matern 5/2 kernel with one length scale per feature.

    Args:
        x: features, shape (n, F).
        y: scores, shape (n,).
    """
    x, y, _ = merge(x, y)
    chosen = subset(y, FIT_POINTS)
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(np.full(x.shape[1], 0.5), (0.02, 50.0), nu=2.5)
    prior = np.array([_SIGNAL, *[_LENGTH] * x.shape[1], _NOISE]).T
    process = GaussianProcessRegressor(
        kernel + WhiteKernel(1e-3, (1e-6, 1.0)),
        alpha=1e-8,
        optimizer=lambda objective, start, bounds: _maximise(objective, start, bounds, prior),
    )
    with warnings.catch_warnings():
        # A hyperparameter at its bound is expected, e.g. no noise at all.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = process.fit(x[chosen], y[chosen]).kernel_
    return Hyperparameters(fitted.k1, float(fitted.k2.noise_level))


def _maximise(objective: Any, start: Array, bounds: Array, prior: Array) -> tuple[Array, float]:
    """Scikit-learn's optimiser hook: the likelihood times the prior, in a bounded number of calls."""
    mean, deviation = prior
    calls = min(_FIT_CALLS, max(8, _FIT_FEATURE_CALLS // len(start)))

    def negative(theta: Array) -> tuple[float, Array]:
        value, gradient = objective(theta)
        z = (theta - mean) / deviation
        return value + 0.5 * float(z @ z), gradient + z / deviation

    result: Any = minimize(  # type: ignore[call-overload]
        negative, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxfun": calls}
    )
    return result.x, float(result.fun)


class Surrogate:
    """The process conditioned on observations and on fantasies for the pending points.

    A pending point is assumed to score what the process predicts there (the kriging believer; Ginsbourger et al.,
    2010). This removes its uncertainty, so that the next suggestion goes elsewhere.

    Args:
        x: features of the finished trials, shape (n, F).
        y: their scores, shape (n,).
        pending: features of the pending trials, shape (m, F).
    """

    def __init__(self, hyperparameters: Hyperparameters, x: Array, y: Array, pending: Array) -> None:
        x, y, counts = merge(x, y)
        chosen = subset(y, MODEL_POINTS)
        x, y, noise = x[chosen], y[chosen], hyperparameters.noise / counts[chosen] + 1e-8
        self._process = self._condition(hyperparameters, x, y, noise)
        mean = self._process.predict(x)
        self.best = float(mean.max())
        pending = pending[-PENDING_POINTS:]
        if len(pending):
            believed = np.concatenate([y, self._process.predict(pending)])
            noise = np.concatenate([noise, np.full(len(pending), hyperparameters.noise + 1e-8)])
            self._process = self._condition(hyperparameters, np.vstack([x, pending]), believed, noise)

    @staticmethod
    def _condition(hyperparameters: Hyperparameters, x: Array, y: Array, noise: Array) -> Any:
        return GaussianProcessRegressor(hyperparameters.kernel, alpha=noise, optimizer=None).fit(x, y)

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the noiseless score at `x`, each of shape (len(x),)."""
        mean, deviation = self._process.predict(x, return_std=True)
        return mean, np.maximum(deviation, 1e-9)
