"""The command-line parser; heavy modules are imported only when a command needs them."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypertune.commands import flags
from hypertune.commands.exit_codes import DONE, INTERRUPTED, WRONG_INPUT
from hypertune.commands.flags import add_overrides, add_planning, add_virtual, place
from hypertune.commands.jobs import add_commands
from hypertune.commands.parsing import Parser, one_line
from hypertune.installed import check_alone
from hypertune.storage.telling import tell_user

LOCAL = "127.0.0.1"
FORMATS = ("csv", "md", "json", "latex", "parquet")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 1 partly failed, 2 wrong input, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may have no dash and no letters of a user's names
    arguments = parser().parse_args(argv)
    try:
        check_alone()
        return int(arguments.command(arguments))
    except ValueError as error:
        tell_user(one_line(error))
        return WRONG_INPUT
    except BrokenPipeError:
        # The reader of the pipe has exited, as in `hypertune export ... | head`.
        sys.stderr.close()
        return DONE
    except OSError as error:
        tell_user(f"{error.filename or 'output'}: {error.strerror or error}")
        return WRONG_INPUT
    except KeyboardInterrupt:
        tell_user("interrupted")
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog="hypertune",
        description="Compares hyperparameter search strategies fairly on Ray Tune, with error bars.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.set_defaults(command=_no_command(parser))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_compare(commands)
    _add_simulate(commands)
    listed = _add(commands, "strategies", _strategies, "list searchers, schedulers and the valid pairs")
    listed.add_argument("--format", choices=("text", "md", "json"), default="text", help="default: text")
    report = _add(commands, "report", _report, "rebuild every table and the HTML report; needs no cluster")
    report.add_argument(
        "dir", metavar="DIR", type=place, nargs="+", help="output folder of a study; several give one report over all"
    )
    report.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="write only the report, there (default: report.html, of one study in DIR)",
    )
    report.add_argument(
        "--figures", choices=("svg", "png", "pdf"),
        help="also write each figure as a picture to DIR/figures, with captions; needs Chromium or Chrome",
    )  # fmt: skip
    report.add_argument("--size", choices=("paper", "slide"), help="of the pictures (default: paper)")
    report.add_argument(
        "--pdf", action="store_true", help="also print the report to report.pdf; needs Chromium or Chrome"
    )
    report.add_argument(
        "--against",
        metavar="DIR",
        type=place,
        help="an earlier study of the same strategies: what has changed, and is it real?",
    )
    export = _add(commands, "export", _export, "print the method-comparison table")
    export.add_argument("dir", metavar="DIR", type=place, help="output folder of a study")
    export.add_argument("--format", choices=FORMATS, default="csv", help="default: csv")
    export.add_argument("--out", metavar="FILE", type=Path, help="write to FILE instead of the terminal")
    flags.add_judge(_add(commands, "judge", _judge, "say which strategy is best, from anybody's table of results"))
    add_commands(commands, _add, add_overrides)
    top = _add(commands, "top", _top, "watch a running study")
    top.add_argument("source", metavar="DIR|URL", help="its output folder, or a cluster's dashboard, http://HOST:8265")
    top.add_argument("--once", action="store_true", help="print the status once and exit")
    top.add_argument("--web", action="store_true", help="serve the report of the running study, renewed as it runs")
    top.add_argument("--job", metavar="ID", help="the study of a cluster to serve (default: the only one that runs)")
    top.add_argument("--host", help=f"where to serve (default: {LOCAL}, this machine only)")
    top.add_argument("--port", type=flags.port, help="port to serve on (default: a free one)")
    validate = _add(commands, "validate", _validate, "check a study file and its data without running it")
    validate.add_argument("study", metavar="STUDY", help="a study file, or the name of a shipped study")
    validate.add_argument("--data-dir", metavar="DIR", type=Path, help="folder that already has the data set")
    return parser


def _add(commands: Any, name: str, command: Callable[..., int], help_: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help_, description=help_[0].upper() + help_[1:] + "."
    )
    parser.set_defaults(command=command)
    return parser


def _add_compare(commands: Any) -> None:
    compare = _add(commands, "compare", _compare, "run a comparison of strategies")
    compare.add_argument(
        "study",
        metavar="STUDY",
        nargs="?",
        help="a study file, or the name of a shipped study (default: digits_cnn)",
    )
    add_overrides(compare)
    flags.add_warm_start(compare)
    flags.add_workers(compare)
    compare.add_argument(
        "--npz", metavar="FILE", type=Path, help="train on these images instead of the study's data set"
    )
    compare.add_argument("--data-dir", metavar="DIR", type=Path, help="folder that already has the data set")
    compare.add_argument(
        "--out",
        metavar="PLACE",
        type=place,
        help="output folder, or its URL on shared storage: s3://bucket/path (default: a new one in hypertune-out)",
    )
    compare.add_argument("--address", metavar="ADDR", help="join a running Ray cluster: auto or HOST:PORT")
    compare.add_argument(
        "--dashboard-host",
        metavar="HOST",
        help="address on which the dashboard listens (default: 127.0.0.1, this machine only)",
    )
    compare.add_argument("--log", metavar="a,b", help="what to log of every trial: configs, tensorboard, mlflow")
    compare.add_argument(
        "--resume",
        metavar="PLACE",
        type=place,
        help="resume the study in this folder or URL, or add to it: --seeds N, --strategies +a,+b, --until-decided",
    )
    compare.add_argument(
        "--or-resume", action="store_true", help="resume the study if --out already holds it, for jobs that are retried"
    )
    add_planning(compare)
    compare.add_argument("--quiet", action="store_true", help="no progress, only the result")


def _add_simulate(commands: Any) -> None:
    simulate = _add(
        commands, "simulate", _simulate, "simulate a comparison in virtual time from recorded learning curves"
    )
    add_virtual(simulate, workers="1", curves=True)
    flags.add_warm_start(simulate)
    add_planning(simulate)
    simulate.add_argument("--out", metavar="DIR", type=Path, help="output folder (default: a new one in hypertune-out)")
    advise = _add(
        commands, "advise", _advise, "recommend a strategy, from recorded curves also a number of workers and a budget"
    )
    add_virtual(advise, workers=flags.ADVISED_WORKERS, curves=False)
    advise.set_defaults(seeds="20")  # a study usually has too few seeds for a recommendation


def _no_command(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    def command(arguments: argparse.Namespace) -> int:
        if arguments.version:
            from hypertune.installed import installed_version

            print(f"hypertune {installed_version()}")
            return DONE
        parser.print_help()
        return WRONG_INPUT

    return command


def _compare(arguments: argparse.Namespace) -> int:
    from hypertune.commands.compare import compare

    return compare(arguments)


def _simulate(arguments: argparse.Namespace) -> int:
    from hypertune.commands.simulate import simulate

    return simulate(arguments)


def _advise(arguments: argparse.Namespace) -> int:
    from hypertune.commands.advise import advise

    return advise(arguments)


def _strategies(arguments: argparse.Namespace) -> int:
    from hypertune.strategies.listing import print_strategies
    from hypertune.tuning.terminal import Terminal

    print_strategies(Terminal(), arguments.format)
    return DONE


def _report(arguments: argparse.Namespace) -> int:
    from hypertune.commands.report import report

    return report(arguments)


def _top(arguments: argparse.Namespace) -> int:
    from hypertune.commands.top import top
    from hypertune.tuning.terminal import Terminal

    if arguments.web:
        from hypertune.commands.web import serve

        if arguments.once:
            raise ValueError("--once: prints the status, which --web does not; leave out one of them")
        return serve(arguments.source, arguments.host or LOCAL, arguments.port or 0, job=arguments.job)
    for option in ("job", "host", "port"):
        if getattr(arguments, option) is not None:
            raise ValueError(f"--{option}: belongs to --web, which serves the report; add it, or leave out --{option}")
    return top(arguments.source, Terminal(), once=arguments.once)


def _export(arguments: argparse.Namespace) -> int:
    from hypertune.comparison.export import export
    from hypertune.records import records
    from hypertune.storage.files import write_atomically

    content = export(records.read(arguments.dir), arguments.format)
    if arguments.out:
        write_atomically(arguments.out, content)
    elif isinstance(content, bytes):
        sys.stdout.buffer.write(content)
    else:
        sys.stdout.write(content)
    return DONE


def _validate(arguments: argparse.Namespace) -> int:
    from hypertune.commands.validate import validate

    return validate(arguments)


def _judge(arguments: argparse.Namespace) -> int:
    from hypertune.commands.judge import run

    return run(arguments)
