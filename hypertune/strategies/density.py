"""Kernel densities over the unit cube of a mixed search space, as BOHB uses them (Falkner et al., 2018, section
3.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr, ndtri

from hypertune.strategies.unit_cube import Array

MIN_BANDWIDTH = 1e-3


class Density:
    """A product-kernel density: Gaussian for numbers, Aitchison and Aitken's kernel for choices.

    Args:
        points: observations, shape (n, P); numbers in [0, 1], option indices for choices.
        options: number of options per column, shape (P,); 0 for numbers.
    """

    def __init__(self, points: Array, options: NDArray[np.intp]) -> None:
        self._points = points
        self._options = options
        n, dimensions = points.shape
        spread = np.array([_spread(points[:, j], options[j]) for j in range(dimensions)])
        # The normal reference rule, as statsmodels' `normal_reference`.
        self._bandwidth = np.maximum(1.06 * spread * n ** (-1 / (4 + dimensions)), MIN_BANDWIDTH)
        # A choice's kernel is uniform at this bandwidth.
        uniform = np.maximum(1 - 1 / np.maximum(options, 1), MIN_BANDWIDTH)
        self._bandwidth = np.where(options > 0, np.minimum(self._bandwidth, uniform), self._bandwidth)

    def log(self, points: Array) -> Array:
        """Log density at `points`, shape (m, P); returns shape (m,)."""
        difference = points[:, None, :] - self._points[None, :, :]
        z = difference / self._bandwidth
        numeric = -0.5 * z**2 - np.log(self._bandwidth)
        others = np.maximum(self._options - 1, 1)
        # The bandwidth of a number may exceed 1, for which this kernel (used for choices only) has no logarithm.
        same = np.log(np.maximum(1 - self._bandwidth, MIN_BANDWIDTH))
        choice = np.where(difference == 0, same, np.log(self._bandwidth / others))
        terms = np.where(self._options > 0, choice, numeric).sum(axis=2)
        log_density: Array = logsumexp(terms, axis=1) - np.log(len(self._points))
        return log_density

    def sample(self, size: int, widen: float, rng: np.random.Generator) -> Array:
        """Draws of shape (size, P), with the bandwidth of numbers widened by a factor, inside the cube."""
        centres = self._points[rng.integers(len(self._points), size=size)]
        width = self._bandwidth * widen
        low, high = ndtr(-centres / width), ndtr((1 - centres) / width)
        u = rng.random(centres.shape)
        numeric = np.clip(centres + width * ndtri(low + (high - low) * u), 0.0, 1.0)
        redrawn = np.floor(rng.random(centres.shape) * self._options)
        choice = np.where(rng.random(centres.shape) < self._bandwidth, redrawn, centres)
        return np.where(self._options > 0, choice, numeric)


def _spread(column: Array, options: int) -> float:
    """Standard deviation of a number; for a choice, the square root of the chance that two draws differ."""
    if not options:
        return float(column.std())
    shares = np.bincount(column.astype(np.intp), minlength=options) / len(column)
    return float(np.sqrt(1 - shares @ shares))
