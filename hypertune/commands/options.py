"""Applies the options that several commands share to a study."""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
from typing import Any

import msgspec

from hypertune.study.extension import ending, extended, numbered
from hypertune.study.file import MOST_SEEDS, Budget, Logging
from hypertune.study.study import FEWEST_TO_DECIDE, Study
from hypertune.values_given import integer

OVERRIDES = ("strategies", "seeds", "budget", "max_epochs", "steps_per_epoch", "metric", "mode", "warm_start")
EXTENDING = ("strategies", "seeds", "margin", "until_decided", "max_seeds", "max_seconds", "max_workers")
"""Options that a study which has begun takes, too."""


def overridden(study: Study, arguments: argparse.Namespace) -> Study:
    changes: dict[str, Any] = {}
    if arguments.strategies is not None:
        changes["strategies"] = tuple(name.strip() for name in arguments.strategies.split(",") if name.strip())
        if not changes["strategies"]:
            raise ValueError("--strategies: none given; give e.g. random,hyperopt+asha")
    changes |= numbered(ending(_asked_ending(arguments), already=study.until_decided))
    if arguments.budget is not None:
        changes["budget"] = parse_budget(arguments.budget)
    training: dict[str, Any] = {}
    if getattr(arguments, "npz", None) is not None:
        training = {"dataset": "npz", "path": str(arguments.npz.resolve())}
    for name in ("max_epochs", "steps_per_epoch"):
        value = getattr(arguments, name)
        if value is not None:
            if value < 1:
                raise ValueError(f"--{name.replace('_', '-')}: at least 1, got {value}")
            training[name] = value
    if training:
        changes["training"] = msgspec.structs.replace(study.training, **training)
    if getattr(arguments, "log", None) is not None:
        changes["logging"] = parse_logging(arguments.log)
    changes |= _asked_workers(study, arguments)
    if arguments.metric is not None:
        changes["metric"] = arguments.metric
    if arguments.mode is not None:
        changes["mode"] = arguments.mode
    study = study.replace(**changes) if changes else study
    if getattr(arguments, "warm_start", None) is None:
        return study
    from hypertune.records.earlier import warm_start

    return study.replace(warm_start=warm_start(arguments.warm_start, study))


def _asked_ending(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options about when a study ends that were given.

    Raises:
        ValueError: if one is out of range.
    """
    names = ("seeds", "max_seeds", "max_seconds", "margin")
    given = {name: value for name in names if (value := getattr(arguments, name, None)) is not None}
    if not 1 <= given.get("seeds", 1) <= MOST_SEEDS:
        raise ValueError(f"--seeds: at least 1 and at most {MOST_SEEDS:,}, got {given['seeds']}")
    if not FEWEST_TO_DECIDE <= given.get("max_seeds", FEWEST_TO_DECIDE) <= MOST_SEEDS:
        raise ValueError(
            f"--max-seeds: at least {FEWEST_TO_DECIDE} and at most {MOST_SEEDS:,}, got {given['max_seeds']}"
        )
    if not 0 <= given.get("margin", 0) < float("inf"):
        raise ValueError(f"--margin: a number from 0, in the metric's unit, got {given['margin']:g}")
    if not 0 < given.get("max_seconds", 1) < float("inf"):
        raise ValueError(f"--max-seconds: a number above 0, got {given['max_seconds']:g}")
    return given | ({"until_decided": True} if getattr(arguments, "until_decided", False) else {})


def _asked_workers(study: Study, arguments: argparse.Namespace) -> dict[str, Any]:
    """The study's resources with the workers asked for, where they were.

    Raises:
        ValueError: if they are out of range.
    """
    workers = getattr(arguments, "max_workers", None)
    if workers is None:
        return {}
    if workers < 1:
        raise ValueError(f"--max-workers: at least 1, got {workers}")
    return {"resources": msgspec.structs.replace(study.resources, max_workers=workers)}


def extension(study: Study, arguments: argparse.Namespace) -> Study:
    """A study that has begun, with what the options add to it.

    Raises:
        ValueError: if they would change what it is.
    """
    changes = ending(_asked_ending(arguments), already=study.until_decided) | _asked_workers(study, arguments)
    if arguments.strategies is not None:
        changes["strategies"] = [name.strip() for name in arguments.strategies.split(",") if name.strip()]
    return extended(study, changes) if changes else study


def adds(arguments: argparse.Namespace) -> bool:
    """Whether an option adds to the study that is resumed, by whatever value: a margin of 0 is one."""
    given = (getattr(arguments, name) for name in EXTENDING)
    return any(value is not None and value is not False for value in given)


def following(arguments: argparse.Namespace, strategy: str, budget: str | None, workers: object) -> str:
    """The command that runs an advised strategy, on the study as it was changed for the advice."""
    told: dict[str, Any] = {"strategies": strategy, "budget": budget}
    told |= {name: getattr(arguments, name) for name in ("max_epochs", "steps_per_epoch", "metric", "mode")}
    told["max_workers"] = workers
    options = [[f"--{name.replace('_', '-')}", str(value)] for name, value in told.items() if value is not None]
    return shlex.join(["hypertune", "compare", str(arguments.study), *itertools.chain(*options)])


def parse_logging(text: str) -> Logging:
    """Reads what to log of every trial from the command line, e.g. `configs,mlflow`; `none` for nothing.

    Raises:
        ValueError: for an unknown name.
    """
    names = [name.strip() for name in text.split(",") if name.strip() and name.strip() != "none"]
    known = Logging.__struct_fields__
    for name in names:
        if name not in known:
            raise ValueError(f"--log: unknown {name!r}; known: {', '.join(known)}, none")
    return Logging(**dict.fromkeys(names, True))


def parse_budget(text: str) -> Budget:
    """Reads a budget from the command line, e.g. `epochs=200`.

    Raises:
        ValueError: if `text` is not a budget.
    """
    unit, _, amount = text.partition("=")
    try:
        number = json.loads(amount)
        return msgspec.convert({unit.strip(): integer(number, whole=True) or number}, Budget)
    except (ValueError, OverflowError):
        raise ValueError(
            f"--budget: epochs=N, trials=N or seconds=N with N above 0, whole for epochs and trials, got {text!r}"
        ) from None
