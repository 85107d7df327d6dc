"""The bookkeeping shared by hypertune's own searchers: suggestions and their results.

Every random draw comes from a stream derived from the seed and the number of the suggestion. A searcher's state is
therefore its history alone: plain data, the same after a restore or a replay.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ray.tune.search import Searcher

from hypertune.space.space import Config, Space
from hypertune.study.warm_start import EarlierTrial

FAILED = math.inf
"""The loss of a trial that failed or diverged: worse than any other."""

EARLIER = "earlier-"
"""Begins the ids of an earlier study's trials, which are no trials of the sweep."""


@dataclass(slots=True)
class Suggestion:
    """One suggested configuration and its result so far.

    Attributes:
        number: counts the suggestions from 0.
        numbers: parameter key to number or option index, as `Space.encode` gives it.
        loss: lower is better in both modes; None while the trial runs, `FAILED` if it failed.
        asked_before: how many suggestions had been made when it finished.
        curve: epoch to loss at that epoch, for searchers that learn from it.
    """

    number: int
    numbers: dict[str, float | int]
    loss: float | None = None
    asked_before: int = 0
    curve: dict[int, float] = field(default_factory=dict)


class HistorySearcher(Searcher, ABC):
    """A searcher that is a function of its seed and its history. Subclasses implement `propose`.

    It receives each trial's best value over its epochs, as in the comparison, even if the trial was stopped early. A
    failed, diverged or empty result is the worst possible. Results for unknown trials and second results are ignored.
    """

    def __init__(self, space: Space, *, metric: str, mode: str, seed: int) -> None:
        super().__init__(metric=metric, mode=mode)
        self.space = space
        self.seed = seed
        self.history: dict[str, Suggestion] = {}
        self.finished: list[str] = []
        self.known = 0
        """How many suggestions at the beginning of the history are trials of an earlier study."""
        self._sign = 1.0 if mode == "min" else -1.0

    @abstractmethod
    def propose(self, number: int, rng: np.random.Generator) -> Config | None:
        """The configuration of suggestion `number`, or None when there are no more."""

    def learn(self, suggestion: Suggestion) -> None:
        """Called once per finished trial, for searchers whose library keeps its own history."""

    def suggest(self, trial_id: str) -> Config | None:
        """A configuration for the trial, its earlier one if it already has one, or `Searcher.FINISHED`."""
        if trial_id not in self.history:
            number = len(self.history)
            config = self.propose(number, np.random.default_rng([self.seed, number]))
            if config is None:
                return Searcher.FINISHED  # type: ignore[return-value]  # a string, by Ray Tune's contract
            self.adopt(trial_id, config)
        numbers = self.history[trial_id].numbers
        return self.space.resolve(lambda parameter: numbers[parameter.key])

    def adopt(self, trial_id: str, config: Config) -> None:
        """Adds the trial as if it had been suggested, without asking the model."""
        self.history[trial_id] = Suggestion(len(self.history), self.space.encode(config))

    def know(self, trials: Sequence[EarlierTrial]) -> None:
        """Begins the history with trials of an earlier study; called before the first suggestion, if at all.

        A subclass whose library keeps its own history passes them on in `learn_earlier`, and says so by `warm_starts`.
        """
        for number, trial in enumerate(trials):
            loss = FAILED if trial.value is None else self._sign * trial.value
            curve = {trial.epochs: loss} if loss != FAILED else {}
            suggestion = Suggestion(number, dict(trial.numbers), loss, asked_before=number + 1, curve=curve)
            self.history[f"{EARLIER}{number}"] = suggestion
            self.finished.append(f"{EARLIER}{number}")
            self.learn_earlier(suggestion)
        self.known = len(trials)

    def learn_earlier(self, suggestion: Suggestion) -> None:
        """Called once per trial of an earlier study, for searchers whose library keeps its own history."""

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        """Records the trial's best value; see the class for what counts as a failure."""
        suggestion = self.history.get(trial_id)
        if suggestion is None or suggestion.loss is not None:
            return
        suggestion.loss = FAILED if error else self.loss(result)
        suggestion.asked_before = len(self.history)
        self.finished.append(trial_id)
        self.learn(suggestion)

    def loss(self, result: Mapping[str, Any] | None) -> float:
        """The metric in `result` as a loss; `FAILED` if it has no finite value."""
        value = (result or {}).get(self.metric)
        return self._sign * float(value) if value is not None and math.isfinite(value) else FAILED

    def done(self) -> list[Suggestion]:
        """Finished suggestions, in the order in which they finished."""
        return [self.history[trial_id] for trial_id in self.finished]

    def pending(self) -> list[Suggestion]:
        """Suggestions without a result yet, in the order in which they were made."""
        return [suggestion for suggestion in self.history.values() if suggestion.loss is None]

    def in_order(self) -> Iterator[tuple[str, bool]]:
        """The history as it happened: each trial's id, False where it was suggested and True where it had finished."""
        names, asked = list(self.history), 0
        for trial_id in self.finished:
            before = self.history[trial_id].asked_before
            yield from ((name, False) for name in names[asked:before])
            yield trial_id, True
            asked = max(asked, before)
        yield from ((name, False) for name in names[asked:])

    def save(self, checkpoint_path: str) -> None:
        """Writes the history as JSON."""
        history = {trial_id: asdict(suggestion) for trial_id, suggestion in self.history.items()}
        state = {"history": history, "finished": self.finished}
        Path(checkpoint_path).write_text(json.dumps(state), encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Restores the history written by `save` into a searcher made with the same arguments."""
        state = json.loads(Path(checkpoint_path).read_text(encoding="utf-8"))
        self.finished = state["finished"]
        self.history = {trial_id: _suggestion(data) for trial_id, data in state["history"].items()}


def _suggestion(data: dict[str, Any]) -> Suggestion:
    # JSON has no integer keys.
    data["curve"] = {int(epoch): loss for epoch, loss in data["curve"].items()}
    return Suggestion(**data)
