"""Converts search spaces to and from Ray Tune's, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ray import tune
from ray.tune.search import sample

from hypertune.space.domains import Numeric
from hypertune.space.sampled import Depends, Sampled
from hypertune.space.space import Categorical, Space, as_option, gathered
from hypertune.space.values import plain


def to_ray(space: Space) -> Any:
    """The space as a Ray Tune `param_space`; a `grid_search` becomes a choice, as Ray's searchers take no grids."""
    items = {name: _entry_to_ray(entry) for name, entry in space.entries.items()}
    if space.form == "dict":
        return items
    values = list(items.values())
    return values[0] if space.form == "value" else values if space.form == "list" else tuple(values)


def from_ray(param_space: Mapping[Any, Any], where: str = "space") -> Space:
    """A Ray Tune `param_space` as a hypertune space; anything that is not a domain stays a constant.

    Raises:
        ValueError: for `tune.sample_from` that looks at other hyperparameters, and for unknown samplers.
    """
    return Space({plain(name): _entry_from_ray(value, f"{where}.{name}") for name, value in param_space.items()})


def _entry_to_ray(entry: Any) -> Any:
    if isinstance(entry, Space):
        return to_ray(entry)
    if isinstance(entry, Numeric):
        return getattr(tune, entry.kind)(*entry.args)
    if isinstance(entry, Categorical):
        return tune.choice([_entry_to_ray(option) for option in entry.options])
    if isinstance(entry, Sampled):
        return tune.sample_from(entry.function)  # type: ignore[arg-type]
    return entry


def _entry_from_ray(value: Any, where: str) -> Any:
    if isinstance(value, sample.Categorical):
        return _choice(value.categories, where)
    if isinstance(value, sample.Function):
        return _sampled(value, where)
    if isinstance(value, sample.Domain):
        try:
            return _numeric_from_ray(value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    if isinstance(value, Mapping):
        if set(value) == {"grid_search"}:
            return _choice(value["grid_search"], where, grid=True)
        return from_ray(value, where)
    if type(value) in (list, tuple):
        entries = [_entry_from_ray(item, f"{where}[{i}]") for i, item in enumerate(value)]
        return gathered(entries, "list" if isinstance(value, list) else "tuple")
    return plain(value)


def _choice(options: Any, where: str, *, grid: bool = False) -> Categorical:
    try:
        return Categorical(
            tuple(as_option(_entry_from_ray(option, f"{where}[{i}]")) for i, option in enumerate(options)), grid
        )
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith(where) else f"{where}: {error}") from None


def _sampled(value: Any, where: str) -> Sampled:
    sampled = Sampled(value.func)
    try:
        sampled.draw(np.random.default_rng(0))
    except Depends:
        raise ValueError(
            f"{where}: tune.sample_from looks at other hyperparameters, which is not supported; use a domain such as "
            "tune.uniform, or compute the value inside the trainable"
        ) from None
    except Exception as error:  # noqa: BLE001 -- whatever the user's function raises
        raise ValueError(f"{where}: the function of tune.sample_from raises {type(error).__name__}: {error}") from None
    return sampled


def _numeric_from_ray(domain: Any) -> Numeric:
    if not isinstance(domain, sample.Float | sample.Integer):
        raise ValueError(f"unknown domain {type(domain).__name__}; use one such as tune.uniform")
    sampler, q = domain.get_sampler(), None
    if isinstance(sampler, sample.Quantized):
        q = sampler.q
        sampler = sampler.sampler
    integer = isinstance(domain, sample.Integer)
    if isinstance(sampler, sample.Normal):
        args: tuple[float, ...] = (float(sampler.mean), float(sampler.sd))
        return Numeric("qrandn", (*args, float(q))) if q is not None else Numeric("randn", args)
    if not isinstance(sampler, sample.Uniform | sample.LogUniform):
        raise ValueError(f"unknown sampler {type(sampler).__name__}")
    log = isinstance(sampler, sample.LogUniform)
    if integer:
        kind = ("q" if q is not None else "") + ("lograndint" if log else "randint")
        bounds = (int(domain.lower), int(domain.upper))
        return Numeric(kind, bounds if q is None else (*bounds, int(q)))
    kind = ("q" if q is not None else "") + ("loguniform" if log else "uniform")
    limits = (float(domain.lower), float(domain.upper))
    return Numeric(kind, limits if q is None else (*limits, float(q)))
