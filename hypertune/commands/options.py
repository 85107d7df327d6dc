"""Applies the options that several commands share to a study."""

from __future__ import annotations

import argparse
import json
from typing import Any

import msgspec

from hypertune.study.extension import extended, more_seeds
from hypertune.study.file import MOST_SEEDS, Budget, Logging
from hypertune.study.study import FEWEST_TO_DECIDE, MAX_SEEDS, Study

OVERRIDES = ("strategies", "seeds", "budget", "max_epochs", "steps_per_epoch", "metric", "mode")
EXTENDING = ("strategies", "seeds", "margin", "until_decided", "max_seeds", "max_seconds")
"""Options that a study which has begun takes, too."""


def overridden(study: Study, arguments: argparse.Namespace) -> Study:
    changes: dict[str, Any] = {}
    if arguments.strategies is not None:
        changes["strategies"] = tuple(name.strip() for name in arguments.strategies.split(",") if name.strip())
        if not changes["strategies"]:
            raise ValueError("--strategies: none given; give e.g. random,hyperopt+asha")
    if arguments.seeds is not None:
        changes["seeds"] = _seeds(arguments)
        changes["until_decided"] = False
    changes |= ending(study, arguments)
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
    if arguments.metric is not None:
        changes["metric"] = arguments.metric
    if arguments.mode is not None:
        changes["mode"] = arguments.mode
    return study.replace(**changes) if changes else study


def _seeds(arguments: argparse.Namespace) -> tuple[int, ...]:
    if arguments.seeds < 1:
        raise ValueError(f"--seeds: at least 1, got {arguments.seeds}")
    if arguments.seeds > MOST_SEEDS:
        raise ValueError(f"--seeds: at most {MOST_SEEDS:,}, got {arguments.seeds}")
    return tuple(range(arguments.seeds))


def ending(study: Study, arguments: argparse.Namespace) -> dict[str, Any]:
    """What the options say about when a study ends: `--until-decided`, its limits, and `--margin`.

    Raises:
        ValueError: if they contradict each other or are out of range.
    """
    changes: dict[str, Any] = {}
    margin, most, limit = (getattr(arguments, name, None) for name in ("margin", "max_seeds", "max_seconds"))
    until = bool(getattr(arguments, "until_decided", False))
    if margin is not None:
        if not 0 <= margin < float("inf"):
            raise ValueError(f"--margin: a number from 0, in the metric's unit, got {margin:g}")
        changes["margin"] = margin
    if until and arguments.seeds is not None:
        raise ValueError("--seeds: a number of seeds, or --until-decided with --max-seeds; give one of them")
    for flag, value in (("--max-seeds", most), ("--max-seconds", limit)):
        if value is not None and not (until or study.until_decided):
            raise ValueError(f"{flag}: limits a study that runs until decided; add --until-decided")
    if until:
        changes["until_decided"] = True
    if most is not None and most < FEWEST_TO_DECIDE:
        raise ValueError(f"--max-seeds: at least {FEWEST_TO_DECIDE}, got {most}")
    if most is not None or (until and not study.until_decided):
        changes["seeds"] = tuple(range(most or MAX_SEEDS))
    if limit is not None:
        if not 0 < limit < float("inf"):
            raise ValueError(f"--max-seconds: a number above 0, got {limit:g}")
        changes["max_seconds"] = limit
    return changes


def extension(study: Study, arguments: argparse.Namespace) -> Study:
    """A study that has begun, with what the options add to it.

    Raises:
        ValueError: if they would change what it is.
    """
    changes = ending(study, arguments)
    if arguments.strategies is not None:
        changes["strategies"] = [name.strip() for name in arguments.strategies.split(",") if name.strip()]
    if arguments.seeds is not None:
        changes |= {"seeds": _seeds(arguments), "until_decided": False}
    if "seeds" in changes:
        changes["seeds"] = more_seeds(study, max(len(changes["seeds"]), len(study.seeds)))
        if arguments.seeds is not None and arguments.seeds < len(study.seeds):
            raise ValueError(f"--seeds: the study has {len(study.seeds)} seeds already; give as many or more")
    return extended(study, changes) if changes else study


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
        return msgspec.convert({unit.strip(): json.loads(amount)}, Budget)
    except (ValueError, msgspec.ValidationError):
        raise ValueError(f"--budget: epochs=N, trials=N or seconds=N with N above 0, got {text!r}") from None
