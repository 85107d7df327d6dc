"""Which strategy, seed and task a result belongs to: by the names of columns, attributes and tags, or by its own
name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from hypertune.foreign.source import Source, listed

NAMES = {
    "strategy": ("strategy", "method", "optimizer", "sampler", "searcher", "algorithm", "optimizer_id"),
    "seed": ("seed", "random_seed", "run", "repetition", "rep", "random_state"),
    "task": ("task", "task_id", "problem", "dataset", "benchmark"),
    "seconds": ("seconds", "wall_s", "runtime"),
    "epoch": ("epoch",),
    "budget": ("budget", "n_trials"),
}
"""Our name of a column to its known names; the first is preferred."""
PREFIXES = ("config.", "config/", "config_", "params.", "tags.", "user_attrs_")
"""What tools put before the name of a setting."""

_TIME = re.compile(r"[-_]\d{4}-\d{2}-\d{2}[-_T]\d{2}[-:]\d{2}[-:]\d{2}([-_.]\d{1,6})?$")
_KEYWORD = re.compile(r"^(?:(?P<strategy>.*?)[-_/. ])?(?:random_)?seed[-_=/. ]?(?P<seed>\d+)$", re.I)
_NUMBER = re.compile(r"^(?:(?P<strategy>.*\D)[-_/. ])?(?:s|run|rep)?[-_=]?(?P<seed>\d+)$", re.I)
_LEADING = re.compile(r"^seed[-_=]?(?P<seed>\d+)[-_/. ](?P<strategy>.+)$", re.I)


def of_name(name: str) -> tuple[str | None, int | None]:
    """Strategy and seed of a name such as `tpe-3`, `tpe_seed3`, `tpe/seed=3` or `seed3_tpe`; None for what it does not
    say. A date and time at its end, as appended by Ray Tune and Syne Tune, is ignored."""
    plain = _TIME.sub("", name.strip())
    for pattern in (_KEYWORD, _LEADING, _NUMBER):
        if found := pattern.match(plain):
            return (found["strategy"] or "").strip("-_/. ") or None, int(found["seed"])
    return plain or None, None


def is_dated(name: str) -> bool:
    """Whether a name ends in a date and time and has no seed: then a tool generated it, and it names no strategy."""
    return _TIME.search(name) is not None and of_name(name)[1] is None


def bare(name: str) -> str:
    """The name of a column or setting in lower case, without what a tool puts before it."""
    plain = name.strip().casefold()
    return next((plain.removeprefix(prefix) for prefix in PREFIXES if plain.startswith(prefix)), plain)


def found(role: str, names: Iterable[str], source: Source) -> str | None:
    """The one of `names` that holds the strategy, the seed and so on; None if there is none.

    Raises:
        ValueError: if several may.
    """
    known = list(names)
    preferred, *others = NAMES[role]
    if exact := [name for name in known if bare(name) == preferred]:
        return min(exact, key=len)  # `seed` before `config.seed`
    maybe = [name for name in known if bare(name) in others]
    if len(maybe) > 1:
        remedy = f"give strategy: one of {listed(maybe)}" if role == "strategy" else f"rename the right one {preferred}"
        raise source.fault(f"{listed(maybe)} could each be the {role}; {remedy}")
    return maybe[0] if maybe else None


def strategy_among(names: Iterable[str], source: Source) -> str | None:
    """The one of `names` that holds the strategy: the one asked for, if any; None if it is missing."""
    known = list(names)
    if source.strategy is None:
        return found("strategy", known, source)
    return next((name for name in known if source.strategy in (name, bare(name))), None)


def task_of(facts: Mapping[str, Any]) -> str | None:
    """The task: if several names may hold it and none is the preferred one, all joined, as `benchmark/dataset`."""
    preferred, *others = NAMES["task"]
    told = [
        name for name, cell in facts.items() if cell is not None and cell == cell and cell != ""
    ]  # NaN does not equal itself
    names = [name for name in told if bare(name) == preferred] or [name for name in told if bare(name) in others]
    return "/".join(str(facts[name]) for name in sorted(names, key=bare)) if names else None


def identity(facts: Mapping[str, Any], name: str, source: Source) -> dict[str, Any]:
    """`strategy`, `seed` and `task` from what is recorded of a result, else from its name; what neither says is left
    out."""
    facts = {key: value for key, value in facts.items() if value is not None and str(value).strip() != ""}
    strategy, seed = strategy_among(facts, source), found("seed", facts, source)
    named, number = of_name(name)
    if source.strategy is not None and strategy is None:
        named = None  # asked for by name: the result's own name is no substitute
    known = {
        "strategy": facts[strategy] if strategy else named,
        "seed": facts[seed] if seed else number,
        "task": task_of(facts),
    }
    return {key: value for key, value in known.items() if value is not None}


def unknown(what: str, known: Mapping[str, Any], source: Source) -> ValueError:
    """The message that a result's strategy or seed cannot be found, with the remedy."""
    missing = "strategy" if "strategy" not in known else "seed"
    if missing == "strategy" and source.strategy is not None:
        return source.fault(f"{what}: has no {source.strategy!r}, which was given as the strategy")
    return source.fault(
        f"{what}: nothing says its {missing}; record it under the name {missing}, or name it like tpe-3 or tpe_seed3"
    )
