"""Choices: domains of options that have no order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from hypertune.space.values import plain, recorded, text_of


class Nested(ABC):
    """An entry of a space that has entries itself: a `Space`."""

    __slots__ = ()

    @abstractmethod
    def contains(self, config: object) -> bool:
        """Whether `config` is one of its configurations."""

    @abstractmethod
    def to_toml(self) -> Any:
        """Itself as written in a study file."""

    @property
    @abstractmethod
    def searches(self) -> bool:
        """Whether it has hyperparameters."""


@dataclass(frozen=True, slots=True, eq=False)
class Categorical:
    """A choice of options; an option that is a `Space` brings hyperparameters that exist only when it is chosen.

    An option listed twice is drawn twice as often, as in Ray Tune. `grid` marks a `grid_search`: the `grid`
    searcher enumerates it, the others treat it as a choice.
    """

    options: tuple[Any, ...]
    grid: bool = False
    recorded: tuple[Any, ...] = field(init=False, repr=False)
    """The options as recorded in the journal; None for those that are spaces."""
    _scalars: dict[tuple[type, Any], int] = field(init=False, repr=False)
    _texts: dict[str, int] = field(init=False, repr=False)
    _objects: dict[int, int] = field(init=False, repr=False)
    _nested: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.options:
            kind = "grid_search" if self.grid else "choice"
            raise ValueError(f"{kind} takes a list of at least one option, got an empty list")
        told = _told_apart(self.options)
        scalars: dict[tuple[type, Any], int] = {}
        texts: dict[str, int] = {}
        objects: dict[int, int] = {}
        nested: list[int] = []
        for i, option in enumerate(self.options):
            if isinstance(option, Nested):
                nested.append(i)
                continue
            if _is_scalar(option):
                scalars.setdefault((type(option), option), i)
            else:
                objects.setdefault(id(option), i)
            if not _is_scalar(option) or option != option:  # NaN does not equal itself
                texts.setdefault(text_of(told[i]), i)
        values = {"recorded": told, "_scalars": scalars, "_texts": texts, "_objects": objects, "_nested": tuple(nested)}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Categorical) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[Any, ...]:
        options = (text_of(option.to_toml() if isinstance(option, Nested) else option) for option in self.options)
        return (self.grid, *options)

    @property
    def conditional(self) -> bool:
        return any(isinstance(option, Nested) and option.searches for option in self.options)

    def distinct(self) -> list[int]:
        """The options by index, each value once."""
        return sorted({*self._scalars.values(), *self._texts.values(), *self._nested})

    def index(self, value: object) -> int:
        """Which option the value, in memory or as recorded, came from.

        Raises:
            ValueError: if it came from none.
        """
        position = self._objects.get(id(value))
        if position is None or self.options[position] is not value:
            value = plain(value)
            position = self._scalars.get((type(value), value)) if _is_scalar(value) else None
        if position is None:
            position = self._texts.get(text_of(value))
        if position is None:
            position = next((i for i in self._nested if self.options[i].contains(value)), None)
        if position is None:
            raise ValueError(f"{value!r} is not one of the options {_listed(self.options)}")
        return position


def _is_scalar(value: object) -> bool:
    return value is None or type(value) in (bool, int, float, str)


def _told_apart(options: tuple[Any, ...]) -> tuple[Any, ...]:
    """The options as recorded; objects that share a name are numbered, such as two unnamed ones."""
    told = [None if isinstance(option, Nested) else recorded(option) for option in options]
    if all(map(_is_scalar, options)):
        return tuple(told)
    alike: dict[str, list[Any]] = {}
    for i, option in enumerate(options):
        if isinstance(told[i], str) and not isinstance(option, str):
            others = alike.setdefault(str(told[i]), [])
            number = next((n for n, other in enumerate(others) if _equal(other, option)), len(others))
            others[number:] = others[number:] or [option]
            told[i] = f"{told[i]} #{number + 1}" if number else told[i]
    return tuple(told)


def _equal(one: Any, other: Any) -> bool:
    try:
        return one is other or bool(one == other)
    except (TypeError, ValueError):  # such as of tables, whose comparison is a table
        return False


def _listed(options: tuple[Any, ...]) -> str:
    shown = ", ".join(map(repr, options[:10]))
    return f"[{shown}, ... {len(options):,} in all]" if len(options) > 10 else f"[{shown}]"
