"""Search spaces: typed domains from a study file's `[space]` table.

The names and bounds of the domains are Ray Tune's (`uniform`, `loguniform`, `randint`, ...). The one primitive every
searcher builds on is `Space.resolve`: it walks the space, asks a callback for each hyperparameter that is active, and
returns a configuration with exact types. An option of a choice that is a table adds conditional hyperparameters.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypertune.space.domains import NUMERIC_KINDS, Numeric

Config = dict[str, Any]
"""A configuration: hyperparameter name to value, nested where the space is."""

KINDS = (*NUMERIC_KINDS, "choice", "grid_search")


@dataclass(frozen=True, slots=True)
class Categorical:
    """A choice of options; an option that is a `Space` adds hyperparameters that exist only when it is chosen.

    `grid` marks a `grid_search`: the `grid` searcher enumerates it, the others treat it as a choice.
    """

    options: tuple[Any, ...]
    grid: bool = False

    def __post_init__(self) -> None:
        kind = "grid_search" if self.grid else "choice"
        if not self.options:
            raise ValueError(f"{kind} takes a list of at least one option, got an empty list")
        seen: list[tuple[type, Any]] = []
        for option in self.options:
            if (type(option), option) in seen:
                raise ValueError(f"{kind} takes distinct options, got {option!r} twice")
            seen.append((type(option), option))

    @property
    def conditional(self) -> bool:
        return any(isinstance(option, Space) and option.parameters() for option in self.options)

    def index(self, value: object) -> int:
        """The index of the option that the value of a configuration came from.

        Raises:
            ValueError: if no option matches.
        """
        for position, option in enumerate(self.options):
            if option.contains(value) if isinstance(option, Space) else _same(option, value):
                return position
        raise ValueError(f"{value!r} is not one of the options {list(self.options)}")


Domain = Numeric | Categorical


@dataclass(frozen=True, slots=True)
class Parameter:
    """One hyperparameter of a space.

    Attributes:
        name: path inside a configuration, e.g. `optimizer/momentum`.
        key: unique within the space, even if two options of a choice add parameters of the same name.
        domain: its possible values.
        parents: `(key, option index)` of the choices it depends on, outermost first; empty if always active.
    """

    name: str
    key: str
    domain: Domain
    parents: tuple[tuple[str, int], ...] = ()


class _Step(NamedTuple):
    """One entry of a space with its place in the whole space.

    Attributes:
        own: its name in its own table.
        name: its path inside a configuration.
        entry: a domain, a nested space, or a constant.
        parameter: the hyperparameter of a domain, else None.
        inner: the steps of a nested space, or of each option of a choice, None for an option that is not a space.
    """

    own: str
    name: str
    entry: Any
    parameter: Parameter | None
    inner: tuple[tuple[_Step, ...] | None, ...]


Pick = Callable[[Parameter], float | int]
"""Returns a number for a numeric parameter, and the option's index for a categorical one."""


@dataclass(frozen=True, slots=True, eq=True)
class Space:
    """A search space: an ordered mapping of names to domains, constants and nested spaces."""

    entries: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    # Shared by all walks over the space and computed once, since simulations resolve millions of configurations.
    _plan: tuple[_Step, ...] = dataclasses.field(init=False, repr=False, compare=False)
    _parameters: tuple[Parameter, ...] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_plan", tuple(_steps(self, "", "", ())))
        object.__setattr__(self, "_parameters", tuple(_parameters_of(self._plan)))

    @staticmethod
    def parse(table: Mapping[str, Any], where: str = "space") -> Space:
        """Reads a `[space]` table as parsed from TOML.

        Raises:
            ValueError: naming the key, what is wrong with it, and the remedy.
        """
        return Space({name: _parse_entry(value, f"{where}.{name}") for name, value in table.items()})

    def to_toml(self) -> Config:
        """The table from which `parse` makes the same space."""
        return {name: _entry_to_toml(entry) for name, entry in self.entries.items()}

    def parameters(self) -> tuple[Parameter, ...]:
        """All hyperparameters in order, each conditional one after the choice it depends on."""
        return self._parameters

    def resolve(self, pick: Pick) -> Config:
        """Builds a configuration by asking `pick` for every active hyperparameter, in order."""
        return _resolve(self._plan, pick)

    def encode(self, config: Mapping[str, Any]) -> dict[str, float | int]:
        """Parameter key to number (numeric) or option index (categorical), for the parameters active in `config`.

        Raises:
            ValueError: if `config` is not in this space.
        """
        return dict(_encode(self._plan, config))

    def contains(self, config: object) -> bool:
        """Whether `config` has every name, with values of the exact types and inside the bounds."""
        if not isinstance(config, Mapping) or set(config) != set(self.entries):
            return False
        return all(_entry_contains(entry, config[name]) for name, entry in self.entries.items())

    @property
    def conditional(self) -> bool:
        return any(parameter.parents for parameter in self.parameters())


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flattens a nested configuration, joining names with `/` as in the columns `config/<name>`."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}/"))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _same(option: object, value: object) -> bool:
    return type(option) is type(value) and bool(option == value)


def _parse_entry(value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        return value
    known = [key for key in value if key in KINDS]
    if not known:
        _refuse_misspelt_domain(value, where)
        return Space.parse(value, where)
    if len(value) > 1:
        raise ValueError(f"{where}: give one domain per hyperparameter, got the keys {', '.join(value)}")
    kind, args = known[0], value[known[0]]
    if not isinstance(args, list):
        raise ValueError(f"{where}: {kind} takes a list, e.g. {{ {kind} = {_EXAMPLES[kind]} }}, got {args!r}")
    try:
        return _make_domain(kind, args, where)
    except ValueError as error:
        message = str(error)
        raise ValueError(message if message.startswith(where) else f"{where}: {message}") from None


def _make_domain(kind: str, args: list[Any], where: str) -> Domain:
    if kind in NUMERIC_KINDS:
        return Numeric(kind, tuple(args))
    options = (_parse_entry(option, f"{where}[{i}]") for i, option in enumerate(args))
    return Categorical(tuple(options), grid=kind == "grid_search")


def _refuse_misspelt_domain(table: Mapping[str, Any], where: str) -> None:
    """A table with one key that holds a list is a domain whose name is wrong, never a nested space."""
    if len(table) == 1 and isinstance(next(iter(table.values())), list):
        name = next(iter(table))
        close = difflib.get_close_matches(name, KINDS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(KINDS)}"
        raise ValueError(f"{where}: unknown domain {name!r}; {hint} (a constant list belongs in [training.config])")


_EXAMPLES = {
    **dict.fromkeys(NUMERIC_KINDS, "[1, 10]"),
    **{kind: "[2, 10, 2]" for kind, names in NUMERIC_KINDS.items() if len(names) == 3},
    "choice": '["a", "b"]',
    "grid_search": "[1, 2, 4]",
}


def _entry_to_toml(entry: Any) -> Any:
    if isinstance(entry, Space):
        return entry.to_toml()
    if isinstance(entry, Numeric):
        return {entry.kind: list(entry.args)}
    if isinstance(entry, Categorical):
        return {"grid_search" if entry.grid else "choice": [_entry_to_toml(option) for option in entry.options]}
    return entry


def _steps(space: Space, name: str, key: str, parents: tuple[tuple[str, int], ...]) -> Iterator[_Step]:
    for own, entry in space.entries.items():
        here, there = f"{name}{own}", f"{key}{own}"
        if isinstance(entry, Space):
            yield _Step(own, here, entry, None, (tuple(_steps(entry, f"{here}/", f"{there}/", parents)),))
        elif isinstance(entry, Numeric):
            yield _Step(own, here, entry, Parameter(here, there, entry, parents), ())
        elif isinstance(entry, Categorical):
            inner = tuple(
                tuple(_steps(option, f"{here}/", f"{there}[{i}]/", (*parents, (there, i))))
                if isinstance(option, Space)
                else None
                for i, option in enumerate(entry.options)
            )
            yield _Step(own, here, entry, Parameter(here, there, entry, parents), inner)
        else:
            yield _Step(own, here, entry, None, ())


def _parameters_of(plan: Iterable[_Step]) -> Iterator[Parameter]:
    for step in plan:
        if step.parameter is not None:
            yield step.parameter
        for inner in step.inner:
            yield from _parameters_of(inner or ())


def _resolve(plan: tuple[_Step, ...], pick: Pick) -> Config:
    config: Config = {}
    for own, _, entry, parameter, inner in plan:
        if parameter is None:
            config[own] = _resolve(inner[0] or (), pick) if inner else entry
        elif isinstance(entry, Numeric):
            config[own] = entry.cast(pick(parameter))
        else:
            index = int(pick(parameter))
            plan_of_option = inner[index]
            config[own] = entry.options[index] if plan_of_option is None else _resolve(plan_of_option, pick)
    return config


def _encode(plan: tuple[_Step, ...], config: Mapping[str, Any]) -> Iterator[tuple[str, float | int]]:
    for own, name, entry, parameter, inner in plan:
        if own not in config:
            raise ValueError(f"the configuration lacks {name}")
        value = config[own]
        if parameter is None:
            yield from _encode(inner[0] or (), value) if inner else ()
        elif isinstance(entry, Numeric):
            yield parameter.key, value
        else:
            index = entry.index(value)
            yield parameter.key, index
            yield from _encode(inner[index] or (), value)


def _entry_contains(entry: Any, value: object) -> bool:
    if isinstance(entry, Space | Numeric):
        return entry.contains(value)
    if isinstance(entry, Categorical):
        return any(_entry_contains(option, value) for option in entry.options)
    return _same(entry, value)
