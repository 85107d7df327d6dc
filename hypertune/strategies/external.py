"""Shared by the searchers of libraries with hidden state (SMAC, Ax): coordinates, failures, restoring."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping

from hypertune.space.space import Categorical, Parameter, Space
from hypertune.strategies.history import FAILED, HistorySearcher, Suggestion
from hypertune.strategies.unit_cube import TAIL

MAX_LEVELS = 32


def sizes(parameter: Parameter) -> int | None:
    """Number of values offered to the library: options or, if few, levels; None for a number in [0, 1]."""
    domain = parameter.domain
    if isinstance(domain, Categorical):
        return len(domain.options)
    return domain.levels if domain.levels is not None and domain.levels <= MAX_LEVELS else None


def decode(parameter: Parameter, coordinate: float) -> float | int:
    """Converts the library's coordinate for `Space.resolve`: an index below `sizes`, or a quantile in [0, 1]."""
    domain = parameter.domain
    if isinstance(domain, Categorical):
        return int(coordinate)
    if sizes(parameter) is not None:
        assert domain.step is not None
        return domain.low + int(coordinate) * domain.step
    return domain.from_unit(min(max(coordinate, TAIL), 1 - TAIL) if domain.normal else coordinate)


def encode(parameter: Parameter, number: float) -> float | int:
    """The inverse of `decode`."""
    domain = parameter.domain
    if isinstance(domain, Categorical):
        return int(number)
    if sizes(parameter) is not None:
        assert domain.step is not None
        return round((number - domain.low) / domain.step)
    return domain.to_unit(number)


class ExternalSearcher(HistorySearcher):
    """A searcher that passes its finished trials to a library, failed ones with the worst loss seen so far.

    A failure before any success is passed on after the first success. The library's state cannot be saved: `restore`
    replays the same questions and answers in their original order.
    """

    def __init__(self, space: Space, *, metric: str, mode: str, seed: int) -> None:
        super().__init__(space, metric=metric, mode=mode, seed=seed)
        self._worst = -math.inf
        self._untold: list[Suggestion] = []

    @abstractmethod
    def tell(self, number: int, loss: float) -> None:
        """Passes the finite loss of suggestion `number` to the library."""

    @abstractmethod
    def add(self, coordinates: Mapping[str, float | int]) -> None:
        """Passes a configuration of an earlier study to the library, as if it had been the next suggestion."""

    def learn_earlier(self, suggestion: Suggestion) -> None:
        numbers = suggestion.numbers
        self.add({p.key: encode(p, numbers[p.key]) for p in self.space.parameters() if p.key in numbers})
        self.learn(suggestion)

    def learn(self, suggestion: Suggestion) -> None:
        assert suggestion.loss is not None
        if suggestion.loss == FAILED:
            self._untold.append(suggestion)
        else:
            self._worst = max(self._worst, suggestion.loss)
            self.tell(suggestion.number, suggestion.loss)
        if self._worst > -math.inf:
            for failed in self._untold:
                self.tell(failed.number, self._worst)
            self._untold = []

    def restore(self, checkpoint_path: str) -> None:
        """Restores the history into a fresh searcher made with the same arguments, and replays it to the library."""
        super().restore(checkpoint_path)
        history, events = self.history, list(self.in_order())
        self.finished = self.finished[: self.known]
        self.history = {trial_id: history[trial_id] for trial_id in self.finished}
        for trial_id, finished in events:
            if history[trial_id].number < self.known:
                continue
            if not finished:
                self.suggest(trial_id)
                continue
            loss = history[trial_id].loss
            assert loss is not None
            self.on_trial_complete(trial_id, {self.metric: self._sign * loss}, error=loss == FAILED)
