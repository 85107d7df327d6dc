"""The model-based searcher of BOHB (Falkner et al., 2018, Algorithm 2), for use with HyperBand or ASHA.

hpbandster, the authors' package, is unmaintained; this is the algorithm from the paper. Pending trials play no part
in the model,
as there: parallel suggestions differ by their random draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray.tune.search import Searcher

from hypertune.space.space import Categorical, Config, Space
from hypertune.strategies.density import Density
from hypertune.strategies.history import FAILED, HistorySearcher, Suggestion
from hypertune.strategies.plugin import FEATURES, FIDELITIES, searcher
from hypertune.strategies.random import draw
from hypertune.strategies.unit_cube import Array, UnitCube


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The options of the function `bohb`."""

    n_initial: int
    good: float
    random_fraction: float
    n_candidates: int
    widen: float


class BohbSearcher(HistorySearcher):
    """Suggests where good trials are dense and bad ones are not, at the largest epoch that enough trials reached.

    A trial's value at an epoch is its best up to that epoch, as in the comparison. A failed trial is among the worst
    at every epoch.
    """

    def __init__(
        self,
        space: Space,
        *,
        metric: str,
        mode: str,
        seed: int,
        model: ModelOptions,
    ) -> None:
        super().__init__(space, metric=metric, mode=mode, seed=seed)
        self._model = model
        self._cube = UnitCube(space)
        domains = [parameter.domain for parameter in self._cube.parameters]
        self._options = np.array([len(d.options) if isinstance(d, Categorical) else 0 for d in domains], int)
        self._least = len(domains) + 1

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Keeps the value at `result["epoch"]`."""
        suggestion, loss = self.history.get(trial_id), self.loss(result)
        if suggestion is not None and loss != FAILED:
            suggestion.curve.setdefault(int(result["epoch"]), loss)

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        """Records the end of a trial; Ray Tune reports the last epoch only here."""
        if result and "epoch" in result and not error:
            self.on_trial_result(trial_id, result)
        super().on_trial_complete(trial_id, result, error)

    def propose(self, number: int, rng: np.random.Generator) -> Config:
        ranked = self._ranked()
        if len(ranked) < self._least + 2 or rng.random() < self._model.random_fraction:
            return draw(self.space, rng)
        n_good = max(self._least, int(self._model.good * len(ranked)))
        n_bad = max(self._least, len(ranked) - n_good)
        points = self._points(ranked, rng)
        good = Density(points[:n_good], self._options)
        bad = Density(points[-n_bad:], self._options)
        candidates = good.sample(self._model.n_candidates, self._model.widen, rng)
        best = candidates[np.argmax(good.log(candidates) - bad.log(candidates))]
        return self._cube.config(np.where(self._options > 0, (best + 0.5) / np.maximum(self._options, 1), best))

    def _ranked(self) -> list[Suggestion]:
        """The trials at the largest epoch that enough trials reached, best first, then the failed ones."""
        reached = [s for s in self.history.values() if s.curve]
        last = sorted((max(s.curve) for s in reached), reverse=True)
        if len(last) < max(self._model.n_initial, self._least + 2):
            return []
        epoch = last[self._least + 1]
        losses = [
            (min(loss for at, loss in s.curve.items() if at <= epoch), s)
            for s in reached
            if max(s.curve) >= epoch and min(s.curve) <= epoch and s.loss != FAILED
        ]
        failed = [s for s in self.history.values() if s.loss == FAILED]
        return [s for _, s in sorted(losses, key=lambda pair: pair[0])] + failed

    def _points(self, suggestions: list[Suggestion], rng: np.random.Generator) -> Array:
        """Coordinates for the densities, shape (n, P); inactive ones are drawn at random, as in the authors' code."""
        points = self._cube.points([suggestion.numbers for suggestion in suggestions])
        points = np.where(np.isnan(points), rng.random(points.shape), points)
        return np.where(self._options > 0, np.floor(points * self._options), points)


@searcher(
    summary="BOHB's searcher: densities of good and bad trials at the largest epoch reached by enough",
    supports=FEATURES,
    needs={FIDELITIES},
    warm_starts=True,
)
def bohb(
    space: Space,
    *,
    metric: str,
    mode: str,
    seed: int,
    max_epochs: int,
    n_initial: int = 15,
    good: float = 0.15,
    random_fraction: float = 1 / 3,
    n_candidates: int = 64,
    widen: float = 3.0,
) -> Searcher:
    """BOHB's model with the paper's defaults except `n_initial`; the strategy `bohb` pairs it with HyperBand.

    One bandwidth per hyperparameter cannot resolve several separate optima: at a single fidelity it is no better than
    random on Branin, and better on smoother functions (`tests/benchmarks/searchers.py`).

    Args:
        n_initial: finished trials before the model is used. The paper's value, the number of hyperparameters plus two,
            is too small for low dimensions.
        good: share of the trials that count as good (q).
        random_fraction: share of suggestions drawn at random (rho).
        n_candidates: draws from the density of good trials, of which the best is suggested (N_s).
        widen: factor on that density's bandwidth when drawing (b_w).

    Raises:
        ValueError: for options out of range.
    """
    if n_initial < 1 or not (0 < good < 1 and 0 <= random_fraction <= 1 and n_candidates >= 1 and widen > 0):
        raise ValueError(
            "n_initial and n_candidates must be at least 1, good between 0 and 1,"
            " random_fraction from 0 to 1, widen above 0"
        )
    model = ModelOptions(n_initial, good, random_fraction, n_candidates, widen)
    return BohbSearcher(space, metric=metric, mode=mode, seed=seed, model=model)
