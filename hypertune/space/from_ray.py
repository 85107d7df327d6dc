"""Converts search spaces to and from Ray Tune's, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray import tune
from ray.tune.search import sample

from hypertune.space.domains import Numeric
from hypertune.space.space import Categorical, Space


def to_ray(space: Space) -> dict[str, Any]:
    """The space as a Ray Tune `param_space`; a `grid_search` becomes a choice, since Ray's searchers take no grids."""
    return {name: _entry_to_ray(entry) for name, entry in space.entries.items()}


def from_ray(param_space: Mapping[str, Any], where: str = "space") -> Space:
    """A Ray Tune `param_space` as a hypertune space; an entry that is not a domain stays a constant.

    Raises:
        ValueError: for `tune.sample_from`, whose values no searcher can reason about, and for unknown samplers.
    """
    return Space({name: _entry_from_ray(value, f"{where}.{name}") for name, value in param_space.items()})


def _entry_to_ray(entry: Any) -> Any:
    if isinstance(entry, Space):
        return to_ray(entry)
    if isinstance(entry, Numeric):
        return getattr(tune, entry.kind)(*entry.args)
    if isinstance(entry, Categorical):
        return tune.choice([_entry_to_ray(option) for option in entry.options])
    return entry


def _entry_from_ray(value: Any, where: str) -> Any:
    if isinstance(value, sample.Categorical):
        return Categorical(tuple(_entry_from_ray(option, where) for option in value.categories))
    if isinstance(value, sample.Float | sample.Integer):
        try:
            return _numeric_from_ray(value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    if isinstance(value, sample.Domain):
        raise ValueError(
            f"{where}: {type(value).__name__} (tune.sample_from) cannot be searched; use a domain such as tune.uniform"
        )
    if isinstance(value, Mapping):
        if set(value) == {"grid_search"}:
            options = tuple(_entry_from_ray(option, where) for option in value["grid_search"])
            return Categorical(options, grid=True)
        return from_ray(value, where)
    return value


def _numeric_from_ray(domain: Any) -> Numeric:
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
