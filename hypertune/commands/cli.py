"""The command-line parser; heavy modules are imported only when a command needs them."""

from __future__ import annotations

import argparse
import io
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hypertune.commands.exit_codes import DONE, INTERRUPTED, WRONG_INPUT
from hypertune.commands.jobs import add_commands
from hypertune.installed import check_alone

LONGEST_ERROR = 500
"""Characters."""
FORMATS = ("csv", "md", "json", "latex", "parquet")


class _Parser(argparse.ArgumentParser):
    """Reports an error in one line; `--help` shows the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


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
        print(f"hypertune: {_one_line(error)}", file=sys.stderr)
        return WRONG_INPUT
    except BrokenPipeError:
        # The reader of the pipe has exited, as in `hypertune export ... | head`.
        sys.stderr.close()
        return DONE
    except OSError as error:
        print(f"hypertune: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        print("hypertune: interrupted", file=sys.stderr)
        return INTERRUPTED


def _one_line(error: ValueError) -> str:
    """What is wrong, on one line that fits a screen, whatever names it quotes."""
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST_ERROR else f"{text[: LONGEST_ERROR // 2]} ... {text[-LONGEST_ERROR // 2 + 5 :]}"


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = _Parser(
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
        "dir", metavar="DIR", type=_place, nargs="+", help="output folder of a study; several give one report over all"
    )
    report.add_argument("--out", metavar="FILE", type=Path, help="file for the report over several studies")
    report.add_argument(
        "--figures", choices=("svg", "png", "pdf"), help="also write each figure as a picture to DIR/figures"
    )
    export = _add(commands, "export", _export, "print the method-comparison table")
    export.add_argument("dir", metavar="DIR", type=_place, help="output folder of a study")
    export.add_argument("--format", choices=FORMATS, default="csv", help="default: csv")
    export.add_argument("--out", metavar="FILE", type=Path, help="write to FILE instead of the terminal")
    _add_judge(commands)
    add_commands(commands, _add, _add_overrides)
    top = _add(commands, "top", _top, "watch a running study")
    top.add_argument("source", metavar="DIR|URL", help="its output folder, or a cluster's dashboard, http://HOST:8265")
    top.add_argument("--once", action="store_true", help="print the status once and exit")
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
    _add_overrides(compare)
    compare.add_argument(
        "--npz", metavar="FILE", type=Path, help="train on these images instead of the study's data set"
    )
    compare.add_argument("--data-dir", metavar="DIR", type=Path, help="folder that already has the data set")
    compare.add_argument(
        "--out",
        metavar="PLACE",
        type=_place,
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
        type=_place,
        help="resume the study in this folder or URL, or add to it: --seeds N, --strategies +a,+b, --until-decided",
    )
    _add_planning(compare)
    compare.add_argument("--quiet", action="store_true", help="no progress, only the result")


def _add_judge(commands: Any) -> None:
    judge = _add(commands, "judge", _judge, "say which strategy is best, from anybody's table of results")
    judge.add_argument(
        "source", metavar="TABLE",
        help="a table with the columns strategy, seed and value, or the results of another tool: a folder, a file or a "
        "storage URL",
    )  # fmt: skip
    judge.add_argument("--mode", choices=("min", "max"), help="which values are better (default: max)")
    judge.add_argument(
        "--margin", metavar="X", type=float, help="values that differ by no more than this are practically equal"
    )
    judge.add_argument(
        "--until-decided", action="store_true", help="replay the seeds in order and stop when it is decided"
    )
    judge.add_argument("--max-seeds", metavar="N", type=int, help="use at most so many of the seeds")
    judge.add_argument("--metric", metavar="NAME", help="the column or metric that is the result")
    judge.add_argument("--from", dest="kind", metavar="TOOL", help="which tool wrote it, where that cannot be seen")
    judge.add_argument("--out", metavar="DIR", type=Path, help="write the tables and the figures there")


def _add_planning(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--until-decided", action="store_true", help="add seeds until it is decided which strategy to take"
    )
    parser.add_argument(
        "--max-seeds", metavar="N", type=int, help="with --until-decided: at most N seeds (default: 30)"
    )
    parser.add_argument(
        "--max-seconds", metavar="S", type=float, help="with --until-decided: no further seed after S seconds of sweeps"
    )
    parser.add_argument(
        "--margin", metavar="X", type=float,
        help="strategies that differ by no more than X, in the metric's unit, are practically equal "
        "(default: 0.005 for accuracies)",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="print what would be run and written, then exit")
    parser.add_argument("--yes", action="store_true", help="start a very large study without asking")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"a finite number, got {text}")
    return number


def _place(text: str) -> Any:
    """A folder as a `Path`, or its URL as text."""
    from hypertune.storage.storage import as_place

    try:
        return as_place(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _add_overrides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strategies", metavar="a,b", help="strategies to compare instead of the study's")
    parser.add_argument("--seeds", metavar="N", type=int, help="sweeps per strategy, seeds 0 to N-1")
    parser.add_argument("--budget", metavar="UNIT=N", help="per sweep: epochs=200, trials=20 or seconds=600")
    parser.add_argument("--max-epochs", metavar="N", type=int, help="epochs of a full training")
    parser.add_argument("--steps-per-epoch", metavar="N", type=int, help="batches per epoch (built-in models)")
    parser.add_argument("--metric", metavar="NAME", help="reported number to optimise")
    parser.add_argument("--mode", choices=("min", "max"), help="whether to minimise or maximise the metric")


def _add_simulate(commands: Any) -> None:
    simulate = _add(
        commands, "simulate", _simulate, "simulate a comparison in virtual time from recorded learning curves"
    )
    _add_virtual(simulate, workers="1")
    _add_planning(simulate)
    simulate.add_argument("--out", metavar="DIR", type=Path, help="output folder (default: a new one in hypertune-out)")
    advise = _add(
        commands, "advise", _advise, "recommend a strategy, a number of workers and a budget from recorded curves"
    )
    _add_virtual(advise, workers="1,2,4,8,16,32")
    advise.set_defaults(seeds="20")  # a study usually has too few seeds for a recommendation


def _add_virtual(parser: argparse.ArgumentParser, workers: str) -> None:
    add = parser.add_argument
    add("study", metavar="STUDY", help="a study file, or the name of a shipped study")
    add("--curves", metavar="FILE", type=Path, required=True, help="recorded curves: a folder, Parquet, JSON or ONNX")
    add("--workers", metavar="N,M", default=workers, help="how many workers to simulate (default: %(default)s)")
    _add_overrides(parser)
    add("--target", metavar="VALUE", type=_finite, help="metric to reach (default: what random search ends with)")
    add("--lookup", choices=("auto", "nearest", "knn", "forest"), default="auto", help="how to estimate the curve of a "
        "configuration that was not recorded: nearest one, mean of the five nearest, random forest, or the better of "
        "the first two (default: auto)")  # fmt: skip
    add("--epoch-seconds", metavar="S", type=float, help="seconds per epoch, instead of the recorded ones")
    add("--costs", metavar="NAME=X,...", help="overheads and faults of the simulated cluster, e.g. decision_s=measured,"
        "start_s=4,straggler_share=0.05,failures_per_hour=0.1,speeds=1:0.5; README lists them")  # fmt: skip
    add("--processes", metavar="N", type=int, help="number of processes (default: one per core)")
    add("--quiet", action="store_true", help="no progress, only the result")


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
    from rich.console import Console

    from hypertune.strategies.listing import print_strategies

    print_strategies(Console(), arguments.format)
    return DONE


def _report(arguments: argparse.Namespace) -> int:
    from hypertune.api import write_outputs
    from hypertune.records import records
    from hypertune.report.html import write_report
    from hypertune.storage.storage import writable_copy

    if len(arguments.dir) == 1:
        place = arguments.dir[0]
        facts = records.read(place)
        with writable_copy(place) as folder:
            if arguments.figures:
                from hypertune.report.images import write_images

                write_images(facts, folder / "figures", arguments.figures)
            write_outputs(facts, folder)  # report.md links to the pictures that exist
        print(f"{place}/report.html")
        return DONE
    out = arguments.out or Path("report.html")
    write_report([records.read(place) for place in arguments.dir], out)
    print(out)
    return DONE


def _top(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from hypertune.commands.top import top

    return top(arguments.source, Console(highlight=False), once=arguments.once)


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
