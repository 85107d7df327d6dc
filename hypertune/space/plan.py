"""Walks over a search space, on a plan of it that is computed once: simulations resolve millions of configurations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from hypertune.space.choices import Categorical
from hypertune.space.domains import Numeric
from hypertune.space.sampled import Sampled
from hypertune.space.values import recorded, text_of

Form = Literal["dict", "list", "tuple", "value"]
"""What a space's configurations are: tables; lists or tuples of its entries in order; or its one entry's value, which
is how a domain appears among the options of a choice."""
VALUE = "value"
"""The one entry of a space of that form."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One hyperparameter of a space.

    Attributes:
        name: path inside a configuration, e.g. `optimizer/momentum`, or `layers/0` of a list.
        key: unique within the space, even where two options of a choice bring parameters of the same name.
        domain: the values it can take.
        parents: `(key, option index)` of the choices it depends on, outermost first; empty where always active.
    """

    name: str
    key: str
    domain: Numeric | Categorical
    parents: tuple[tuple[str, int], ...] = ()


class Step(NamedTuple):
    """One entry of a space, with its place in the whole space.

    Attributes:
        own: its name in its own table.
        name: its path inside a configuration.
        entry: a domain, a nested space, or a constant.
        parameter: the hyperparameter, if the entry is a domain.
        inner: the plan of a nested space, or of each option of a choice, None where the option is not a space.
    """

    own: Any
    name: str
    entry: Any
    parameter: Parameter | None
    inner: tuple[Plan | None, ...]


class Plan(NamedTuple):
    """A space's entries in order, and what its configurations are."""

    form: Form
    steps: tuple[Step, ...]


Pick = Callable[[Parameter], float | int]
"""Answers with a number for a numeric parameter and with the option's index for a categorical one."""


def parameters_of(plan: Plan) -> Iterator[Parameter]:
    """All hyperparameters but those that a function draws."""
    for step in plan.steps:
        if step.parameter is not None and not isinstance(step.entry, Sampled):
            yield step.parameter
        for inner in step.inner:
            if inner is not None:
                yield from parameters_of(inner)


def sampled_in(plan: Plan) -> Iterator[str]:
    """Paths of the hyperparameters that a function draws."""
    for step in plan.steps:
        if isinstance(step.entry, Sampled):
            yield step.name
        for inner in step.inner:
            if inner is not None:
                yield from sampled_in(inner)


def check_names(plan: Plan) -> None:
    """Raises a ValueError if two entries share a name."""
    keys = Counter(parameter.key for parameter in parameters_of(plan))
    keys.update(Counter(step.name for step in plan.steps if step.parameter is None))
    twice = next((key for key, count in keys.items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"space: two entries are called {twice}; rename one of them")


def resolve(plan: Plan, pick: Callable[[Parameter], Any]) -> Any:
    """The configuration whose numbers `pick` gives, and the values of hyperparameters that a function draws."""
    config: dict[Any, Any] = {}
    for own, _, entry, parameter, inner in plan.steps:
        if parameter is None:
            config[own] = resolve(inner[0], pick) if inner and inner[0] is not None else entry
        elif isinstance(entry, Numeric):
            config[own] = entry.cast(pick(parameter))
        elif isinstance(entry, Sampled):
            config[own] = pick(parameter)
        else:
            index = int(pick(parameter))
            below = inner[index]
            config[own] = entry.options[index] if below is None else resolve(below, pick)
    return config if plan.form == "dict" else _made(plan.form, config)


def _made(form: Form, config: dict[Any, Any]) -> Any:
    if form == "value":
        return config[VALUE]
    return list(config.values()) if form == "list" else tuple(config.values())


def _taken(form: Form, config: Any) -> Mapping[Any, Any]:
    """The values of a space's entries by their names, from its configuration; empty if that is not one."""
    if form == "value":
        return {VALUE: config}
    if form == "dict":
        return config if isinstance(config, Mapping) else {}
    # A tuple comes back from a file as a list.
    return {str(i): value for i, value in enumerate(config)} if isinstance(config, list | tuple) else {}


def encode(plan: Plan, config: Any) -> Iterator[tuple[str, Any]]:
    """Key and number of each active hyperparameter of a configuration, in memory or as recorded.

    Raises:
        ValueError: if it is not in the space.
    """
    values = _taken(plan.form, config)
    for own, name, entry, parameter, inner in plan.steps:
        if own not in values and (isinstance(own, str) or str(own) not in values):
            raise ValueError(f"the configuration lacks {name}")
        value = values[own] if own in values else values[str(own)]
        if parameter is None:
            yield from encode(inner[0], value) if inner and inner[0] is not None else ()
        elif isinstance(entry, Categorical):
            index = entry.index(value)
            yield parameter.key, index
            below = inner[index]
            yield from encode(below, value) if below is not None else ()
        else:
            yield parameter.key, value


def contains(plan: Plan, config: Any) -> bool:
    """Whether the configuration has all names, exact types and values inside the bounds."""
    values = _taken(plan.form, config)
    if len(values) != len(plan.steps):
        return False
    for step in plan.steps:
        own = step.own if step.own in values else str(step.own)
        if own not in values or not _holds(step, values[own]):
            return False
    return True


def _holds(step: Step, value: Any) -> bool:
    entry = step.entry
    if isinstance(entry, Numeric):
        return entry.contains(value)
    if isinstance(entry, Sampled):
        return True
    if isinstance(entry, Categorical):
        try:
            index = entry.index(value)
        except ValueError:
            return False
        below = step.inner[index]
        return below is None or contains(below, value)
    inner = step.inner[0] if step.inner else None
    return contains(inner, value) if inner is not None else value is entry or text_of(entry) == text_of(value)


def record(plan: Plan, config: Any) -> Any:
    """The configuration as recorded in the journal."""
    values, told = _taken(plan.form, config), {}
    for own, _, entry, parameter, inner in plan.steps:
        value = values[own]
        if isinstance(entry, Categorical):
            index = entry.index(value)
            below = inner[index]
            told[str(own)] = entry.recorded[index] if below is None else record(below, value)
        elif parameter is None and inner and inner[0] is not None:
            told[str(own)] = record(inner[0], value)
        else:
            told[str(own)] = recorded(value)
    return told if plan.form == "dict" else told[VALUE] if plan.form == "value" else list(told.values())


def is_plain(plan: Plan) -> bool:
    """Whether every configuration looks the same in memory and in records, so that `record` has nothing to do."""
    if plan.form in ("list", "tuple"):
        return False
    return all(isinstance(step.own, str) and _plain_step(step) for step in plan.steps)


def _plain_step(step: Step) -> bool:
    if isinstance(step.entry, Sampled):
        return False
    leaves: Iterable[Any] = ()
    if isinstance(step.entry, Categorical):
        leaves = [option for option, below in zip(step.entry.options, step.inner, strict=True) if below is None]
    elif step.parameter is None and not step.inner:
        leaves = [step.entry]
    scalars = all(leaf is None or type(leaf) in (bool, int, float, str) for leaf in leaves)
    return scalars and all(is_plain(inner) for inner in step.inner if inner is not None)
