"""Hypotheses of a study file: English sentences of a few fixed forms, parsed into claims that can be checked.

`>` means *is better than*, by the study's metric and mode; *increases* and *decreases* refer to the number itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hypertune.study.design import Factor

VALUE, SECONDS, PARAMETERS = "value", "seconds", "parameters"
"""Outcomes: the study's metric, training seconds, number of weights."""
STRATEGY = "strategy"
"""The factor of a study that compares strategies."""
EXAMPLES = (
    "accuracy increases with filters", "adam > sgd", "adam > sgd by 0.01", "adam equals adamw within 0.005",
    "units1 = 4 > units1 = 2", "batch norm is more robust to lr than none", "accuracy peaks inside lr",
    "no gain from depth within 0.005", "flat in units1 beyond 512 within 0.005",
    "accuracy at units1 = 2 is below 0.3", "time decreases with batch_size",
)  # fmt: skip

Where = tuple[tuple[str, Any], ...]
"""Cells by `(factor, level)`; factors that are not named are averaged over."""


@dataclass(frozen=True, slots=True)
class Better:
    """`left > right by margin`: left is better by more than the margin."""

    left: Where
    right: Where
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Equal:
    """`left equals right within margin`."""

    left: Where
    right: Where
    margin: float


@dataclass(frozen=True, slots=True)
class Trend:
    """`outcome increases|decreases with factor within margin`: from the first level to the last, and between no two
    levels the other way by more than the margin; None for a tenth of the whole change."""

    outcome: str
    factor: str
    rising: bool
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class NoGain:
    """`no gain from factor within margin`: no level is better than the first one by more than the margin."""

    factor: str
    margin: float


@dataclass(frozen=True, slots=True)
class Flat:
    """`flat in factor beyond level within margin`: no later level differs from `level` by more than the margin."""

    factor: str
    beyond: Any
    margin: float


@dataclass(frozen=True, slots=True)
class Robust:
    """`left is more robust to factor than right`: left's true means have a smaller range over the factor's levels."""

    left: Where
    right: Where
    factor: str


@dataclass(frozen=True, slots=True)
class Peak:
    """`accuracy peaks inside factor`: an inner level is better than both ends."""

    factor: str


@dataclass(frozen=True, slots=True)
class Bound:
    """`outcome at where is above|below number`."""

    outcome: str
    where: Where
    above: bool
    number: float


Claim = Better | Equal | Trend | NoGain | Flat | Robust | Peak | Bound


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A sentence and what it claims."""

    text: str
    claim: Claim


class Parser:
    """Reads hypotheses about one study.

    Args:
        factors: the factors of its design; without a design the hyperparameters, without levels.
        strategies: the strategies that it compares; empty with a design.
        metric: the study's metric.
        margin: of hypotheses that name none; None where the metric has no margin that goes without saying.
    """

    def __init__(
        self, factors: Sequence[Factor], strategies: Sequence[str], metric: str, margin: float | None = None
    ) -> None:
        self.factors = {factor.name: factor for factor in factors}
        self.strategies, self.metric, self.margin = tuple(strategies), metric, margin

    def parse(self, text: str) -> Hypothesis:
        """The hypothesis that `text` states.

        Raises:
            ValueError: if it has none of the forms, or names something that is not in the study.
        """
        plain = " ".join(text.split())
        for pattern, read in self._forms():
            found = re.fullmatch(pattern, plain, re.IGNORECASE)
            if found:
                claim = read(*found.groups())
                if self.strategies and not isinstance(claim, Better | Equal | Trend):
                    raise ValueError(f"{text!r}: needs a [design]; strategies do not spread their trials evenly")
                return Hypothesis(plain, claim)
        raise ValueError(f"{text!r}: not a form that can be checked; examples: {_quoted(EXAMPLES)}")

    def _forms(self) -> list[tuple[str, Callable[..., Claim]]]:
        """Patterns in order, each with the function that reads its groups."""
        within = r"(?: within (\S+))?"
        return [
            (rf"(.+?) (increases|decreases) with (.+?){within}", self._trend),
            (r"(.+?) (?:is|are) more robust to (.+?) than (.+)", self._robust),
            (r"(.+?) peaks (?:inside|within) (.+)", self._peak),
            (rf"no gain from (.+?)(?: alone)?{within}", self._no_gain),
            (rf"(?:(.+?) is )?flat(?: in (.+?))? beyond (\S+){within}", self._flat),
            (r"(.+?) at (.+?) is (above|below) (\S+)", self._bound),
            (rf"(.+?) equals (.+?){within}", self._equal),
            (r"(.+?) > (.+?)(?: by (\S+))?", self._better),
            (r"(.+?) < (.+?)(?: by (\S+))?", lambda left, right, by: self._better(right, left, by)),
        ]

    def _trend(self, outcome: str, way: str, factor: str, within: str | None) -> Trend:
        if within is not None and self.strategies:
            raise ValueError("strategies: trends are judged by the ranks of trials there; leave out within")
        what = self._outcome(outcome)
        margin = _amount("within", within) if within is not None else self.margin if what == VALUE else None
        return Trend(what, self._ordered(factor), way.lower() == "increases", None if self.strategies else margin)

    def _robust(self, left: str, factor: str, right: str) -> Robust:
        name = self._ordered(factor, numeric=False)
        return Robust(self._cells(left, other_than=name), self._cells(right, other_than=name), name)

    def _peak(self, outcome: str, factor: str) -> Peak:
        self._metric_only(outcome)
        name = self._ordered(factor)
        if not self.strategies and len(self.factors[name].levels) < 3:
            raise ValueError(f"{name}: has no inner level; a peak needs at least three levels")
        return Peak(name)

    def _no_gain(self, factor: str, within: str | None) -> NoGain:
        return NoGain(self._ordered(factor, numeric=False), self._margin(within))

    def _flat(self, outcome: str | None, factor: str | None, level: str, within: str | None) -> Flat:
        self._metric_only(outcome)
        if factor is None:
            numeric = [name for name, known in self.factors.items() if known.numeric]
            if len(numeric) != 1:
                raise ValueError(f"flat beyond {level}: name the factor: flat in FACTOR beyond {level}")
            factor = numeric[0]
        name = self._ordered(factor)
        beyond = self._level(name, level)
        if beyond == self.factors[name].levels[-1]:
            raise ValueError(f"{name} = {level}: is the last level; nothing lies beyond it")
        return Flat(name, beyond, self._margin(within))

    def _bound(self, outcome: str, where: str, side: str, number: str) -> Bound:
        return Bound(self._outcome(outcome), self._cells(where), side.lower() == "above", _number(number))

    def _equal(self, left: str, right: str, within: str | None) -> Equal:
        return Equal(self._cells(left), self._cells(right), self._margin(within))

    def _better(self, left: str, right: str, by: str | None) -> Better:
        return Better(self._cells(left), self._cells(right), _amount("by", by) if by else 0.0)

    # Names ------------------------------------------------------------------------------------------------------

    def _outcome(self, text: str) -> Literal["value", "seconds", "parameters"]:
        word = text.lower()
        if word == self.metric.lower() or (word in ("accuracy", "loss") and word in self.metric):
            return "value"
        if word in ("time", "training time", "seconds"):
            return "seconds"
        if word in ("size", "model size", "parameters"):
            return "parameters"
        raise ValueError(f"{text!r}: unknown outcome; known: {self.metric}, time, size")

    def _metric_only(self, outcome: str | None) -> None:
        if outcome is not None and self._outcome(outcome) != "value":
            raise ValueError(f"{outcome!r}: this form takes {self.metric} only")

    def _ordered(self, name: str, *, numeric: bool = True) -> str:
        if name not in self.factors:
            raise ValueError(f"{name!r}: not varied by the study; varied: {', '.join(self.factors) or 'nothing'}")
        if numeric and not self.factors[name].numeric:
            raise ValueError(f"{name}: its levels are not numbers and have no order")
        return name

    def _margin(self, within: str | None) -> float:
        if within is not None:
            return _amount("within", within)
        if self.margin is None:
            raise ValueError(f"say which difference in {self.metric} counts as none, e.g. within 0.01")
        return self.margin

    def _cells(self, text: str, *, other_than: str | None = None) -> Where:
        if self.strategies:
            if text not in self.strategies:
                raise ValueError(f"{text!r}: not a strategy of the study ({', '.join(self.strategies)})")
            return ((STRATEGY, text),)
        where = tuple(self._condition(part.strip(), other_than) for part in text.split(","))
        if len({name for name, _ in where}) < len(where):
            raise ValueError(f"{text!r}: names a factor twice")
        return where

    def _condition(self, text: str, other_than: str | None) -> tuple[str, Any]:
        """`factor = level`, a level, or a level with its factor's name beside it (`batch norm`)."""
        if "=" in text:
            name, level = (part.strip() for part in text.split("=", 1))
            self._ordered(name, numeric=False)
            return name, self._level(name, level)
        for name in self.factors:
            for bare in (text.removesuffix(f" {name}"), text.removeprefix(f"{name} ")):
                if bare != text:
                    return name, self._level(name, bare)
        owners = [name for name, factor in self.factors.items() if name != other_than and _find(factor, text)]
        if len(owners) != 1:
            what = "a level of both " + " and ".join(owners) if owners else "no level of any factor"
            raise ValueError(f"{text!r}: is {what}; write FACTOR = LEVEL ({', '.join(self.factors)})")
        return owners[0], self._level(owners[0], text)

    def _level(self, name: str, text: str) -> Any:
        found = _find(self.factors[name], text)
        if not found:
            raise ValueError(
                f"{name} = {text}: no such level; there are {', '.join(map(str, self.factors[name].levels))}"
            )
        return found[0]


def _find(factor: Factor, text: str) -> list[Any]:
    """A list with the level that `text` names; empty if there is none."""
    return [level for level in factor.levels if str(level) == text or _same_number(level, text)]


def _same_number(level: Any, text: str) -> bool:
    try:
        return not isinstance(level, bool) and abs(float(level) - float(text)) <= 1e-9 * abs(float(level))
    except (TypeError, ValueError):
        return False


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r}: must be a number")
    return number


def _amount(word: str, text: str) -> float:
    """The number after `by` or `within`."""
    amount = _number(text)
    if amount < 0:
        raise ValueError(f"{word} {text}: must be 0 or more")
    return amount


def _quoted(texts: Sequence[str]) -> str:
    return ", ".join(f'"{text}"' for text in texts)
