"""The registry of strategies: what is installed, which pairs are valid, and how a strategy is built.

Names are known without importing Ray; a searcher or scheduler is imported when it is first used.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from hypertune.space.space import Space
from hypertune.strategies.plugin import FIDELITIES, PRIOR, SAMPLED, SchedulerPlugin, SearcherPlugin, features
from hypertune.study.prior import Prior
from hypertune.study.warm_start import EarlierTrial

if TYPE_CHECKING:
    from ray.tune.schedulers import TrialScheduler
    from ray.tune.search import Searcher

ALIASES = {"bohb": "bohb+hyperband", "priorband": "priorband+hyperband", "tpe": "hyperopt+fifo"}
"""Short names that stand for something other than `name+fifo` or `random+name`."""

COMMAND = "command"
"""The searcher that runs a command, and the option that holds it."""

P = TypeVar("P", SearcherPlugin, SchedulerPlugin)


class Plugins(Mapping[str, P], Generic[P]):
    """The installed plugins of one kind by name; each is imported when it is first asked for.

    Raises:
        ValueError: on access to an entry that cannot be imported or is not a plugin.
    """

    def __init__(self, kind: str, plugin_type: type[P]) -> None:
        self._kind: str = kind
        self._type: type[Any] = plugin_type
        self._entries = _installed(f"hypertune.{kind}s", tuple(sys.path))

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> P:
        entry = self._entries[name]
        where = f"{self._kind} {name!r} ({entry.value})"
        try:
            plugin = entry.load()
        except (ImportError, AttributeError) as error:
            raise ValueError(f"{where} cannot be imported: {error}; fix or remove its package") from error
        if not isinstance(plugin, self._type):
            raise ValueError(f"{where} is not a {self._kind}: decorate it with @{self._kind}(...)")
        return cast(P, plugin)


@cache
def _installed(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """The entry points of all packages on `path`; cached, since reading their metadata takes 50 ms."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        if found.setdefault(entry.name, entry).value != entry.value:
            raise ValueError(
                f"{group}: {entry.name!r} is registered twice, as {found[entry.name].value} and as {entry.value};"
                " uninstall one of the two packages"
            )
    return found


def searchers() -> Mapping[str, SearcherPlugin]:
    """All installed searchers by name, sorted; imported one by one as they are looked up."""
    return Plugins("searcher", SearcherPlugin)


def schedulers() -> Mapping[str, SchedulerPlugin]:
    """All installed schedulers by name, sorted; imported one by one as they are looked up."""
    return Plugins("scheduler", SchedulerPlugin)


@dataclass(frozen=True, slots=True)
class Strategy:
    """A searcher paired with a scheduler, under the name the user gave it."""

    name: str
    searcher: str
    scheduler: str


def parse_strategy(name: str, options: Mapping[str, Any] | None = None) -> Strategy:
    """Reads `searcher+scheduler`, `searcher` (with `fifo`), `scheduler` (with `random`) or an alias.

    Args:
        options: the strategy's own; with a `command` among them, the searcher's name is the user's choice.

    Raises:
        ValueError: for unknown names; names a close match and the known ones.
    """
    name = name.strip()
    parts = [part.strip() for part in ALIASES.get(name, name).split("+")]
    if COMMAND in (options or {}) and parts[0] not in searchers():
        if not is_file_name(name):
            raise ValueError(f"{name!r}: files are named after it; leave out slashes and control characters")
        parts = [COMMAND, *(parts[1:] or ["fifo"])]
    if len(parts) == 1 and parts[0] in searchers():
        parts.append("fifo")
    elif len(parts) == 1 and parts[0] in schedulers():
        parts.insert(0, "random")
    if len(parts) != 2:
        known = [*ALIASES, *searchers(), *schedulers()]
        raise ValueError(
            f"{_unknown('strategy', name, known)}; or a pair such as hyperopt+asha, or your own with "
            f'options: command = ["python", "mine.py"]'
        )
    for kind, part, plugins in zip(("searcher", "scheduler"), parts, (searchers(), schedulers()), strict=True):
        if part not in plugins:
            raise ValueError(_unknown(kind, part, list(plugins)) + f" (in the strategy {name!r})")
    return Strategy(name, *parts)


def is_file_name(name: str) -> bool:
    """Whether files can be named after a strategy or a trial, whatever else of it the user has chosen."""
    return name.isprintable() and not {"/", "\\"} & {*name}


def _unknown(kind: str, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown {kind} {name!r}; {hint}known: {', '.join(sorted(set(known)))}"


def refusal(strategy: Strategy, space: Space | None = None) -> str | None:
    """Why the pair cannot search `space` (any space if None); None if it can."""
    searcher, scheduler = searchers()[strategy.searcher], schedulers()[strategy.scheduler]
    for name, plugin in ((strategy.searcher, searcher), (strategy.scheduler, scheduler)):
        if plugin.missing:
            return f"{strategy.name}: {name} needs a package that is not installed: {plugin.missing}"
    reason = _mismatch(strategy)
    if reason:
        return reason
    sampled = space.sampled() if space else ()
    if sampled and SAMPLED not in searcher.supports:
        able = [name for name, plugin in searchers().items() if SAMPLED in plugin.supports]
        return (
            f"{strategy.name}: {strategy.searcher} cannot search {sampled[0]}, whose values a function draws "
            f"(tune.sample_from); use {' or '.join(able)}, or a domain such as tune.uniform"
        )
    for parameter in space.parameters() if space else ():
        for feature in features(parameter):
            if feature not in searcher.supports:
                return (
                    f"{strategy.name}: {strategy.searcher} does not support {feature} hyperparameters, and"
                    f" {parameter.name} is one; leave it out of [space] or use another searcher"
                )
    return None


def _mismatch(strategy: Strategy) -> str | None:
    """Why searcher and scheduler do not work together on any space; None if they do."""
    needs, scheduler = searchers()[strategy.searcher].needs, schedulers()[strategy.scheduler]
    if FIDELITIES not in needs or scheduler.fidelities:
        return None
    return (
        f"{strategy.name}: {strategy.searcher} learns from trials of different length, but {strategy.scheduler}"
        f" trains all for the same epochs; use {strategy.searcher}+hyperband or {strategy.searcher}+asha"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a strategy optimises in one sweep: the common arguments of every factory."""

    space: Space
    metric: str
    mode: str
    seed: int
    max_epochs: int
    prior: Prior = field(default_factory=dict)
    earlier: Sequence[EarlierTrial] = ()


def build(strategy: Strategy, task: Task, options: Mapping[str, Any]) -> tuple[Searcher, TrialScheduler]:
    """Builds a fresh searcher and scheduler for one sweep.

    Each of `options` (the study file's `[strategies.<name>]`) goes to the factory that has a keyword of that name, or
    to both.

    Raises:
        ValueError: for an invalid pair, an unknown option, or an option of the wrong type or value.
    """
    reason = refusal(strategy, task.space)
    if reason:
        raise ValueError(reason)
    plugins = (searchers()[strategy.searcher], schedulers()[strategy.scheduler])
    where = f"strategies.{strategy.name}"
    _refuse_unknown_options(where, plugins, options)
    searcher, scheduler = (_make(plugin, where, options, task) for plugin in plugins)
    return searcher, scheduler


def _refuse_unknown_options(
    where: str, plugins: tuple[SearcherPlugin, SchedulerPlugin], options: Mapping[str, Any]
) -> None:
    known = sorted({name for plugin in plugins for name in plugin.options})
    for key in options:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise ValueError(f"{where}.{key}: unknown option; {hint}known: {', '.join(known) or 'none'}")


def _make(plugin: SearcherPlugin | SchedulerPlugin, where: str, options: Mapping[str, Any], task: Task) -> Any:
    chosen: dict[str, Any] = {}
    for name, option in plugin.options.items():
        if name in options:
            try:
                chosen[name] = option.check(options[name])
            except ValueError as error:
                raise ValueError(f"{where}.{name}: {error}") from None
    if isinstance(plugin, SearcherPlugin) and plugin.uses_prior:
        chosen[PRIOR] = task.prior
    try:
        made: Any = plugin(
            task.space, metric=task.metric, mode=task.mode, seed=task.seed, max_epochs=task.max_epochs, **chosen
        )
        if task.earlier and isinstance(plugin, SearcherPlugin) and plugin.knows_earlier(chosen):
            made.know(task.earlier)
        return made
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of `hypertune strategies`; fields that do not apply to its kind are None."""

    name: str
    kind: str
    summary: str
    supports: tuple[str, ...] | None
    needs: tuple[str, ...] | None
    uses_prior: bool | None
    warm_starts: bool | None
    needs_checkpoints: bool | None
    asynchronous: bool | None
    options: Mapping[str, Any]
    missing: str | None


def describe() -> list[Row]:
    """All searchers, then all schedulers, with their options and defaults."""
    rows = [_searcher_row(name, plugin) for name, plugin in searchers().items()]
    rows += [_scheduler_row(name, plugin) for name, plugin in schedulers().items()]
    return rows


def _searcher_row(name: str, p: SearcherPlugin) -> Row:
    supports, needs = _sorted(p.supports), _sorted(p.needs)
    return Row(
        name, "searcher", p.summary, supports, needs, p.uses_prior, p.warm_starts, None, None, _defaults(p), p.missing
    )  # fmt: skip


def _scheduler_row(name: str, p: SchedulerPlugin) -> Row:
    waits = p.needs_checkpoints, p.asynchronous
    return Row(name, "scheduler", p.summary, None, None, None, None, *waits, _defaults(p), p.missing)


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def _defaults(plugin: SearcherPlugin | SchedulerPlugin) -> dict[str, Any]:
    return {name: option.default for name, option in plugin.options.items()}


def refused_pairs() -> list[tuple[str, str]]:
    """The pairs that are invalid on every space, each with the reason."""
    pairs = [Strategy(f"{a}+{b}", a, b) for a in searchers() for b in schedulers()]
    return [(pair.name, reason) for pair in pairs if (reason := _mismatch(pair))]
