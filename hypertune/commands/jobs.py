"""Declares the command-line options of the commands for a cluster's jobs; imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from hypertune.commands.flags import add_warm_start, add_workers

Add = Callable[..., argparse.ArgumentParser]


def add_commands(commands: Any, add: Add, add_overrides: Callable[[argparse.ArgumentParser], None]) -> None:
    """Adds `submit`, `jobs`, `logs`, `stop` and `fetch` to the subparsers `commands` by means of `add`."""
    submit = add(commands, "submit", _runs("commands.submit", "submit"), "run a study on a Ray cluster, as a job")
    _add_submit(submit, add_overrides)
    listed = add(commands, "jobs", _runs("cluster.jobs", "jobs"), "list the studies submitted to a Ray cluster")
    logs = add(commands, "logs", _runs("cluster.logs", "logs"), "print the output of a submitted study")
    stop = add(commands, "stop", _runs("cluster.jobs", "stop"), "stop a submitted study; it can be resumed")
    fetch = add(
        commands, "fetch", _runs("cluster.fetch", "fetch"), "copy a submitted study's output folder to this machine"
    )
    for parser in (logs, stop, fetch):
        parser.add_argument("id", metavar="ID", help="the job's id, or a unique prefix of it")
    for parser in (submit, listed, logs, stop, fetch):
        parser.add_argument(
            "--address",
            metavar="URL",
            help="URL of the cluster's dashboard (default: $RAY_API_SERVER_ADDRESS, or this machine's)",
        )
    logs.add_argument(
        "-f", "--follow", action="store_true", help="keep printing until the study ends; return its exit code"
    )
    logs.add_argument("--trial", metavar="ID", help="what this trial has printed, as in trials.csv")
    fetch.add_argument("--out", metavar="DIR", type=Path, help="local folder (default: hypertune-out/ID)")


def _add_submit(parser: argparse.ArgumentParser, add_overrides: Callable[[argparse.ArgumentParser], None]) -> None:
    add = parser.add_argument
    add("study", metavar="STUDY", nargs="?", help="a study file, or the name of a shipped study (default: digits_cnn)")
    add_overrides(parser)
    add_warm_start(parser)
    add_workers(parser)
    add("--data-dir", metavar="DIR", help="folder on the cluster that already has the data set")
    add("--out", metavar="PLACE", help="output folder on the cluster, or its URL (default: ~/hypertune-out/ID)")
    add("--resume", metavar="ID", help="resume the study of a stopped job, or the one at a URL")
    add("--name", metavar="ID", type=_job_name, help="the job's id (default: the study's name and the time)")
    add("--working-dir", metavar="DIR", type=Path, help="folder with your own code; hidden files, secrets, "
        "data and results are not sent (default: the current one if the study's trainable is there)")  # fmt: skip
    add("--include", metavar="PATTERN", action="append", help="send these files anyway; pattern as in "
        ".gitignore; what looks like a secret only by its path or name")  # fmt: skip
    add("--dry-run", action="store_true", help="list what would be sent and left out, without sending it")
    add("--env", metavar="NAME[=VALUE]", action="append", help="environment variable for the study; the dashboard "
        "shows it")  # fmt: skip
    add("-f", "--follow", action="store_true", help="print the study's output; return its exit code")


def _job_name(text: str) -> str:
    from hypertune.commands.submit import job_name

    try:
        return job_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _runs(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    def command(arguments: argparse.Namespace) -> int:
        return int(getattr(import_module(f"hypertune.{module}"), function)(arguments))

    return command
