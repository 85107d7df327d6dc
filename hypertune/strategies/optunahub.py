"""A sampler of OptunaHub, Optuna's registry of third-party algorithms, from a local copy of it.

The copy is a clone of https://github.com/optuna/optunahub-registry: nothing is downloaded while a study runs, and what
runs is what the copy holds. A sampler's own packages have to be installed beside hypertune.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from optuna.samplers import BaseSampler
from ray.tune.search import Searcher

from hypertune.space.space import Space
from hypertune.strategies.optuna import SEEDS, OptunaSearcher
from hypertune.strategies.plugin import FEATURES, searcher


@searcher(
    summary="a sampler of OptunaHub from a local copy: package = ..., registry = ... in the study file",
    supports=FEATURES, packages={"optunahub": "hypertune-ray[optunahub]"},
)  # fmt: skip
def optunahub(
    space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, package: str = "", registry: str = "",
    sampler: str = "", arguments: dict[str, Any] | None = None,
) -> Searcher:  # fmt: skip
    """A sampler of OptunaHub.

    Args:
        package: its folder in the registry, e.g. `samplers/simulated_annealing`.
        registry: the local copy's folder `package`.
        sampler: name of the sampler's class, where the package has several.
        arguments: of the sampler, besides its seed.

    Raises:
        ValueError: if there is no such package or sampler, or if it takes no seed or other arguments.
    """
    made = _sampler(_module(package, registry), sampler, package)
    return OptunaSearcher(
        space, metric=metric, mode=mode, seed=seed, sampler=_make(made, {**(arguments or {}), "seed": seed % SEEDS})
    )


def _module(package: str, registry: str) -> ModuleType:
    folder = Path(registry).expanduser()
    if not package or not registry:
        raise ValueError('package and registry: both are needed, e.g. package = "samplers/simulated_annealing"')
    if not (folder / package / "__init__.py").is_file():
        raise ValueError(
            f"package: {folder / package} is no package of OptunaHub; registry is the folder `package` of a copy of "
            f"optunahub-registry"
        )
    import optunahub as library

    try:
        return library.load_local_module(package, registry_root=str(folder))
    except ImportError as error:
        raise ValueError(f"package: {package} cannot be imported ({_short(error)}); install what it needs") from None


def _sampler(module: ModuleType, name: str, package: str) -> type[BaseSampler]:
    own = [n for n in getattr(module, "__all__", vars(module)) if _is_sampler(getattr(module, n, None))]
    known = {n for n in own if getattr(module, n).__module__.startswith(module.__name__)} or set(own)
    if (name and name not in known) or (not name and len(known) != 1):
        fault = f"{package} has no sampler {name!r}" if name else f"{package} has {len(known)} samplers"
        raise ValueError(f"sampler: {fault}; known: {', '.join(sorted(known)) or 'none'}")
    found: type[BaseSampler] = getattr(module, name or known.pop())
    return found


def _is_sampler(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseSampler) and thing is not BaseSampler


def _make(sampler: type[BaseSampler], arguments: dict[str, Any]) -> BaseSampler:
    try:
        inspect.signature(sampler).bind(**arguments)
    except TypeError as error:
        if "'seed'" in str(error):
            raise ValueError(
                f"sampler: {sampler.__name__} takes no seed, so that a study could not be repeated or resumed"
            ) from None
        raise ValueError(f"arguments: {error}") from None
    try:
        return sampler(**arguments)
    except (TypeError, ValueError, AssertionError, ImportError) as error:
        raise ValueError(f"sampler: {sampler.__name__} cannot be made with these arguments ({_short(error)})") from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
