"""`hypertune simulate`: runs all sweeps in virtual time, writes the output folders and prints the answer."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from hypertune.commands.options import overridden
from hypertune.commands.plan import confirmed
from hypertune.comparison.asking import ask
from hypertune.comparison.capacity import capacity_table, default_target, rows_of, sentences
from hypertune.records import folder
from hypertune.records.records import Records
from hypertune.report.capacity import write_capacity
from hypertune.report.outputs import write_outputs
from hypertune.simulation import outputs
from hypertune.simulation.costs import MOST, parse_costs
from hypertune.simulation.engine import build_simulable
from hypertune.simulation.recordings import Recordings, read
from hypertune.simulation.repetitions import check_repetitions
from hypertune.simulation.runner import Setting, cores, processes, simulate_all
from hypertune.simulation.surrogate import LOOKUPS
from hypertune.storage.files import REPORT, now
from hypertune.storage.telling import though_unread
from hypertune.strategies.checks import check_strategies
from hypertune.study.extent import extent
from hypertune.study.study import Study
from hypertune.tuning.terminal import Terminal, wide_terminal

MOST_WORKERS = 10**6


def simulate(arguments: argparse.Namespace) -> int:
    """Runs the command; returns its exit code.

    Raises:
        ValueError: for wrong input.
    """
    from hypertune.commands.exit_codes import DONE, INTERRUPTED

    if arguments.out:
        outputs.check_free(arguments.out)  # before reading the curves and fitting the surrogate, which take long
    plan = planned(arguments)
    out = arguments.out or folder.default(plan.setting.study)
    console = Terminal(quiet=arguments.quiet)
    if arguments.dry_run:
        for line in plan.lines(out):
            print(line)
        return DONE
    if not confirmed(plan.setting.study, yes=arguments.yes, virtual=True):
        print("Nothing was started.")
        return INTERRUPTED
    with though_unread():  # here as below: the outputs are the point
        console.print(f"{plan.announcement}; results go to {out}", soft_wrap=True)
    session = _Session(plan, out, console)
    with processes(plan.setting, plan.processes) as pool:
        session.run(pool, arguments.target)
    session.tell()
    return DONE


@dataclass(frozen=True, slots=True)
class Plan:
    """The checked command line; nothing in it is rejected later.

    Attributes:
        workers: numbers of workers to simulate, ascending.
        processes: number of processes that run the sweeps.
    """

    setting: Setting
    recordings: Recordings
    workers: list[int]
    processes: int

    def lines(self, out: Path) -> Iterator[str]:
        """The plan that `--dry-run` prints."""
        size = extent(self.setting.study)
        yield self.announcement
        yield f"in all: {size.sweeps * len(self.workers):,} sweeps, {self.processes} at a time on this machine"
        yield f"would be written to {out}: for each number of workers what a study writes, capacity.csv, capacity.html"

    @property
    def announcement(self) -> str:
        """One line that says what is about to be simulated."""
        study = self.setting.study
        return (
            f"{study.name}: {study.outline()}, "
            f"with {', '.join(map(str, self.workers))} trials at a time, in virtual time; "
            f"{len(self.recordings.configs)} recorded configurations"
        )


def planned(arguments: argparse.Namespace) -> Plan:
    """Reads and checks the study, the curves and the options.

    Raises:
        ValueError: for wrong input.
    """
    study = overridden(Study.load(arguments.study), arguments)
    counts = parse_workers(arguments.workers)
    costs = parse_costs(arguments.costs)
    count = parse_processes(arguments.processes, len(study.strategies) * len(study.seeds))
    recordings = read(arguments.curves, study, epoch_s=parse_epoch_seconds(arguments.epoch_seconds))
    check_repetitions(recordings, study)
    check_strategies(study)
    for strategy in study.strategies:
        build_simulable(study, strategy, study.seeds[0])
    setting = Setting(study, LOOKUPS[arguments.lookup](recordings, study), costs)
    return Plan(setting, recordings, counts, count)


def simulated(setting: Setting, workers: int, pool: Executor | None, console: Console) -> Records:
    """Simulates all sweeps of the study on that many workers; shows progress and the time it took."""
    total = len(setting.study.strategies) * len(setting.study.seeds)
    with _progress(console, f"workers: {workers}; sweeps: {total}", total) as done:
        return simulate_all(setting, workers, pool, done, ask)


class _Session:
    """Simulates the study for each number of workers in turn, the smallest first."""

    def __init__(self, plan: Plan, out: Path, console: Console) -> None:
        self.plan, self.setting, self.out, self.console = plan, plan.setting, out, console
        self.provenance = outputs.provenance_of(plan.setting, plan.recordings)
        self.only: Records | None = None
        self.target: float | None = None
        self.rows: list[dict[str, Any]] = []

    def run(self, pool: Executor | None, target: float | None) -> None:
        """Simulates and writes the study for each number of workers, keeping only one in memory at a time."""
        self.target, counts = target, self.plan.workers
        for workers in counts:
            facts = self._simulate(workers, pool)
            place = self.out if len(counts) == 1 else self.out / f"workers_{workers}"
            outputs.write_folder(place, facts)
            write_outputs(facts, place)
            if len(counts) == 1:
                self.only = facts
                return
            self.target = default_target(facts) if self.target is None else self.target
            self.rows += rows_of(facts, self.target, workers)

    def _simulate(self, workers: int, pool: Executor | None) -> Records:
        facts = simulated(self.setting, workers, pool, self.console)
        simulation = {**self.provenance["simulation"], **facts.provenance}
        told = {**self.provenance, "workers": workers, "simulation": simulation, "ended_at": now()}
        return replace(facts, provenance=told)

    def tell(self) -> None:
        """Prints the answer; with several numbers of workers, also writes the capacity page."""
        console = wide_terminal()  # not the one that --quiet silences
        if self.only is not None:
            self._tell_one(self.only, console)
            return
        assert self.target is not None
        table, metric = capacity_table(self.rows), self.setting.study.metric
        told = sentences(table, metric, self.target)
        write_capacity(self.out, table, told, self.setting.study, self.target)
        with though_unread():
            console.print()
            for sentence in told:
                console.print(sentence, soft_wrap=True)
            console.print(f"Capacity: {self.out}/capacity.html; beside it one report per number of workers")

    def _tell_one(self, facts: Records, console: Console) -> None:
        from hypertune.comparison.terminal import rich_table
        from hypertune.comparison.verdict import conclusion

        with though_unread():
            console.print()
            console.print(conclusion(facts), soft_wrap=True)
            console.print(rich_table(facts, console.width))
            console.print(f"Report: {self.out}/{REPORT}", soft_wrap=True)


def parse_workers(text: str) -> list[int]:
    """Reads numbers of workers from the command line, e.g. `1,10,100`; returns them ascending.

    Raises:
        ValueError: if one is not a whole number from 1 to `MOST_WORKERS`.
    """
    try:
        counts = sorted({int(part) for part in text.split(",")})
    except ValueError:
        counts = []
    if not counts or counts[0] < 1 or counts[-1] > MOST_WORKERS:
        raise ValueError(f"--workers: whole numbers from 1 to {MOST_WORKERS:,}, e.g. 1,10,100, got {text!r}")
    return counts


def parse_processes(given: int | None, sweeps: int) -> int:
    """The number of processes: as given, else one per core; never more than there are sweeps.

    Raises:
        ValueError: if fewer than one is asked for.
    """
    if given is not None and given < 1:
        raise ValueError(f"--processes: at least 1, got {given}")
    return min(given or cores(), sweeps)


def parse_epoch_seconds(given: float | None) -> float | None:
    """Checks the seconds per epoch, if given.

    Raises:
        ValueError: if not above 0.
    """
    if given is not None and not 0 < given <= MOST:
        raise ValueError(f"--epoch-seconds: a number above 0 and at most {MOST:g}, got {given:g}")
    return given


@contextlib.contextmanager
def _progress(console: Console, title: str, total: int) -> Iterator[Callable[[], None]]:
    with Progress(console=console, transient=True, disable=console.quiet or not console.is_terminal) as display:
        task = display.add_task(title, total=total)
        began = time.monotonic()
        yield lambda: display.advance(task)
    with though_unread():
        console.print(f"  {title} simulated in {time.monotonic() - began:.1f} s", soft_wrap=True)
