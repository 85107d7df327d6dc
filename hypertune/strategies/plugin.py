"""Defines searcher and scheduler plugins: a factory with a description, registered as an entry point.

Importing this module does not import Ray.
"""

from __future__ import annotations

import importlib.util
import inspect
import math
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from hypertune.installed import DISTRIBUTION, install_hint
from hypertune.space.space import Categorical, Parameter, Space

if TYPE_CHECKING:
    from ray.tune.schedulers import TrialScheduler
    from ray.tune.search import Searcher

FEATURES = frozenset({"integer", "log", "categorical", "conditional", "grid", "normal"})
"""Kinds of hyperparameters beyond plain bounded numbers, which a searcher may or may not support."""

SAMPLED = "sampled"
"""What a searcher supports besides that hands out what functions draw (`tune.sample_from`), without learning of it."""

FIDELITIES = "fidelities"
"""The one thing a searcher can need: a scheduler that trains trials for different numbers of epochs."""

PRIOR = "prior"
"""The keyword of a searcher's factory that takes the study's prior, a `hypertune.study.prior.Prior`; without it the
searcher ignores the prior."""

WARM_STARTS = "warm_starts"
"""The option, of a searcher whose factory has it, that says whether it learns from an earlier study's trials."""

_GIVEN = ("metric", "mode", "seed", "max_epochs", PRIOR)


@dataclass(frozen=True, slots=True)
class Option:
    """One keyword option of a factory: the type that its value in a study file must have, and its default."""

    name: str
    type: Any
    default: Any

    def check(self, value: Any) -> Any:
        """`value` converted to the option's type; an integer is accepted as a float.

        Raises:
            ValueError: if it is of another type, or a number that is not finite.
        """
        try:
            given = msgspec.convert(value, self.type)
        except msgspec.ValidationError as error:
            raise ValueError(f"{error} ({value!r}); default: {self.default!r}") from None
        if isinstance(given, float) and not math.isfinite(given):
            raise ValueError(f"expected a finite number ({value!r}); default: {self.default!r}")
        return given


@dataclass(frozen=True)
class _Plugin:
    make: Callable[..., Any]
    summary: str
    packages: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, Option]:
        """The factory's keyword options by name, as its signature declares them."""
        parameters = inspect.signature(self.make, eval_str=True).parameters.values()
        own = (p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in _GIVEN)
        return {p.name: Option(p.name, p.annotation, p.default) for p in own}

    @property
    def missing(self) -> str | None:
        """The command that installs the missing packages; None if none is missing."""
        absent = [pip for module, pip in self.packages.items() if importlib.util.find_spec(module) is None]
        absent += [program for program in self.programs if shutil.which(program) is None]
        if not absent:
            return None
        extras = [name.partition("[")[2].rstrip("]") for name in absent if name.startswith(f"{DISTRIBUTION}[")]
        return install_hint(extras[0]) if extras else f"pip install {' '.join(absent)}"


@dataclass(frozen=True)
class SearcherPlugin(_Plugin):
    """A searcher's factory and what it supports. Calling it calls the factory.

    Attributes:
        make: the factory.
        summary: one line for `hypertune strategies`.
        packages: optional packages it imports, module name to what pip is to install.
        programs: optional programs it runs, which pip installs under the same name.
        supports: the `FEATURES` of a hyperparameter that it handles.
        needs: what it requires of its scheduler: nothing, or `FIDELITIES`.
        warm_starts: whether what it makes has `know(trials)`, which tells it the trials of an earlier study.
    """

    supports: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    warm_starts: bool = False

    def knows_earlier(self, options: Mapping[str, Any]) -> bool:
        """Whether what it makes with these options is told the trials of an earlier study."""
        own = self.options.get(WARM_STARTS)
        return self.warm_starts if own is None else bool(options.get(WARM_STARTS, own.default))

    @property
    def uses_prior(self) -> bool:
        """Whether the factory takes the study's prior."""
        return PRIOR in inspect.signature(self.make).parameters

    def __call__(self, space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, **options: Any) -> Searcher:
        made: Searcher = self.make(space, metric=metric, mode=mode, seed=seed, max_epochs=max_epochs, **options)
        return made


@dataclass(frozen=True)
class SchedulerPlugin(_Plugin):
    """A scheduler's factory and its properties. Calling it calls the factory.

    Attributes:
        make: the factory.
        summary: one line for `hypertune strategies`.
        packages: optional packages it imports, module name to what pip is to install.
        programs: optional programs it runs, which pip installs under the same name.
        needs_checkpoints: whether it pauses trials, whose trainable must then save and restore checkpoints.
        asynchronous: whether it decides on a trial without waiting for others.
        fidelities: whether it trains trials for different numbers of epochs.
    """

    needs_checkpoints: bool = False
    asynchronous: bool = True
    fidelities: bool = True

    def __call__(
        self, space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, **options: Any
    ) -> TrialScheduler:
        made: TrialScheduler = self.make(space, metric=metric, mode=mode, seed=seed, max_epochs=max_epochs, **options)
        return made


def searcher(
    *,
    summary: str,
    supports: Collection[str],
    needs: Collection[str] = (),
    packages: Mapping[str, str] | None = None,
    programs: Collection[str] = (),
    warm_starts: bool = False,
) -> Callable[[Callable[..., Any]], SearcherPlugin]:
    """Turns a factory `(space, *, metric, mode, seed, max_epochs, <options>) -> Searcher` into a plugin.

    Every option is a keyword with a type and a default; the type may be anything msgspec understands, and the names in
    the factory's annotations must exist at run time. A factory with a keyword `prior` is given the study's prior. With
    `warm_starts`, what it makes has the method `know`, as `HistorySearcher` has, which is called before all others with
    the trials of an earlier study.

    Raises:
        ValueError: for a feature or need that hypertune does not know.
    """
    _refuse_unknown("supports", supports, FEATURES | {SAMPLED})
    _refuse_unknown("needs", needs, {FIDELITIES})

    def wrap(make: Callable[..., Any]) -> SearcherPlugin:
        return SearcherPlugin(
            make, summary, dict(packages or {}), tuple(programs), frozenset(supports), frozenset(needs), warm_starts
        )

    return wrap


def scheduler(
    *,
    summary: str,
    needs_checkpoints: bool = False,
    asynchronous: bool = True,
    fidelities: bool = True,
    packages: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Any]], SchedulerPlugin]:
    """Turns a factory `(space, *, metric, mode, seed, max_epochs, <options>) -> TrialScheduler` into a plugin."""

    def wrap(make: Callable[..., Any]) -> SchedulerPlugin:
        known = dict(packages or {})
        return SchedulerPlugin(make, summary, known, (), needs_checkpoints, asynchronous, fidelities)

    return wrap


def features(parameter: Parameter) -> list[str]:
    """Which of `FEATURES` the hyperparameter has, the most specific first."""
    domain = parameter.domain
    found = {"conditional"} if parameter.parents else set()
    if isinstance(domain, Categorical):
        found.add("grid" if domain.grid else "categorical")
    else:
        flags = {"normal": domain.normal, "log": domain.log, "integer": domain.step is not None}
        found.update(name for name, has in flags.items() if has)
    order = ("conditional", "grid", "categorical", "normal", "log", "integer")
    return [name for name in order if name in found]


def _refuse_unknown(what: str, given: Collection[str], known: Collection[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"{what}: unknown {', '.join(unknown)}; known: {', '.join(sorted(known))}")
