"""Search spaces: typed domains from a study file's `[space]` table.

The names and bounds of the domains are Ray Tune's (`uniform`, `loguniform`, `randint`, ...). The one primitive every
searcher builds on is `Space.resolve`: it walks the space, asks a callback for each hyperparameter that is active, and
returns a configuration with exact types. An option of a choice that is a table, or a domain itself, brings conditional
hyperparameters; domains inside a list or tuple are hyperparameters named by their position, `layers/0`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hypertune.space import plan as plans
from hypertune.space.choices import Categorical, Nested
from hypertune.space.domains import EXAMPLES, KINDS, NUMERIC_KINDS, Numeric, refuse_misspelt
from hypertune.space.plan import VALUE, Form, Parameter, Pick, Plan, Step
from hypertune.space.sampled import Sampled
from hypertune.space.values import (
    SPELLINGS,
    Named,
    flatten,
    from_key,
    from_toml,
    key_text,
    live,
    looked_up,
    name_of,
    plain,
    spelling_of,
    text_of,
    to_toml,
    toml_key,
)  # fmt: skip

Config = dict[str, Any]
"""A configuration: hyperparameter name to value, nested where the space is."""

SAMPLE_FROM = "sample_from"

__all__ = ["Categorical", "Config", "Parameter", "Space", "flatten"]


@dataclass(frozen=True, slots=True, eq=False)
class Space(Nested):
    """A search space: an ordered mapping of names to domains, constants and nested spaces.

    Attributes:
        entries: by name; items of a list or tuple by their index as text, "0", "1", ...
        form: what its configurations are; a table, except inside another space.

    Raises:
        ValueError: if two hyperparameters share a name, such as `{"a/b": ..., "a": {"b": ...}}`.
    """

    entries: Mapping[Any, Any] = dataclasses.field(default_factory=dict)
    form: Form = "dict"
    _plan: Plan = dataclasses.field(init=False, repr=False)
    _parameters: tuple[Parameter, ...] = dataclasses.field(init=False, repr=False)
    _plain: bool = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        plan = Plan(self.form, tuple(_steps(self, "", "", ())))
        plans.check_names(plan)
        object.__setattr__(self, "_plan", plan)
        object.__setattr__(self, "_parameters", tuple(plans.parameters_of(plan)))
        object.__setattr__(self, "_plain", plans.is_plain(plan))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> str:
        return f"{self.form} {text_of({toml_key(name): _entry_to_toml(entry) for name, entry in self.entries.items()})}"

    @staticmethod
    def parse(table: Mapping[str, Any], where: str = "space") -> Space:
        """Reads a `[space]` table as parsed from TOML.

        Raises:
            ValueError: naming the key, what is wrong with it, and the remedy.
        """
        return Space({from_key(name): _parse_entry(value, f"{where}.{name}") for name, value in table.items()})

    def to_toml(self) -> Any:
        """The table that `parse` reads back to the same space."""
        if self.form == "dict":
            return {toml_key(name): self._spelt(name, entry) for name, entry in self.entries.items()}
        items = [_entry_to_toml(entry) for entry in self.entries.values()]
        # A plain list would come before all domains, and the order of hyperparameters determines what is drawn.
        return items[0] if self.form == "value" else {self.form: items}

    def _spelt(self, name: Any, entry: Any) -> Any:
        # Alone with its list, or under the name of a domain, a constant would be read as a domain.
        mistaken = name in (*KINDS, *SPELLINGS, SAMPLE_FROM) or (len(self.entries) == 1 and type(entry) is list)
        return _as_literal(entry) if mistaken else _entry_to_toml(entry)

    def parameters(self) -> tuple[Parameter, ...]:
        """All hyperparameters in order, conditional ones after the choice they depend on.

        Those that a function draws are excluded: see `sampled`.
        """
        return self._parameters

    def sampled(self) -> tuple[str, ...]:
        """Paths of the hyperparameters that a function draws (`tune.sample_from`)."""
        return tuple(plans.sampled_in(self._plan))

    @property
    def plan(self) -> Plan:
        """The plan that walks over the space use."""
        return self._plan

    @property
    def searches(self) -> bool:
        return bool(self._parameters) or bool(self.sampled())

    def resolve(self, pick: Pick) -> Config:
        """Builds a configuration by asking `pick` for every active hyperparameter, in order."""
        config: Config = plans.resolve(self._plan, pick)
        return config

    def encode(self, config: Any) -> dict[str, float | int]:
        """Parameter key to number (numeric) or option index (categorical), for the parameters active in `config`.

        A value that a function has drawn is its own number. The configuration may be a recorded one.

        Raises:
            ValueError: if `config` is not in this space.
        """
        return dict(plans.encode(self._plan, config))

    def contains(self, config: object) -> bool:
        """Whether `config` has all names, exact types and values inside the bounds."""
        return plans.contains(self._plan, config)

    def recorded(self, config: Config) -> Config:
        """The configuration as recorded in the journal: plain values, tuples as lists, objects by their names."""
        return config if self._plain else plans.record(self._plan, config)

    def original(self, told: Config) -> Config:
        """The configuration that was recorded as `told`: the options and constants themselves, as given to trials. An
        object that the space knows only by name stays a name unless its module has been loaded."""
        if self._plain or not self.contains(told):
            return told
        numbers = self.encode(told)
        config: Config = looked_up(self.resolve(lambda parameter: numbers[parameter.key]))
        return config

    def alive(self) -> Space:
        """The space with named objects replaced by the objects, which are imported.

        Raises:
            ValueError: naming one that cannot be imported.
        """
        return Space({name: _alive(entry, key_text(name)) for name, entry in self.entries.items()}, self.form)

    @property
    def conditional(self) -> bool:
        return any(parameter.parents for parameter in self.parameters())


def _alive(entry: Any, where: str) -> Any:
    try:
        if isinstance(entry, Space):
            return entry.alive()
        if isinstance(entry, Categorical):
            return Categorical(tuple(_alive(option, "") for option in entry.options), entry.grid)
        return Sampled(live(entry.function)) if isinstance(entry, Sampled) else live(entry)
    except ValueError as error:
        raise ValueError(f"space.{where}: {error}" if where else str(error)) from None


def _parse_entry(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return _sequence(value, "list", where)
    if not isinstance(value, Mapping):
        return value
    spelling = spelling_of(value)
    if spelling is not None:
        form: Form | None = "tuple" if spelling == "tuple" else "list" if spelling == "list" else None
        return _sequence(value[form], form, where) if form else _spelt(value, where)
    known = [key for key in value if key in KINDS and not isinstance(value[key], Mapping)]
    if not known:
        if isinstance(value.get(SAMPLE_FROM), str) and len(value) == 1:
            return Sampled(Named(value[SAMPLE_FROM]))
        refuse_misspelt(value, where)
        return Space.parse(value, where)
    if len(value) > 1:
        raise ValueError(f"{where}: give one domain per hyperparameter, got the keys {', '.join(value)}")
    kind, args = known[0], value[known[0]]
    if not isinstance(args, list):
        raise ValueError(f"{where}: {kind} takes a list, e.g. {{ {kind} = {EXAMPLES[kind]} }}, got {args!r}")
    try:
        return _make_domain(kind, args, where)
    except ValueError as error:
        message = str(error)
        raise ValueError(message if message.startswith(where) else f"{where}: {message}") from None


def _spelt(value: Any, where: str) -> Any:
    try:
        return from_toml(value)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _sequence(items: list[Any], form: Form, where: str) -> Any:
    """A list or tuple, as a space of its items where they search something."""
    return gathered([_parse_entry(item, f"{where}[{i}]") for i, item in enumerate(items)], form)


def gathered(entries: list[Any], form: Form) -> Any:
    """A list or tuple of entries: a space where one of them searches something, else the constant it is."""
    if any(isinstance(entry, Numeric | Categorical | Sampled) or _searches(entry) for entry in entries):
        return Space({str(i): entry for i, entry in enumerate(entries)}, form)
    values = [_constant(entry) for entry in entries]
    return values if form == "list" else tuple(values)


def _searches(entry: Any) -> bool:
    return isinstance(entry, Space) and entry.searches


def _constant(entry: Any) -> Any:
    """A space of constants as a plain table."""
    return entry.resolve(lambda parameter: 0) if isinstance(entry, Space) else entry


def as_option(entry: Any) -> Any:
    """An entry as an option of a choice: a domain becomes a separate space."""
    return Space({VALUE: entry}, "value") if isinstance(entry, Numeric | Categorical | Sampled) else entry


def _make_domain(kind: str, args: list[Any], where: str) -> Numeric | Categorical:
    if kind in NUMERIC_KINDS:
        return Numeric(kind, tuple(args))
    options = (as_option(_parse_entry(option, f"{where}[{i}]")) for i, option in enumerate(args))
    return Categorical(tuple(options), grid=kind == "grid_search")


def _entry_to_toml(entry: Any) -> Any:
    if isinstance(entry, Space):
        return entry.to_toml()
    if isinstance(entry, Numeric):
        return {entry.kind: list(entry.args)}
    if isinstance(entry, Categorical):
        return {"grid_search" if entry.grid else "choice": [_entry_to_toml(option) for option in entry.options]}
    if isinstance(entry, Sampled):
        return {SAMPLE_FROM: str(name_of(entry.function))}
    spelt = to_toml(entry)
    return spelt if not isinstance(spelt, list | dict) or _reads_back(spelt, entry) else _as_literal(entry)


def _reads_back(spelt: Any, entry: Any) -> bool:
    """Whether a constant's spelling is read as that constant, and not as a domain that it happens to look like."""
    try:
        again = _parse_entry(spelt, "")
    except ValueError:
        return False
    return not isinstance(again, Space | Numeric | Categorical | Sampled) and text_of(again) == text_of(entry)


def _as_literal(entry: Any) -> Any:
    if isinstance(entry, Space | Numeric | Categorical | Sampled):
        return _entry_to_toml(entry)
    text = repr(plain(entry))
    try:
        return {"literal": text} if text_of(from_toml({"literal": text})) == text_of(entry) else to_toml(entry)
    except ValueError:
        return to_toml(entry)


def _steps(space: Space, name: str, key: str, parents: tuple[tuple[str, int], ...]) -> Iterator[Step]:
    for own, entry in space.entries.items():
        # A domain among the options of a choice has the choice's path.
        here = name.removesuffix("/") if space.form == "value" else f"{name}{key_text(own)}"
        there = f"{key}{key_text(own)}"
        if isinstance(entry, Space):
            yield Step(
                own, here, entry, None, (Plan(entry.form, tuple(_steps(entry, f"{here}/", f"{there}/", parents))),)
            )
        elif isinstance(entry, Categorical):
            inner = tuple(
                Plan(option.form, tuple(_steps(option, f"{here}/", f"{there}[{i}]/", (*parents, (there, i)))))
                if isinstance(option, Space)
                else None
                for i, option in enumerate(entry.options)
            )
            yield Step(own, here, entry, Parameter(here, there, entry, parents), inner)
        elif isinstance(entry, Numeric | Sampled):
            yield Step(own, here, entry, Parameter(here, there, entry, parents), ())  # type: ignore[arg-type]
        else:
            yield Step(own, here, entry, None, ())
