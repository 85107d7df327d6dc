"""What the readers of arguments share: whole numbers, lists, known names, and values as messages show them."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable, Mapping
from typing import Any


def integer(value: Any, *, whole: bool = False) -> int | None:
    """An integer of any type, including numpy's, as an int; None for anything else, including a bool.

    Args:
        whole: whether to accept a float without a fractional part.
    """
    if isinstance(value, bool):
        return None
    if whole and isinstance(value, float) and value.is_integer():
        return int(value)
    try:
        return operator.index(value)
    except TypeError:
        return None


def items_of(name: str, value: Any, example: str) -> list[Any]:
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise ValueError(f"{name}: {example}, got {shortened(value)}")
    return list(value)


def once(name: str, values: list[Any]) -> tuple[Any, ...]:
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise ValueError(f"{name}: {twice!r} is given more than once; give each one once")
    return tuple(values)


def check_known(name: str, value: Mapping[Any, Any], known: Iterable[str]) -> None:
    for key in value:
        if key not in known:
            raise ValueError(f"{name}: unknown {key!r}; {close_to(key, known)}known: {', '.join(known)}")


def close_to(name: object, known: Iterable[str]) -> str:
    """`did you mean NAME? ` if a known name is close to or starts with `name`, else an empty string."""
    names = list(known)
    begins = [other for other in names if other.startswith(str(name))]
    close = begins or difflib.get_close_matches(str(name), names, n=1)
    return f"did you mean {close[0]}? " if close else ""


def shortened(value: Any) -> str:
    """The `repr` of `value` on one line, cut after some 80 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
