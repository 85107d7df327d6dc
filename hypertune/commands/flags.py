"""Groups of options that the commands share, and their types."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

ADVISED_WORKERS = "1,2,4,8,16,32"
"""The numbers of workers that `advise` simulates."""

LAST_PORT = 65535


def add_overrides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strategies", metavar="a,b", help="strategies to compare instead of the study's")
    parser.add_argument("--seeds", metavar="N", type=int, help="sweeps per strategy, seeds 0 to N-1")
    parser.add_argument("--budget", metavar="UNIT=N", help="per sweep: epochs=200, trials=20 or seconds=600")
    parser.add_argument("--max-epochs", metavar="N", type=int, help="epochs of a full training")
    parser.add_argument("--steps-per-epoch", metavar="N", type=int, help="batches per epoch (built-in models)")
    parser.add_argument("--metric", metavar="NAME", help="reported number to optimise")
    parser.add_argument("--mode", choices=("min", "max"), help="whether to minimise or maximise the metric")


def add_warm_start(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--warm-start", metavar="DIR", type=place,
        help="folder or URL of an earlier study of the same search space: strategies that can learn from its trials do",
    )  # fmt: skip


def add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-workers", metavar="N", type=int, help="trials that may run at the same time (default: as many as fit)"
    )


def add_planning(parser: argparse.ArgumentParser) -> None:
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


def add_virtual(parser: argparse.ArgumentParser, workers: str, *, curves: bool) -> None:
    """The options of simulations; `curves` says whether recorded curves have to be given."""
    add = parser.add_argument
    add("study", metavar="STUDY", help="a study file, or the name of a shipped study")
    without = "" if curves else " (without: what simulations on public tables say)"
    add("--curves", metavar="FILE", type=Path, required=curves,
        help=f"recorded curves: a folder, Parquet, JSON or ONNX{without}")  # fmt: skip
    add("--workers", metavar="N,M", default=workers if curves else None,
        help=f"how many workers to simulate (default: {workers})")  # fmt: skip
    add_overrides(parser)
    add("--target", metavar="VALUE", type=finite, help="metric to reach (default: what random search ends with)")
    add("--lookup", choices=("auto", "nearest", "knn", "forest"), default="auto", help="how to estimate the curve of a "
        "configuration that was not recorded: nearest one, mean of the five nearest, random forest, or the better of "
        "the first two (default: auto)")  # fmt: skip
    add("--epoch-seconds", metavar="S", type=float, help="seconds per epoch, instead of the recorded ones")
    add("--costs", metavar="NAME=X,...", help="overheads and faults of the simulated cluster, e.g. decision_s=measured,"
        "start_s=4,straggler_share=0.05,failures_per_hour=0.1,speeds=1:0.5; README lists them")  # fmt: skip
    add("--processes", metavar="N", type=int, help="number of processes (default: one per core)")
    add("--quiet", action="store_true", help="no progress, only the result")


def finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"a finite number, got {text}")
    return number


def port(text: str) -> int:
    """A port to listen on; 0 for a free one."""
    number = int(text)
    if not 0 <= number <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"a whole number up to {LAST_PORT}, got {text}")
    return number


def place(text: str) -> Any:
    """A folder as a `Path`, or its URL as text."""
    from hypertune.storage.storage import as_place

    try:
        return as_place(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_judge(judge: argparse.ArgumentParser) -> None:
    """The options of `judge`."""
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
    judge.add_argument("--max-seeds", metavar="N", type=int, help="use at most this many seeds")
    judge.add_argument("--metric", metavar="NAME", help="the column or metric that is the result")
    judge.add_argument(
        "--strategy", metavar="NAME", help="the column or entry that is the strategy, if several could be"
    )
    judge.add_argument(
        "--kind", metavar="TOOL",
        help="which tool wrote it, if that cannot be told: table, optuna, mlflow, wandb, ray, syne-tune or carps",
    )  # fmt: skip
    judge.add_argument("--out", metavar="DIR", type=Path, help="folder to write the tables and figures to")
