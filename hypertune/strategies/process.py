"""A searcher in a process of its own: another environment, another Python, or another language.

`hypertune/strategies/processes/README.md` describes the protocol.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ray.tune.search import Searcher

from hypertune.space.domains import LARGEST, Numeric
from hypertune.space.space import Categorical, Config, Parameter, Space
from hypertune.space.values import plain
from hypertune.strategies.conversation import Conversation, Message
from hypertune.strategies.history import FAILED, HistorySearcher, Suggestion
from hypertune.strategies.plugin import FEATURES, searcher
from hypertune.study.prior import Prior, number_of
from hypertune.sweep.trial import StudyError

PROTOCOL = 1
ROUNDING = 1e-6
"""How far a suggestion may lie outside of the bounds, relative to their distance; on a logarithmic scale to a bound."""
TIMEOUT_S = 600.0
START_TIMEOUT_S = 1800.0


def described(parameter: Parameter, prior: Prior) -> Message:
    """A hyperparameter as `hello` describes it."""
    domain = parameter.domain
    about: Message = {"name": parameter.key}
    if isinstance(domain, Categorical):
        about |= {"type": "categorical", "options": [_text(option) for option in domain.options]}
    else:
        about |= {"type": "integer" if domain.integer else "float", "log": domain.log, "step": domain.step}
        if domain.normal:
            about |= {"low": None, "high": None, "mean": domain.args[0], "sd": domain.args[1]}
        else:
            about |= {"low": domain.low, "high": domain.high}
    if parameter.parents:
        name, option = parameter.parents[-1]
        about["active_if"] = {"name": name, "option": option}
    if parameter.key in prior:
        guess = prior[parameter.key]
        about["prior"] = {"guess": number_of(parameter, guess), "confidence": guess.confidence}
    return about


def _text(option: Any) -> Any:
    value = plain(option) if not isinstance(option, Space) else "..."
    return value if isinstance(value, str | int | float | bool) else str(value)


class ProcessSearcher(HistorySearcher):
    """Asks and tells a process. It is started for the first suggestion, or by `check`.

    Args:
        who: the searcher's name in messages.
        command: program and arguments.
        settings: handed to the process with `hello`.
        prior: the study's, handed to the process with the hyperparameters.
    """

    def __init__(
        self, space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, who: str, command: Sequence[str],
        settings: Mapping[str, Any], prior: Prior | None = None, timeout_s: float = TIMEOUT_S,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:  # fmt: skip
        super().__init__(space, metric=metric, mode=mode, seed=seed)
        hello: Message = {
            "type": "hello", "protocol": PROTOCOL, "space": [described(p, prior or {}) for p in space.parameters()],
            "metric": metric, "mode": mode, "seed": seed, "max_epochs": max_epochs, "settings": dict(settings),
        }  # fmt: skip
        self.who, self._max_epochs = who, max_epochs
        self._epochs: dict[int, int] = {}
        self._untold: list[Message] = []
        self._process = Conversation(command, hello, timeout_s=timeout_s, start_timeout_s=start_timeout_s)

    def check(self) -> None:
        """Starts the process, says hello and tells it the trials of an earlier study, if any, and ends it.

        Raises:
            ValueError: one line, if it cannot be started, or cannot search the space.
        """
        try:
            self._hello()
        finally:
            self._process.close()

    def _hello(self) -> Message:
        if not self.space.parameters():
            return {}
        answer = self._process.start()
        if answer["type"] == "refused":
            raise ValueError(f"{self.who}: {answer.get('reason', 'cannot search this space')}")
        if answer["type"] != "ready":
            raise ValueError(f"{self.who}: answered hello with {answer['type']!r}; expected ready or refused")
        while self._untold:
            if self._process.say(self._untold[0])["type"] == "ignored":
                raise ValueError(f"{self.who}: learns nothing from an earlier study's trials; leave out warm_starts")
            del self._untold[0]
        return answer

    def propose(self, number: int, rng: np.random.Generator) -> Config | None:
        if not self.space.parameters():
            return self.space.resolve(lambda parameter: 0)
        pending = [suggestion.number for suggestion in self.pending()]
        answer = self._say({"type": "ask", "number": number, "pending": pending})
        if answer["type"] == "finished":
            return None
        values = answer.get("values")
        if answer["type"] != "config" or not isinstance(values, Mapping):
            raise StudyError(f"{self.who}: answered ask with {answer!r:.200}; expected config with values")
        self._take_epochs(number, answer)
        return self.space.resolve(lambda parameter: self._number(parameter, values))

    def epochs_of(self, trial_id: str) -> float:
        """The epochs for which the process wants the trial to train; infinite if it has not said."""
        return self._epochs.get(self.history[trial_id].number, math.inf)

    def _take_epochs(self, number: int, answer: Message) -> None:
        epochs = answer.get("epochs")
        if epochs is None:
            return
        if isinstance(epochs, bool) or not isinstance(epochs, int) or not 1 <= epochs <= self._max_epochs:
            raise StudyError(
                f"{self.who}: wants {epochs!r:.100} epochs; expected an integer from 1 to {self._max_epochs}"
            )
        self._epochs[number] = epochs

    def _number(self, parameter: Parameter, values: Mapping[str, Any]) -> float | int:
        """The value of an active hyperparameter, on its grid; a little outside of the bounds counts as rounding."""
        value, domain = values.get(parameter.key), parameter.domain
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            raise StudyError(f"{self.who}: suggests {parameter.key} = {value!r:.100}; expected a finite number")
        if isinstance(domain, Categorical):
            if value not in range(len(domain.options)):
                raise StudyError(
                    f"{self.who}: suggests option {value} of {parameter.key}, which has {len(domain.options)}"
                )
            return int(value)
        if not _near(domain, value):
            raise StudyError(
                f"{self.who}: suggests {parameter.key} = {value!r}, outside of {domain.low:g} to {domain.high:g}"
            )
        return domain.cast(value)

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Passes the result of an epoch on, if the process has asked for those."""
        suggestion = self.history.get(trial_id)
        if suggestion is None or suggestion.loss is not None or not self._wants_epochs():
            return
        epoch, loss = int(result["epoch"]), self.loss(result)
        suggestion.curve[epoch] = loss
        self._say(self._epoch(suggestion, epoch))

    def learn(self, suggestion: Suggestion) -> None:
        if self.space.parameters():
            self._say(self._tell(suggestion))

    def learn_earlier(self, suggestion: Suggestion) -> None:
        """Keeps the trial until the process is there."""
        about = {"values": suggestion.numbers, "epochs": max(suggestion.curve, default=None)}
        self._untold.append({**self._tell(suggestion), "type": "earlier", **about})

    def restore(self, checkpoint_path: str) -> None:
        """Restores the history into a fresh searcher made with the same arguments, and repeats it to the process."""
        super().restore(checkpoint_path)
        if not self.space.parameters():
            return
        for trial_id, finished in self.in_order():
            suggestion = self.history[trial_id]
            if suggestion.number < self.known:
                continue
            if not finished:
                again = {"type": "config", "values": suggestion.numbers}
                answer = self._say({"type": "ask", "number": suggestion.number, "pending": [], "again": again})
                self._take_epochs(suggestion.number, answer)
                continue
            for epoch in sorted(suggestion.curve):
                self._say(self._epoch(suggestion, epoch))
            self._say(self._tell(suggestion))

    def close(self) -> None:
        """Ends the process: the sweep is over."""
        self._process.close()

    def _wants_epochs(self) -> bool:
        return bool(self.space.parameters()) and bool(self._hello().get("epochs"))

    def _epoch(self, suggestion: Suggestion, epoch: int) -> Message:
        return {"type": "epoch", "number": suggestion.number, "epoch": epoch, **self._values(suggestion.curve[epoch])}

    def _tell(self, suggestion: Suggestion) -> Message:
        assert suggestion.loss is not None
        status = "failed" if suggestion.loss == FAILED else "completed"
        return {"type": "tell", "number": suggestion.number, "status": status, **self._values(suggestion.loss)}

    def _values(self, loss: float) -> Message:
        return {"loss": None, "value": None} if loss == FAILED else {"loss": loss, "value": self._sign * loss}

    def _say(self, request: Message) -> Message:
        try:
            self._hello()
            return self._process.say(request)
        except ValueError as error:
            raise StudyError(f"{self.who}: {error}") from None


def _near(domain: Numeric, value: float) -> bool:
    if domain.normal:
        return True
    if domain.log:
        return domain.low * (1 - ROUNDING) <= value <= domain.high * (1 + ROUNDING)
    tolerance = ROUNDING * (domain.high - domain.low)
    return domain.low - tolerance <= value <= domain.high + tolerance


@searcher(summary="your own searcher in a process: command = [...] in the study file", supports=FEATURES)
def command(
    space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, prior: Prior | None = None,
    command: list[str] | None = None, settings: dict[str, Any] | None = None, timeout_s: float = TIMEOUT_S,
    start_timeout_s: float = START_TIMEOUT_S, warm_starts: bool = False,
) -> Searcher:  # fmt: skip
    """A searcher that speaks JSON lines on its standard input and output.

    Args:
        command: program and arguments, e.g. `["uv", "run", "--with", "HEBO==0.3.6", "my_hebo.py"]`.
        settings: whatever the process needs besides.
        timeout_s: seconds within which it must answer.
        start_timeout_s: the same for the first answer, before which packages may have to be installed.
        warm_starts: whether it learns from the trials of an earlier study.

    Raises:
        ValueError: if there is no such program, or a time is not positive.
    """
    if not command:
        raise ValueError('command: a list of the program and its arguments is needed, e.g. ["python", "mine.py"]')
    if shutil.which(command[0]) is None:
        raise ValueError(f"command: no program {command[0]!r} is installed")
    if not (timeout_s > 0 and start_timeout_s > 0):
        raise ValueError("timeout_s and start_timeout_s must be positive")
    return ProcessSearcher(
        space, metric=metric, mode=mode, seed=seed, max_epochs=max_epochs, who="command", command=command,
        settings=settings or {}, prior=prior, timeout_s=timeout_s, start_timeout_s=start_timeout_s,
    )  # fmt: skip
