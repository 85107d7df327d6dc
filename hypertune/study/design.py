"""Designs of experiments: the cells of a search space to run, and the factors that they vary.

A design is a finite list of configurations, fixed before anything is trained: the full factorial grid, or one
hyperparameter at a time around a baseline (Box, Hunter and Hunter 2005, "Statistics for Experimenters", chapter 5).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from msgspec import Meta, Struct

from hypertune.space.domains import Numeric
from hypertune.space.sampled import Sampled
from hypertune.space.space import Categorical, Config, Parameter, Space
from hypertune.space.values import key_text

MAX_SIZE = 1_000_000
POINTS, LEVELS = 5, 10
EPOCHS = "epochs"
"""Name of the factor whose levels are read off the learning curves."""


class Design(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The table `[design]` of a study file; every cell is run once with each of the study's seeds."""

    kind: Literal["grid", "one_at_a_time"]
    """All combinations of all levels; or the baseline and every cell that differs from it in one hyperparameter."""
    baseline: dict[str, Any] | None = None
    """For `one_at_a_time`: one level of every hyperparameter; by default the middle one."""
    epochs: Annotated[list[Annotated[int, Meta(ge=1)]], Meta(min_length=2)] | None = None
    """Makes the number of epochs a factor with these levels, read off the curves of trials that train for the most."""
    points: Annotated[int, Meta(ge=1, le=MAX_SIZE)] = POINTS
    """Levels of a continuous hyperparameter, evenly spread on its own scale."""
    levels: Annotated[int, Meta(ge=1, le=MAX_SIZE)] = LEVELS
    """A stepped domain of at most this many levels is enumerated; a larger one gets `points` levels too."""

    def __post_init__(self) -> None:
        if self.kind == "grid" and self.baseline is not None:
            raise ValueError('baseline: belongs to kind = "one_at_a_time"; a grid has none')
        if self.epochs is not None and self.epochs != sorted(set(self.epochs)):
            raise ValueError(f"epochs: give each once, in ascending order, got {self.epochs}")

    @property
    def options(self) -> dict[str, Any]:
        """The options of this design's searcher."""
        told = {"points": self.points, "levels": self.levels}
        return told if self.baseline is None else {**told, "baseline": self.baseline}

    def cells(self, space: Space) -> Cells:
        """The cells of this design in `space`.

        Raises:
            ValueError: if the space or the baseline does not make a design.
        """
        if self.kind == "grid":
            return Grid(space, self.points, self.levels)
        return OneAtATime(space, self.baseline, self.points, self.levels)

    def factors(self, space: Space) -> tuple[Factor, ...]:
        """The factors, epochs last; a hyperparameter with one level is a constant and not a factor.

        Raises:
            ValueError: if a hyperparameter is conditional; its effect would be confounded with its parent's.
        """
        for parameter in space.parameters():
            if parameter.parents:
                raise ValueError(
                    f"{parameter.name}: a design takes no conditional hyperparameters; list all its options"
                )
        cells = self.cells(space)
        levels = {parameter.key: cells.levels(parameter.key) for parameter in space.parameters()}
        if self.epochs is not None:
            levels[EPOCHS] = tuple(self.epochs)
        return tuple(Factor(name, values) for name, values in levels.items() if len(values) > 1)


@dataclass(frozen=True, slots=True)
class Factor:
    """One thing that a design varies.

    Attributes:
        name: the hyperparameter's key in the space, or `epochs`.
        levels: its values; numbers are in ascending order.
    """

    name: str
    levels: tuple[Any, ...]

    @property
    def numeric(self) -> bool:
        """Whether the levels are numbers, so that they have an order."""
        return all(isinstance(level, int | float) and not isinstance(level, bool) for level in self.levels)

    @property
    def log(self) -> bool:
        """Whether the levels read better on a logarithmic axis: positive, and spread over more than a decade."""
        return self.numeric and min(self.levels) > 0 and max(self.levels) >= 10 * min(self.levels)


class Cells(Protocol):
    """The cells of a design, numbered from 0."""

    size: int

    def config(self, index: int) -> Config: ...
    def levels(self, key: str) -> tuple[Any, ...]: ...


class Grid:
    """All combinations of a space's values, numbered from 0; a conditional value multiplies only its own option.

    Args:
        points: values per continuous hyperparameter, evenly spread on its own scale.
        levels: a stepped domain of at most this many levels is enumerated, a larger one gets `points` values.

    Raises:
        ValueError: if there are more than a million combinations.
    """

    def __init__(self, space: Space, points: int, levels: int) -> None:
        self.space = space
        self._values = {
            parameter.key: level_numbers(parameter.domain, points, levels) for parameter in space.parameters()
        }
        self.size = self._count(space, "")
        if self.size > MAX_SIZE:
            raise ValueError(
                f"the grid has {self.size:,} points, more than {MAX_SIZE:,}; lower points or levels, or narrow [space]"
            )

    def config(self, index: int) -> Config:
        """Configuration `index`; the first hyperparameter varies fastest."""
        return _resolved(self.space, dict(self._digits(self.space, index, "")), index)

    def levels(self, key: str) -> tuple[Any, ...]:
        """The values of one hyperparameter, numbers in rising order."""
        return _named(self.space, key, self._values[key])

    def _count(self, entry: object, key: str) -> int:
        if isinstance(entry, Space):
            return math.prod(self._count(inner, key + name) for name, inner in _children(entry))
        if isinstance(entry, Numeric):
            return len(self._values[key])
        if isinstance(entry, Categorical):
            return sum(self._count(entry.options[i], f"{key}[{i}]/") for i in entry.distinct())
        return 1

    def _digits(self, entry: object, index: int, key: str) -> Iterator[tuple[str, float | int]]:
        if isinstance(entry, Space):
            for name, inner in _children(entry):
                index, digit = divmod(index, self._count(inner, key + name))
                yield from self._digits(inner, digit, key + name)
        elif isinstance(entry, Numeric):
            yield key, self._values[key][index]
        elif isinstance(entry, Categorical):
            for i in entry.distinct():
                option = entry.options[i]
                count = self._count(option, f"{key}[{i}]/")
                if index < count:
                    yield key, i
                    yield from self._digits(option, index, f"{key}[{i}]/")
                    return
                index -= count


class OneAtATime:
    """The baseline, numbered 0, and every cell that differs from it in one hyperparameter.

    Args:
        baseline: one value of every hyperparameter, by its key; None takes the middle level of each. A number that is
            not a level of its hyperparameter is added as one.

    Raises:
        ValueError: for a hyperparameter that is missing, unknown or conditional, or a value outside its domain.
    """

    def __init__(self, space: Space, baseline: Mapping[str, Any] | None, points: int, levels: int) -> None:
        self.space = space
        parameters = {parameter.key: parameter for parameter in space.parameters()}
        for parameter in parameters.values():
            if parameter.parents:
                raise ValueError(f"{parameter.name}: one_at_a_time takes no conditional hyperparameters")
        self._values = {key: level_numbers(p.domain, points, levels) for key, p in parameters.items()}
        self.baseline = self._middle() if baseline is None else self._read(parameters, baseline)
        for key, number in self.baseline.items():
            others = [value for value in self._values[key] if not _same(value, number, parameters[key].domain)]
            self._values[key] = sorted([*others, number])
        self._changes = [(key, v) for key, values in self._values.items() for v in values if v != self.baseline[key]]
        self.size = 1 + len(self._changes)

    def config(self, index: int) -> Config:
        numbers = dict(self.baseline)
        if index:
            key, number = self._changes[index - 1]
            numbers[key] = number
        return _resolved(self.space, numbers, index)

    def levels(self, key: str) -> tuple[Any, ...]:
        """The values of one hyperparameter, numbers in rising order."""
        return _named(self.space, key, self._values[key])

    def _middle(self) -> dict[str, float | int]:
        return {key: values[len(values) // 2] for key, values in self._values.items()}

    def _read(self, parameters: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, float | int]:
        wrong = {**dict.fromkeys(parameters, "is missing"), **dict.fromkeys(baseline, "is not in [space]")}
        for key in sorted(parameters.keys() ^ baseline.keys()):
            raise ValueError(f"baseline: {key} {wrong[key]}; give one value of {', '.join(parameters)}")
        return {key: _number_of(key, parameter.domain, baseline[key]) for key, parameter in parameters.items()}


def _resolved(space: Space, numbers: Mapping[str, float | int], index: int) -> Config:
    """The configuration of these numbers; what a function draws, it draws anew for each cell."""

    def pick(parameter: Parameter) -> Any:
        domain = parameter.domain
        return domain.draw(np.random.default_rng(index)) if isinstance(domain, Sampled) else numbers[parameter.key]

    return space.resolve(pick)


def _number_of(key: str, domain: Numeric | Categorical, value: Any) -> float | int:
    """The value as `Space.resolve` takes it: a number, or the index of an option."""
    try:
        if isinstance(domain, Categorical):
            return domain.index(value)
    except ValueError as error:
        raise ValueError(f"baseline: {key}: {error}") from None
    number = float(value) if not domain.integer and isinstance(value, int) and not isinstance(value, bool) else value
    if not domain.contains(number):
        raise ValueError(f"baseline: {key}: {value!r} is not in {domain.kind} {list(domain.args)}")
    return number


def level_numbers(domain: Numeric | Categorical, points: int, levels: int) -> list[float]:
    """The domain's values on the grid: option indices, all levels, or quantiles including the bounds."""
    if isinstance(domain, Categorical):
        return list(domain.distinct())
    if domain.levels is not None and domain.levels <= levels:
        assert domain.step is not None
        return [domain.cast(domain.low + i * domain.step) for i in range(domain.levels)]
    inner = domain.normal or points == 1
    quantiles = (np.arange(points) + 0.5) / points if inner else np.linspace(0, 1, points)
    values = [domain.from_unit(float(u)) for u in quantiles]
    if not domain.integer:
        values = [_tidy(value, domain, max(map(abs, values))) for value in values]
    if not inner:
        values[0], values[-1] = domain.low, domain.high
    return list(dict.fromkeys(values))


def _tidy(value: float, domain: Numeric, largest: float) -> float:
    """A level without the last digits, which are rounding errors: 0.001 for 0.0010000000000000002."""
    negligible = not domain.log and abs(value) < 1e-12 * largest
    return domain.cast(0.0 if negligible else float(f"{value:.12g}"))


def _same(one: float, other: float, domain: Numeric | Categorical) -> bool:
    """Whether two levels differ at most by rounding."""
    if isinstance(domain, Categorical) or domain.integer:
        return one == other
    return math.isclose(one, other, rel_tol=1e-11)


def _named(space: Space, key: str, numbers: list[float]) -> tuple[Any, ...]:
    """Levels as the values of a configuration."""
    domain = next(parameter.domain for parameter in space.parameters() if parameter.key == key)
    values = [domain.options[int(n)] for n in numbers] if isinstance(domain, Categorical) else numbers
    ordered = Factor(key, tuple(values)).numeric
    return tuple(sorted(values) if ordered else values)


def _children(space: Space) -> Iterator[tuple[str, object]]:
    """Entries with their part of the key; that of a nested space ends with a slash."""
    for name, entry in space.entries.items():
        yield f"{key_text(name)}{'/' * isinstance(entry, Space)}", entry
