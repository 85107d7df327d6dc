"""Checks each argument of `hypertune.compare` that describes a study; errors name the argument and the remedy."""

from __future__ import annotations

import inspect
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any, Literal

import msgspec

from hypertune.space.domains import NUMERIC_KINDS
from hypertune.space.space import Space
from hypertune.study.file import MOST_SEEDS, Budget, Resources
from hypertune.study.prior import Guess, read_prior
from hypertune.study.study import FEWEST_TO_DECIDE, NAME
from hypertune.values_given import check_known, close_to, integer, items_of, once, shortened


def _strategies(value: Any) -> tuple[str, ...]:
    example = 'names, e.g. strategies=["random", "hyperopt+asha"]'
    names = value.split(",") if isinstance(value, str) else items_of("strategies", value, example)
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"strategies: {example}, got {shortened(name)}")
    names = [name.strip() for name in names if name.strip()]
    if not names:
        raise ValueError(f"strategies: none given; give {example}")
    return once("strategies", names)


def _seeds(value: Any) -> tuple[int, ...]:
    example = "a number of seeds or a list of them, e.g. seeds=5 or seeds=[0, 1, 2]"
    if isinstance(value, str | bool):
        raise ValueError(f"seeds: {example}, got {shortened(value)}")
    number = integer(value)
    if number is not None:
        if not 1 <= number <= MOST_SEEDS:
            raise ValueError(f"seeds: {example}, at least 1 and at most {MOST_SEEDS:,}, got {number}")
        return tuple(range(number))
    seeds = [(integer(seed), seed) for seed in items_of("seeds", value, example)]
    for seed, given in seeds:
        if seed is None or seed < 0:
            raise ValueError(f"seeds: integers from 0 on; {example}, got {shortened(given)}")
    if not seeds:
        raise ValueError(f"seeds: none given; give {example}")
    return once("seeds", [seed for seed, _ in seeds if seed is not None])


def _budget(value: Any) -> Budget:
    example = 'give {"epochs": 200}, {"trials": 20} or {"seconds": 600}, what each sweep may spend'
    if isinstance(value, Budget):
        return value
    if isinstance(value, str):
        unit, _, amount = value.partition("=")
        try:
            value = {unit.strip(): json.loads(amount)}
        except ValueError:
            raise ValueError(f"budget: {example}; got {value!r}") from None
    if not isinstance(value, Mapping):
        raise ValueError(f"budget: {example}; got {shortened(value)}")
    check_known("budget", value, Budget.__struct_fields__)
    plain = {name: integer(amount, whole=True) or amount for name, amount in value.items()}
    try:
        return msgspec.convert(plain, Budget)
    except (msgspec.ValidationError, OverflowError):
        raise ValueError(
            f"budget: a number above 0, whole for epochs and trials; {example}; got {shortened(value)}"
        ) from None


def _metric(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f'metric: the name of a reported number, e.g. metric="accuracy", got {shortened(value)}')
    return value


def _mode(value: Any) -> Literal["min", "max"]:
    if value == "min" or value == "max":
        return "min" if value == "min" else "max"
    close = {"mi": 'did you mean mode="min"? ', "ma": 'did you mean mode="max"? '}.get(str(value).lower()[:2], "")
    raise ValueError(
        f'mode: {close}"max" if a higher metric is better, "min" if a lower one is, got {shortened(value)}'
    )


def _give_up_after(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(
            "give_up_after: how many trials may fail before any reports, 0 for no limit, e.g. "
            f"give_up_after=10, got {shortened(value)}"
        )
    return value


def _margin(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < float("inf"):
        raise ValueError(
            f"margin: differences in the metric up to which strategies are practically equal, e.g. margin=0.005, got "
            f"{shortened(value)}"
        )
    return float(value)


def _until_decided(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"until_decided: True or False, got {shortened(value)}")
    return value


def _max_seeds(value: Any) -> int:
    number = integer(value)
    if number is None or number < FEWEST_TO_DECIDE:
        raise ValueError(f"max_seeds: a whole number from {FEWEST_TO_DECIDE}, got {shortened(value)}")
    return number


def _max_seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < float("inf"):
        raise ValueError(f"max_seconds: seconds of sweeps, above 0, e.g. max_seconds=3600, got {shortened(value)}")
    return float(value)


def _max_epochs(value: Any) -> int:
    number = integer(value)
    if number is None or number < 1:
        raise ValueError(
            f"max_epochs: epochs of a full training, at least 1, e.g. max_epochs=10, got {shortened(value)}"
        )
    return number


def _time_attr(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(
            "time_attr: the name of the reported number that says how far a training is, e.g. "
            f'time_attr="epoch"; without it reports are counted; got {shortened(value)}'
        )
    return value


def _resources(value: Any) -> dict[str, Any]:
    example = 'resources={"cpus_per_trial": 1, "gpus_per_trial": 0}'
    if isinstance(value, Resources):
        return {name: getattr(value, name) for name in Resources.__struct_fields__}
    if not isinstance(value, Mapping):
        raise ValueError(f"resources: a mapping, e.g. {example}, got {shortened(value)}")
    check_known("resources", value, Resources.__struct_fields__)
    try:
        msgspec.convert({**msgspec.to_builtins(Resources()), **value}, Resources)
    except msgspec.ValidationError as error:
        raise ValueError(
            f"resources: {str(error).partition(' - at ')[0]}; e.g. {example}, got {shortened(value)}"
        ) from None
    return dict(value)


def _options(value: Any) -> dict[str, dict[str, Any]]:
    example = 'options={"asha": {"grace_period": 2}}'
    if not isinstance(value, Mapping) or not all(isinstance(inner, Mapping) for inner in value.values()):
        raise ValueError(f"options: options by strategy, e.g. {example}, got {shortened(value)}")
    return {name: dict(inner) for name, inner in value.items()}


def _prior(value: Any) -> dict[str, Guess]:
    if not isinstance(value, Mapping):
        example = 'prior={"lr": {"guess": 1e-3, "confidence": "high"}}'
        raise ValueError(f"prior: guesses by hyperparameter, e.g. {example}, got {shortened(value)}")
    return read_prior(value)


def check_options(options: Mapping[str, Any], strategies: Iterable[str]) -> None:
    for name in options:
        if name not in strategies:
            hint = close_to(name, strategies)
            raise ValueError(f"options: {name!r} is not a strategy of this study; {hint}known: {', '.join(strategies)}")


def _name(value: Any) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(
            f"name: letters, digits, '.', '_' and '-' only, e.g. name=\"my_study\", got {shortened(value)}"
        )
    return value


def read_space(value: Any) -> Space:
    if isinstance(value, Space):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(
            f'space: hyperparameters by name, e.g. space={{"lr": tune.loguniform(1e-4, 1e-1)}}, got {shortened(value)}'
        )
    for name in value:
        if not isinstance(name, str | int) or name == "":
            raise ValueError(
                f'space: names must be text, e.g. {{"lr": tune.loguniform(1e-4, 1e-1)}}, got {shortened(name)}'
            )
    from hypertune.space.from_ray import from_ray

    space = from_ray(value)
    if not space.parameters():
        remedy = next((told for name, entry in value.items() if (told := _as_domain(name, entry))), None)
        raise ValueError(
            remedy or 'space: only constants, nothing to search; give e.g. {"lr": tune.loguniform(1e-4, 1e-1)}'
        )
    for name, entry in value.items():
        if isinstance(entry, tuple) and (told := _as_domain(name, entry)):
            warnings.warn(told, stacklevel=_callers())
    return space


def _callers() -> int:
    """The `stacklevel` of the caller outside this package that passed the arguments."""
    package, level, frame = f"{Path(__file__).parent}{os.sep}", 0, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(package):
        level, frame = level + 1, frame.f_back
    return level


def _as_domain(name: str, entry: Any) -> str | None:
    """The remedy for an entry that was probably meant as a domain; None for a plain constant."""
    if isinstance(entry, Mapping) and len(entry) == 1:
        kind, args = next(iter(entry.items()))
        if kind in (*NUMERIC_KINDS, "choice") and isinstance(args, list | tuple):
            inner = ", ".join(map(repr, args)) if kind in NUMERIC_KINDS else repr(list(args))
            return f"space: {name} is written as in a study file; in Python write tune.{kind}({inner})"
    if not isinstance(entry, list | tuple) or not entry:
        return None
    constant = f"space: {name}={entry!r} is a constant, passed to every trial unchanged;"
    pair = len(entry) == 2 and all(isinstance(n, Real) and not isinstance(n, bool) for n in entry)
    if pair and entry[0] < entry[1]:
        low, high = entry
        whole = all(isinstance(n, int) for n in entry)
        scale = f"tune.randint({low}, {high + 1})" if whole else f"tune.uniform({low!r}, {high!r})"
        log = f"tune.loguniform({low!r}, {high!r}) or " if low > 0 and not whole else ""
        return f"{constant} for a range write {log}{scale}, for these two values tune.choice({list(entry)!r})"
    if isinstance(entry, list):
        return f"{constant} to search these values write tune.choice({shortened(entry)})"
    return None


READERS: dict[str, Callable[[Any], Any]] = {
    "strategies": _strategies,
    "seeds": _seeds,
    "budget": _budget,
    "metric": _metric,
    "mode": _mode,
    "max_epochs": _max_epochs,
    "time_attr": _time_attr,
    "give_up_after": _give_up_after,
    "margin": _margin,
    "until_decided": _until_decided,
    "max_seeds": _max_seeds,
    "max_seconds": _max_seconds,
    "resources": _resources,
    "options": _options,
    "prior": _prior,
    "name": _name,
}
