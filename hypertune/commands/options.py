"""The options that several commands share, applied to a study."""

from __future__ import annotations

import argparse
import json
from typing import Any

import msgspec

from hypertune.study.file import MOST_SEEDS, Budget, Logging
from hypertune.study.study import Study

OVERRIDES = ("strategies", "seeds", "budget", "max_epochs", "steps_per_epoch", "metric", "mode")


def overridden(study: Study, arguments: argparse.Namespace) -> Study:
    changes: dict[str, Any] = {}
    if arguments.strategies is not None:
        changes["strategies"] = tuple(name.strip() for name in arguments.strategies.split(",") if name.strip())
        if not changes["strategies"]:
            raise ValueError("--strategies: names none; give e.g. random,hyperopt+asha")
    if arguments.seeds is not None:
        if not 1 <= arguments.seeds <= MOST_SEEDS:
            raise ValueError(f"--seeds: at least 1 and at most {MOST_SEEDS:,}, got {arguments.seeds}")
        changes["seeds"] = tuple(range(arguments.seeds))
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


def parse_logging(text: str) -> Logging:
    """What to keep of every trial as the command line gives it, e.g. `configs,mlflow`; `none` for nothing.

    Raises:
        ValueError: if it names something else.
    """
    names = [name.strip() for name in text.split(",") if name.strip() and name.strip() != "none"]
    known = Logging.__struct_fields__
    for name in names:
        if name not in known:
            raise ValueError(f"--log: known are {', '.join(known)} and none, got {name!r}")
    return Logging(**dict.fromkeys(names, True))


def parse_budget(text: str) -> Budget:
    """A budget as the command line gives it, e.g. `epochs=200`.

    Raises:
        ValueError: if it is none.
    """
    unit, _, amount = text.partition("=")
    try:
        return msgspec.convert({unit.strip(): json.loads(amount)}, Budget)
    except (ValueError, msgspec.ValidationError):
        raise ValueError(f"--budget: epochs=N, trials=N or seconds=N with N above 0, got {text!r}") from None
