"""`hypertune compare`: applies the command's options to a study, runs it with a display, and prints the result."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import shlex
from pathlib import Path
from typing import Any

from hypertune.commands.exit_codes import DONE, INTERRUPTED, PARTLY_FAILED
from hypertune.commands.options import EXTENDING, OVERRIDES, adds, extension, overridden
from hypertune.commands.plan import Way, announcement, confirmed, left_lines, plan_lines
from hypertune.records import folder, records
from hypertune.storage.files import REPORT, STUDY
from hypertune.storage.storage import Place, inside, resume_command
from hypertune.storage.telling import though_unread
from hypertune.study.rules import difference
from hypertune.study.study import Study
from hypertune.tuning.interrupts import ignore_signals, sigterm_as_ctrl_c
from hypertune.tuning.terminal import Terminal, wide_terminal
from hypertune.tuning.watchdog import ending_process

DEFAULT_STUDY = "digits_cnn"


def compare(arguments: argparse.Namespace) -> int:
    """Runs the command; returns its exit code.

    Raises:
        ValueError: for wrong input.
    """
    console = wide_terminal()
    if arguments.or_resume:
        arguments = _new_or_resumed(arguments)
    study, out, data_dir = _resumed(arguments) if arguments.resume else _new(arguments)
    if arguments.dry_run:
        return _dry_run(study, Way(out, data_dir, arguments.address), resumes=bool(arguments.resume))
    if not arguments.resume:
        if isinstance(out, Path):
            folder.check_free(out)  # before the user is asked to confirm
        if not confirmed(study, yes=arguments.yes):
            console.print("Nothing was started.")
            return INTERRUPTED
    if not arguments.quiet:
        with though_unread():
            console.print(announcement(study, out), soft_wrap=True)
            console.print(f"To watch it in a browser: hypertune top {shlex.quote(str(out))} --web", soft_wrap=True)
    with sigterm_as_ctrl_c(), ending_process() as leave:
        return leave(_run(study, out, data_dir, arguments, console))


def _dry_run(study: Study, way: Way, *, resumes: bool) -> int:
    """Prints the plan, after the same checks that a real run starts with."""
    from hypertune.training.registry import resolve
    from hypertune.tuning.checks import asks_itself, check

    if resumes:
        rows = records.read(way.out).sweeps
        begun = {(str(row["strategy"]), int(row["seed"])): bool(row["finished"]) for row in rows.to_dict("records")}
        finished = {key for key, done in begun.items() if done}
        lines = left_lines(study, way.out, finished, set(begun))
    else:
        trainable = resolve(study.training.trainable)
        check(study, trainable)
        if isinstance(way.out, Path):
            folder.check_free(way.out)
        lines = plan_lines(study, dataclasses.replace(way, asks_itself=asks_itself(trainable)))
    for line in lines:
        print(line)
    return DONE


def _run(study: Study, out: Place, data_dir: Path | None, arguments: argparse.Namespace, console: Terminal) -> int:
    from hypertune import api
    from hypertune.comparison.failures import told_failures
    from hypertune.tuning.display import Progress
    from hypertune.tuning.driver import Circumstances

    display: Any = contextlib.nullcontext() if arguments.quiet else Progress(study, console)
    go_on = f"Interrupted. Resume with: {resume_command(out)}"
    try:
        with display as progress:
            circumstances = Circumstances(
                address=arguments.address,
                dashboard_host=arguments.dashboard_host,
                data_dir=data_dir,
                resume=bool(arguments.resume),
                extends=bool(arguments.resume) and adds(arguments),
                observers=(progress,) if progress is not None else (),
            )
            result = api.run(study, out, circumstances)
    except KeyboardInterrupt:
        ignore_signals()
        begun = not isinstance(out, Path) or (out / STUDY).exists()
        with though_unread():
            console.print(go_on if begun else "Interrupted before anything was recorded.", soft_wrap=True)
        return INTERRUPTED
    except BrokenPipeError as error:  # not of what is printed here, so that the command is not done
        raise ValueError(
            f"{error}, in the trainable or in Ray; resume what has begun with: {resume_command(out)}"
        ) from error
    with though_unread():
        _print_result(result, out, console)
        for line in told_failures(result.records, str(out)):
            console.print(line, soft_wrap=True)
        if result.records.gave_up:
            console.print(f"Fix the trainable, then resume with: {resume_command(out)}", soft_wrap=True)
        elif result.interrupted:
            console.print(go_on, soft_wrap=True)
    return _exit_code(result)


def _exit_code(result: Any) -> int:
    if result.interrupted and not result.records.gave_up:
        return INTERRUPTED
    return PARTLY_FAILED if result.records.failures or result.records.gave_up else DONE


def _print_result(result: Any, out: Place, console: Terminal) -> None:
    from hypertune.comparison.assessment import assess
    from hypertune.comparison.terminal import rich_table
    from hypertune.comparison.wording import sentences

    console.print()
    first, *others = sentences(assess(result.records))
    console.print(first, style="bold", soft_wrap=True)
    for sentence in others:
        console.print(f"- {sentence}", soft_wrap=True)
    console.print()
    console.print(rich_table(result.records, console.width))
    console.print(f"Report: {inside(out, REPORT)}", soft_wrap=True)


def _new(arguments: argparse.Namespace) -> tuple[Study, Place, Path | None]:
    study = overridden(Study.load(DEFAULT_STUDY if arguments.study is None else arguments.study), arguments)
    return study, arguments.out or folder.default(study), arguments.data_dir


def _new_or_resumed(arguments: argparse.Namespace) -> argparse.Namespace:
    """The arguments of `--resume` if `--out` already holds the study that they describe, else as they are."""
    if arguments.resume or arguments.out is None:
        raise ValueError("--or-resume: goes with a study and its --out, not with --resume")
    stored = records.stored_study(arguments.out)
    if stored is None:
        return arguments
    different = _difference(stored, _new(arguments)[0])
    if different:
        raise ValueError(
            f"--or-resume: {different}; {arguments.out} holds that study: choose another --out, or leave the study out "
            f"and give --resume {arguments.out}"
        )
    said = dict.fromkeys(("study", "out", *OVERRIDES, "max_seeds", "npz", "log"))
    return argparse.Namespace(**{**vars(arguments), **said, "until_decided": False, "resume": arguments.out})


def _difference(stored: Study, asked: Study) -> str | None:
    """What of the study is asked for otherwise than it is stored; its resources may be others."""
    for what, there, here in (
        ("trainable", stored.training.trainable, asked.training.trainable),
        ("until_decided", stored.until_decided, asked.until_decided),
        ("logging", stored.logging, asked.logging),
    ):
        if there != here:
            return f"{what}: is {there} in the study, not {here}"
    return difference(stored, asked)


def _resumed(arguments: argparse.Namespace) -> tuple[Study, Place, Path | None]:
    fixed = [name for name in ("study", "out", *OVERRIDES, "npz", "log") if name not in EXTENDING]
    given = [name for name in fixed if getattr(arguments, name) is not None]
    if given:
        flag = given[0].replace("_", "-")
        raise ValueError(
            f"--resume continues the study unchanged; leave out {'STUDY' if flag == 'study' else '--' + flag}"
        )
    place = arguments.resume
    facts = records.read(place)
    data_dir = arguments.data_dir or facts.provenance.get("data_dir")
    return extension(facts.study, arguments), place, Path(data_dir) if data_dir else None
