"""A study's prior: what somebody who knows the task would guess, and how sure they are, by hyperparameter.

Searchers that can use it (`hypertune strategies` names them) look first and more often near the guesses. The confidence
has the three levels of PriorBand (Mallik et al., 2023, NeurIPS).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hypertune.space.domains import Numeric
from hypertune.space.plan import Parameter
from hypertune.space.space import Space

EXAMPLE = '{ guess = 1e-3, confidence = "high" }'


class Guess(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is guessed for one hyperparameter.

    Attributes:
        guess: a value of its domain.
        confidence: how sure whoever guesses is.
    """

    guess: Any
    confidence: Literal["low", "medium", "high"] = "medium"


Prior = Mapping[str, Guess]
"""Key of a hyperparameter (`lr`, `optimizer[0]/momentum`) to what is guessed for it."""


def read_prior(table: Mapping[str, Any]) -> dict[str, Guess]:
    """The table `[prior]`, or the argument of `compare`.

    Raises:
        ValueError: one line that names the key and the remedy.
    """
    return {name: value if isinstance(value, Guess) else _guess(name, value) for name, value in table.items()}


def _guess(name: str, value: Any) -> Guess:
    if not isinstance(value, Mapping) or "guess" not in value:
        raise ValueError(f"prior.{name}: expected a guess and a confidence, e.g. {EXAMPLE}, got {value!r:.100}")
    try:
        return msgspec.convert(dict(value), Guess)
    except msgspec.ValidationError:
        unknown = [key for key in value if key not in Guess.__struct_fields__]
        if unknown:
            raise ValueError(f"prior.{name}.{unknown[0]}: unknown key; known: guess, confidence") from None
        raise ValueError(
            f"prior.{name}.confidence: expected low, medium or high, got {value['confidence']!r:.100}"
        ) from None


def check_prior(prior: Prior, space: Space) -> None:
    """Checks that each guess is a value of a hyperparameter of the space.

    Raises:
        ValueError: one line that names the key and the remedy.
    """
    known = {parameter.key: parameter for parameter in space.parameters()}
    for name, guess in prior.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
            raise ValueError(f"prior.{name}: no hyperparameter of [space] has this name; {hint}")
        try:
            number_of(known[name], guess)
        except ValueError as error:
            raise ValueError(f"prior.{name}.guess: {error}") from None


def number_of(parameter: Parameter, guess: Guess) -> float | int:
    """The guess as a number, of a choice the option's index.

    Raises:
        ValueError: if it is no value of the hyperparameter.
    """
    domain, value = parameter.domain, guess.guess
    if not isinstance(domain, Numeric):
        return domain.index(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, got {value!r:.100}")
    if not domain.low <= value <= domain.high:
        raise ValueError(f"{value!r} lies outside of {domain.low:g} to {domain.high:g}")
    nearest = domain.cast(value)
    if domain.step is not None and not domain.contains(nearest if nearest == value else value):
        raise ValueError(f"{value!r} is no value of {domain.kind}; the nearest is {nearest!r}")
    return nearest
