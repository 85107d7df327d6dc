"""Optuna's samplers through its ask-and-tell interface: multivariate TPE, Gaussian process, CMA-ES.

The space is defined by run, one hyperparameter after the other, so that Optuna sees a conditional hyperparameter only
when it is active. Ray's adapter passes nested choices as raw objects, drops failed trials and crashes on repeated ones.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import optuna as library
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, TPESampler
from ray.tune.search import Searcher

from hypertune.space.domains import Numeric
from hypertune.space.space import Categorical, Config, Parameter, Space
from hypertune.strategies.history import HistorySearcher, Suggestion
from hypertune.strategies.plugin import FEATURES, searcher
from hypertune.strategies.threads import one_thread
from hypertune.strategies.unit_cube import TAIL
from hypertune.study.warm_start import EarlierTrial

SEEDS = 2**32
"""Optuna takes smaller seeds only."""


class OptunaSearcher(HistorySearcher):
    """One Optuna study in memory, minimising; a failed trial is reported as infinitely bad.

    The samplers have internal state (CMA-ES its distribution, the Gaussian process its last fit), which Optuna can only
    pickle. They are deterministic, so `restore` replays the history to a fresh study instead of executing a pickle.
    """

    def __init__(self, space: Space, *, metric: str, mode: str, seed: int, sampler: BaseSampler) -> None:
        super().__init__(space, metric=metric, mode=mode, seed=seed)
        with _quiet():
            self._study = library.create_study(sampler=sampler, direction="minimize")

    def propose(self, number: int, rng: np.random.Generator) -> Config:
        # Optuna draws from its sampler's own generator.
        with _quiet(), one_thread():
            trial = self._study.ask()
            return self.space.resolve(lambda parameter: _pick(trial, parameter))

    def learn(self, suggestion: Suggestion) -> None:
        self._study.tell(suggestion.number, suggestion.loss)

    def learn_earlier(self, suggestion: Suggestion) -> None:
        with _quiet():
            self._study.add_trial(self._earlier(suggestion))

    def _earlier(self, suggestion: Suggestion) -> library.trial.FrozenTrial:
        fixed = library.trial.FixedTrial(
            {p.key: _told(p, suggestion.numbers[p.key]) for p in self.space.parameters() if p.key in suggestion.numbers}
        )
        self.space.resolve(lambda parameter: _pick(fixed, parameter))
        with _quiet():
            return library.create_trial(params=fixed.params, distributions=fixed.distributions, value=suggestion.loss)

    def restore(self, checkpoint_path: str) -> None:
        """Restores the history into a searcher made with the same arguments, and replays it to Optuna."""
        super().restore(checkpoint_path)
        waiting = self.done()[self.known :]
        for number in range(self.known, len(self.history) + 1):
            while waiting and waiting[0].asked_before <= number:
                self.learn(waiting.pop(0))
            if number < len(self.history):
                self.propose(number, np.random.default_rng([self.seed, number]))


class CmaEsSearcher(OptunaSearcher):
    """After an earlier study its distribution begins where the best tenth of the trials were, by warm starting CMA-ES
    (Nomura et al., 2021, AAAI), which Optuna has to know when the sampler is made.

    Args:
        make: makes the sampler, given these trials if there are any.
    """

    def __init__(
        self, space: Space, *, metric: str, mode: str, seed: int,
        make: Callable[[list[library.trial.FrozenTrial] | None], BaseSampler],
    ) -> None:  # fmt: skip
        super().__init__(space, metric=metric, mode=mode, seed=seed, sampler=make(None))
        self._make = make

    def know(self, trials: Sequence[EarlierTrial]) -> None:
        super().know(trials)
        earlier = [self._numbers(trial) for trial in self._study.get_trials() if math.isfinite(trial.values[0])]
        if earlier:
            self._study.sampler = self._make(earlier)

    def _numbers(self, trial: library.trial.FrozenTrial) -> library.trial.FrozenTrial:
        """The part of the trial that CMA-ES searches: Optuna takes no trial with more."""
        keys = [p.key for p in self.space.parameters() if not p.parents and isinstance(p.domain, Numeric)]
        kept = {key: trial.distributions[key] for key in keys if not trial.distributions[key].single()}
        return library.create_trial(
            params={key: trial.params[key] for key in kept}, distributions=kept, value=trial.value
        )  # fmt: skip


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences Optuna's warnings on experimental features and infinities, and its log of a new study."""
    level = library.logging.get_verbosity()
    library.logging.set_verbosity(library.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="optuna")
            warnings.filterwarnings("ignore", category=library.exceptions.ExperimentalWarning)
            yield
    finally:
        library.logging.set_verbosity(level)


def _told(parameter: Parameter, number: float) -> float:
    """The number as Optuna knows it: see `_pick`."""
    domain = parameter.domain
    if isinstance(domain, Categorical) or not domain.normal:
        return number
    return min(max(domain.to_unit(number), TAIL), 1 - TAIL)


def _pick(trial: library.Trial | library.trial.FixedTrial, parameter: Parameter) -> float | int:
    key, domain = parameter.key, parameter.domain
    if isinstance(domain, Categorical):
        return trial.suggest_categorical(key, range(len(domain.options)))
    if domain.normal:
        # Optuna has no normal distribution: it searches the quantile.
        return domain.from_unit(trial.suggest_float(key, TAIL, 1 - TAIL))
    step = None if domain.log else domain.step
    if domain.integer:
        # A logarithmic integer has step 1 in Optuna; `Space.resolve` rounds to a coarser step.
        return trial.suggest_int(key, int(domain.low), int(domain.high), step=int(step or 1), log=domain.log)
    return trial.suggest_float(key, domain.low, domain.high, step=step, log=domain.log)


@searcher(summary="Optuna's multivariate TPE", supports=FEATURES, warm_starts=True)
def optuna(
    space: Space,
    *,
    metric: str,
    mode: str,
    seed: int,
    max_epochs: int,
    n_initial: int = 10,
    n_candidates: int = 24,
) -> Searcher:
    """TPE over joint densities (Falkner et al., 2018; Watanabe, 2023), one group per set of active hyperparameters.

    Pending trials count as bad ones (constant liar), so that parallel suggestions differ.

    Args:
        n_initial: random suggestions before the model is used.
        n_candidates: draws from the model of the good trials; the most promising one is suggested.

    Raises:
        ValueError: for `n_candidates` below 1.
    """
    if n_candidates < 1:
        raise ValueError("n_candidates must be at least 1")
    with _quiet():
        sampler = TPESampler(
            seed=seed % SEEDS,
            multivariate=True,
            group=True,
            constant_liar=True,
            n_startup_trials=n_initial,
            n_ei_candidates=n_candidates,
        )
    return OptunaSearcher(space, metric=metric, mode=mode, seed=seed, sampler=sampler)


@searcher(summary="Optuna's Gaussian process; conditional hyperparameters by TPE", supports=FEATURES, warm_starts=True)
def optuna_gp(space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, n_initial: int = 10) -> Searcher:
    """Log expected improvement on a Matern 5/2 process with ARD; q-log-EI over pending trials (Ament et al., 2023).

    The model covers the hyperparameters that every trial has; TPE draws the conditional ones. Failed
    trials count as the worst value seen.

    Args:
        n_initial: random suggestions before the model is used.
    """
    import torch  # noqa: F401  # before the first suggestion, which is then kept to one thread

    sampler = GPSampler(
        seed=seed % SEEDS,
        n_startup_trials=n_initial,
        independent_sampler=TPESampler(seed=seed % SEEDS, n_startup_trials=n_initial),
        warn_independent_sampling=False,
    )
    return OptunaSearcher(space, metric=metric, mode=mode, seed=seed, sampler=sampler)


@searcher(
    summary="Optuna's CMA-ES; choices and conditional hyperparameters by TPE", supports=FEATURES, warm_starts=True
)
def optuna_cmaes(space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, n_initial: int = 1) -> Searcher:
    """CMA-ES (Hansen and Ostermeier, 2001) over the numbers that every trial has; TPE draws the others.

    Needs a hundred trials or more: on Branin it is no better than random after 60 trials, but better after 100
    (`tests/benchmarks/searchers.py`). With fewer than two unconditional numbers, it is TPE alone.

    Args:
        n_initial: random suggestions before CMA-ES starts.
    """

    def make(earlier: list[library.trial.FrozenTrial] | None) -> BaseSampler:
        with _quiet():
            return CmaEsSampler(
                seed=seed % SEEDS,
                n_startup_trials=n_initial,
                independent_sampler=TPESampler(seed=seed % SEEDS, n_startup_trials=max(n_initial, 10)),
                warn_independent_sampling=False,
                source_trials=earlier,
            )

    return CmaEsSearcher(space, metric=metric, mode=mode, seed=seed, make=make)
