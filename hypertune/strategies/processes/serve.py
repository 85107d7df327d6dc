"""The other side of the protocol in Python: copy this file next to your searcher, or put its folder on the path.

It needs nothing but Python 3.9. A searcher is a class that is made from a `Hello` and has `ask(number, pending)`, which
returns the value of each hyperparameter by name (an option's index for a choice), a pair of those and the epochs for
which the trial is to train, or None when there are no more, and `tell(number, loss)`. It may have
`epoch(number, epoch, loss)`, for which it then gets the result of each epoch, and `earlier(number, values)`, for each
trial of an earlier study, whose loss it is then told; suggestions are numbered from there. One that would not give the
same answers when it is started again has `again(number, values)`, which is called instead of `ask` to repeat an earlier
answer.

    from serve import Hello, serve

    class Guess:
        def __init__(self, hello):
            self.space, self.random = hello.space, random.Random(hello.seed)

        def ask(self, number, pending):
            return {p.name: p.from_unit(self.random.random()) for p in self.space}

        def tell(self, number, loss):
            pass

    serve(Guess)
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

Message = dict[str, Any]

TAIL = 0.001


class Refused(Exception):
    """Raised by a searcher's constructor: why it cannot search this space."""


class Parameter:
    """A hyperparameter.

    Attributes:
        name: also names its value in an answer.
        kind: `float`, `integer` or `categorical`.
        low, high: inclusive bounds; None for a normal distribution, which has `mean` and `sd`.
        log: whether its scale is logarithmic.
        step: distance between values, None if it is continuous.
        options: of a choice, as text or numbers; a value is an index into them.
        guess, confidence: of the study's prior: a value, and `low`, `medium` or `high`; None without a prior.
        active_if: None, or the name of the choice and the index of the option that this hyperparameter belongs to.
    """

    def __init__(self, about: Message) -> None:
        self.name, self.kind = about["name"], about["type"]
        self.low: Any = about.get("low")
        self.high: Any = about.get("high")
        self.log, self.options = bool(about.get("log")), about.get("options", [])
        self.step: Any = about.get("step")
        self.mean: Any = about.get("mean")
        self.sd: Any = about.get("sd")
        self.guess: Any = about.get("prior", {}).get("guess")
        self.confidence: Any = about.get("prior", {}).get("confidence")
        condition = about.get("active_if")
        self.active_if = (condition["name"], condition["option"]) if condition else None

    @property
    def levels(self) -> int | None:
        """The number of values; None if there are infinitely many."""
        if self.kind == "categorical":
            return len(self.options)
        if self.step is None or self.low is None:
            return None
        count: int = round((self.high - self.low) / self.step) + 1
        return count

    def from_unit(self, u: float) -> float:
        """The value at quantile `u` in [0, 1] of the hyperparameter's own distribution."""
        if self.kind == "categorical":
            return min(int(u * len(self.options)), len(self.options) - 1)
        if self.low is None:
            return self._on_grid(NormalDist(self.mean, self.sd).inv_cdf(min(max(u, TAIL), 1 - TAIL)))
        low, high = self._edges()
        return self._on_grid(math.exp(low + u * (high - low)) if self.log else low + u * (high - low))

    def to_unit(self, value: float) -> float:
        """The quantile of `value`, the inverse of `from_unit`; for an option or a level, the middle of its range."""
        if self.kind == "categorical":
            return (value + 0.5) / len(self.options)
        if self.low is None:
            return NormalDist(self.mean, self.sd).cdf(value)
        low, high = self._edges()
        return ((math.log(value) if self.log else value) - low) / (high - low) if high > low else 0.5

    def level(self, index: int) -> float:
        """The value of level `index`, from 0."""
        return index if self.kind == "categorical" else self._on_grid(self.low + index * self.step)

    def _edges(self) -> tuple[float, float]:
        half = (self.step or 0) / 2
        low, high = self.low - half, self.high + half
        if self.log:
            return math.log(low if low > 0 else self.low / 2), math.log(high)
        return low, high

    def _on_grid(self, value: float) -> float:
        if self.step:
            value = round(value / self.step) * self.step
        if self.low is not None:
            value = min(max(value, self.low), self.high)
        return int(value) if self.kind == "integer" else float(value)


class Hello:
    """What is to be searched.

    Attributes:
        space: `Parameter`s, a conditional one after the choice that it depends on.
        seed, metric, mode, max_epochs: of the sweep. Losses are lower for better in both modes.
        settings: the option `settings` of the study file.
    """

    def __init__(self, message: Message) -> None:
        self.space = [Parameter(about) for about in message["space"]]
        self.seed, self.metric, self.mode = message["seed"], message["metric"], message["mode"]
        self.max_epochs, self.settings = message["max_epochs"], message.get("settings", {})

    @property
    def n_initial(self) -> int:
        """The setting of that name: configurations drawn at random before the model is used; 10 unless given."""
        return int(self.settings.get("n_initial", 10))


class Session:
    """Answers requests with a searcher.

    Failed trials are told with the worst loss so far, those before any success once there is one.
    """

    def __init__(self, make: Callable[[Hello], Any]) -> None:
        self.make = make
        self.searcher: Any = None
        self.worst = -math.inf
        self.untold: list[int] = []

    def answer(self, request: Message) -> Message:
        """The answer to a request."""
        handler = {
            "hello": self._hello, "earlier": self._earlier, "ask": self._ask, "tell": self._tell, "epoch": self._epoch,
        }  # fmt: skip
        known = handler.get(request["type"])
        return known(request) if known else {"type": "ignored"}

    def _hello(self, request: Message) -> Message:
        try:
            self.searcher = self.make(Hello(request))
        except Refused as error:
            return {"type": "refused", "reason": str(error)}
        return {"type": "ready", "epochs": hasattr(self.searcher, "epoch")}

    def _earlier(self, request: Message) -> Message:
        if not hasattr(self.searcher, "earlier"):
            return {"type": "ignored"}
        self.searcher.earlier(request["number"], request["values"])
        return self._tell(request)

    def _ask(self, request: Message) -> Message:
        again = request.get("again")
        if again and hasattr(self.searcher, "again"):
            self.searcher.again(request["number"], again.get("values"))
            return dict(again)
        asked = self.searcher.ask(request["number"], request["pending"])
        if asked is None:
            return {"type": "finished"}
        values, epochs = asked if isinstance(asked, tuple) else (asked, None)
        return {"type": "config", "values": _plain(values), **({"epochs": epochs} if epochs else {})}

    def _tell(self, request: Message) -> Message:
        if request["loss"] is None:
            self.untold.append(request["number"])
        else:
            self.worst = max(self.worst, request["loss"])
            self.searcher.tell(request["number"], request["loss"])
        if self.worst > -math.inf:
            for number in self.untold:
                self.searcher.tell(number, self.worst)
            self.untold = []
        return {"type": "ok"}

    def _epoch(self, request: Message) -> Message:
        self.searcher.epoch(request["number"], request["epoch"], request["loss"])
        return {"type": "ok"}


def _plain(values: Message) -> Message:
    """numpy's numbers as Python's."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in values.items()}


def serve(make: Callable[[Hello], Any]) -> None:
    """Reads requests from standard input until it ends. Whatever else prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    session = Session(make)
    for line in sys.stdin:
        try:
            answer = session.answer(json.loads(line))
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side is told
            import traceback

            traceback.print_exc()
            answer = {"type": "error", "message": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()
