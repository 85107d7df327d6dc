"""HyperOpt's TPE, the tree-structured Parzen estimator (Bergstra et al., 2011, section 4).

Our own adapter on hyperopt's public API: Ray's drops failed trials, returns floats for integers, confuses conditional
hyperparameters of the same name and saves its state as a pickle.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import hyperopt as hpo
import numpy as np
from ray.tune.search import Searcher

from hypertune.space.domains import Numeric
from hypertune.space.space import Categorical, Config, Space
from hypertune.space.values import key_text
from hypertune.strategies.history import HistorySearcher, Suggestion
from hypertune.strategies.plugin import FEATURES, searcher


class HyperOptSearcher(HistorySearcher):
    """TPE over the whole history; hyperopt treats running and failed trials as infinitely bad."""

    def __init__(
        self, space: Space, *, metric: str, mode: str, seed: int, suggest: Callable[..., list[dict[str, Any]]]
    ) -> None:
        super().__init__(space, metric=metric, mode=mode, seed=seed)
        expression = _expression(space, "")
        self._domain = hpo.Domain(lambda config: 0.0, expression) if space.parameters() else None
        self._suggest = suggest

    def propose(self, number: int, rng: np.random.Generator) -> Config:
        if self._domain is None:
            return self.space.resolve(lambda parameter: 0)
        docs = [self._doc(suggestion) for suggestion in self.history.values()]
        trials = hpo.trials_from_docs(docs, validate=False)
        (doc,) = self._suggest([number], self._domain, trials, int(rng.integers(2**31)))
        values = {key: value[0] for key, value in doc["misc"]["vals"].items() if len(value)}
        return self.space.resolve(lambda parameter: values[parameter.key])

    def _doc(self, suggestion: Suggestion) -> dict[str, Any]:
        """The suggestion as hyperopt's trial document."""
        assert self._domain is not None
        numbers = suggestion.numbers
        keys = self._domain.params
        finished = suggestion.loss is not None
        return {
            "tid": suggestion.number,
            "state": hpo.JOB_STATE_DONE if finished else hpo.JOB_STATE_RUNNING,
            "result": {"status": hpo.STATUS_OK, "loss": suggestion.loss} if finished else {"status": hpo.STATUS_NEW},
            "misc": {
                "tid": suggestion.number,
                "idxs": {key: [suggestion.number] if key in numbers else [] for key in keys},
                "vals": {key: [numbers[key]] if key in numbers else [] for key in keys},
            },
            "spec": None,
            "exp_key": None,
            "owner": None,
            "version": 0,
            "book_time": None,
            "refresh_time": None,
        }


def _expression(space: Space, prefix: str) -> dict[str, Any]:
    """The space in hyperopt's terms; every label is a parameter's key."""
    expression: dict[str, Any] = {}
    for name, entry in space.entries.items():
        name = key_text(name)
        key = prefix + name
        if isinstance(entry, Space):
            expression[name] = _expression(entry, f"{key}/")
        elif isinstance(entry, Numeric):
            expression[name] = _numeric(key, entry)
        elif isinstance(entry, Categorical):
            expression[name] = hpo.hp.choice(key, _options(key, entry))
    return expression


def _options(key: str, domain: Categorical) -> list[Any]:
    return [
        _expression(option, f"{key}[{i}]/") if isinstance(option, Space) else i
        for i, option in enumerate(domain.options)
    ]


def _numeric(key: str, domain: Numeric) -> Any:
    """hyperopt's domain; stepped bounds are widened by half a step, so that all levels are equally likely."""
    if domain.normal:
        mean, sd = domain.args[:2]
        return hpo.hp.normal(key, mean, sd) if domain.step is None else hpo.hp.qnormal(key, mean, sd, domain.step)
    half = (domain.step or 0.0) / 2
    low, high = domain.low - half, domain.high + half
    if domain.log:
        low = low if low > 0 else domain.low / 2
        low, high = float(np.log(low)), float(np.log(high))
    if domain.step is None:
        high = max(high, low + 1e-9 * max(abs(low), 1.0))  # hyperopt takes no single value; ours are cast to it
        return (hpo.hp.loguniform if domain.log else hpo.hp.uniform)(key, low, high)
    return (hpo.hp.qloguniform if domain.log else hpo.hp.quniform)(key, low, high, domain.step)


@searcher(summary="HyperOpt's TPE", supports=FEATURES, warm_starts=True)
def hyperopt(
    space: Space,
    *,
    metric: str,
    mode: str,
    seed: int,
    max_epochs: int,
    n_initial: int = 10,
    n_candidates: int = 24,
    gamma: float = 1.0,
) -> Searcher:
    """TPE; conditional hyperparameters become nested `hp.choice`.

    hyperopt's own defaults are `n_initial` 20 and `gamma` 0.25, with which two of 60 trials count as good. They did
    worse on every function of `tests/benchmarks/searchers.py`.

    Args:
        n_initial: random suggestions before the model is used.
        n_candidates: draws from the model of the good trials; the most promising one is suggested.
        gamma: the best `gamma * sqrt(n)` trials count as good.

    Raises:
        ValueError: for options out of range.
    """
    if n_initial < 1 or n_candidates < 1 or gamma <= 0:
        raise ValueError("n_initial and n_candidates must be at least 1 and gamma above 0")
    suggest = partial(
        hpo.tpe.suggest, n_startup_jobs=n_initial, n_EI_candidates=n_candidates, gamma=gamma, verbose=False
    )
    return HyperOptSearcher(space, metric=metric, mode=mode, seed=seed, suggest=suggest)
