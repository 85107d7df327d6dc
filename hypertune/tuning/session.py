"""`hypertune compare`: the command's options applied to a study, the run shown, the result printed."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from hypertune.storage import Place
from hypertune.study import Budget, Logging, Study
from hypertune.tuning.interrupts import sigterm_as_ctrl_c
from hypertune.tuning.watchdog import leave

WIDTH = 120
"""Columns of the table where the output is not a terminal."""
DEFAULT_STUDY = "digits_cnn"
OVERRIDES = ("strategies", "seeds", "budget", "max_epochs", "steps_per_epoch", "metric", "mode")


def compare(arguments: argparse.Namespace) -> int:
    """Runs the command; returns its exit code.

    Raises:
        ValueError: for wrong input.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    study, out, data_dir = _resumed(arguments) if arguments.resume else _new(arguments)
    if not arguments.quiet:
        sweeps = len(study.strategies) * len(study.seeds)
        console.print(
            f"{study.name}: {', '.join(study.strategies)}; {len(study.seeds)} seed(s), {study.budget} for each of "
            f"{sweeps} sweeps; results go to {out}",
            soft_wrap=True,
        )
    with sigterm_as_ctrl_c():
        return leave(_run(study, out, data_dir, arguments, console))


def _run(study: Study, out: Place, data_dir: Path | None, arguments: argparse.Namespace, console: Console) -> int:
    from hypertune import api
    from hypertune.cli import DONE, INTERRUPTED, PARTLY_FAILED
    from hypertune.tuning.display import Progress

    display: Any = contextlib.nullcontext() if arguments.quiet else Progress(study, console)
    go_on = f"Interrupted. Go on with: hypertune compare --resume {out}"
    try:
        with display as progress:
            result = api.run(
                study,
                out,
                data_dir=data_dir,
                address=arguments.address,
                dashboard_host=arguments.dashboard_host,
                resume=bool(arguments.resume),
                observers=(progress,) if progress is not None else (),
            )
    except KeyboardInterrupt:
        begun = not isinstance(out, Path) or out.exists()
        console.print(go_on if begun else "Interrupted before anything was recorded.", soft_wrap=True)
        return INTERRUPTED
    _print_result(result, out, console)
    if result.interrupted:
        console.print(go_on, soft_wrap=True)
        return INTERRUPTED
    lost = int(result.records.sweeps["failed"].sum())
    if lost:
        console.print(f"{lost} trial(s) failed; their reasons stand in {out}/sweeps/journal.jsonl", soft_wrap=True)
    return PARTLY_FAILED if lost else DONE


def _print_result(result: Any, out: Place, console: Console) -> None:
    from hypertune.comparison.assessment import assess
    from hypertune.comparison.terminal import rich_table
    from hypertune.comparison.wording import sentences

    console.print()
    first, *others = sentences(assess(result.records))
    console.print(first, style="bold", soft_wrap=True, markup=False)
    for sentence in others:
        console.print(f"- {sentence}", soft_wrap=True, markup=False)
    console.print()
    console.print(rich_table(result.records))
    console.print(f"Report: {out}/report.html", soft_wrap=True)


def _new(arguments: argparse.Namespace) -> tuple[Study, Place, Path | None]:
    from hypertune.tuning import folder

    study = overridden(Study.load(arguments.study or DEFAULT_STUDY), arguments)
    return study, arguments.out or folder.default(study), arguments.data_dir


def _resumed(arguments: argparse.Namespace) -> tuple[Study, Place, Path | None]:
    from hypertune import records

    given = [name for name in ("study", "out", *OVERRIDES, "npz", "log") if getattr(arguments, name) is not None]
    if given:
        flag = given[0].replace("_", "-")
        raise ValueError(
            f"--resume goes on with the study as it was; leave out {'STUDY' if flag == 'study' else '--' + flag}"
        )
    place = arguments.resume
    facts = records.read(place)
    data_dir = arguments.data_dir or facts.provenance.get("data_dir")
    return facts.study, place, Path(data_dir) if data_dir else None


def overridden(study: Study, arguments: argparse.Namespace) -> Study:
    changes: dict[str, Any] = {}
    if arguments.strategies is not None:
        changes["strategies"] = tuple(name.strip() for name in arguments.strategies.split(",") if name.strip())
        if not changes["strategies"]:
            raise ValueError("--strategies: names none; give e.g. random,hyperopt+asha")
    if arguments.seeds is not None:
        if arguments.seeds < 1:
            raise ValueError(f"--seeds: at least 1, got {arguments.seeds}")
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
