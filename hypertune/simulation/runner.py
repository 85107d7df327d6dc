"""Simulates all sweeps of a study in parallel processes, whose number does not affect the result."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.context import BaseContext

import pandas as pd
from threadpoolctl import threadpool_limits

from hypertune.records.facts import Ask
from hypertune.records.records import Book, Event, Records
from hypertune.simulation.costs import Costs
from hypertune.simulation.engine import Simulation, VirtualCluster
from hypertune.simulation.lookup import Source
from hypertune.space.seeded import seeded
from hypertune.study.study import Study
from hypertune.sweep.retraining import FIRST_SEED


@dataclass(frozen=True, slots=True)
class Job:
    """One sweep to simulate."""

    strategy: str
    seed: int
    workers: int


@dataclass(frozen=True, slots=True)
class Setting:
    """The settings shared by all sweeps of a simulation."""

    study: Study
    source: Source
    costs: Costs


def jobs_of(study: Study, workers: int) -> list[Job]:
    """The sweeps of a study, seed by seed as in a real study."""
    return [Job(strategy, seed, workers) for seed in study.seeds for strategy in study.strategies]


def simulate_sweep(setting: Setting, job: Job) -> Records:
    """Simulates one sweep; the global random state is seeded with the sweep's seed."""
    book = Book(setting.study)
    with seeded(job.seed), threadpool_limits(1):
        simulation = Simulation(
            setting.study, job.strategy, job.seed, cluster=VirtualCluster(setting.source, job.workers, setting.costs),
            emit=book.apply,
        )  # fmt: skip
        simulation.run()
    _score_incumbent(book, setting, job)
    return book.records({"trials": simulation.tally})


def _score_incumbent(book: Book, setting: Setting, job: Job) -> None:
    """Records the incumbent's test metrics at its best epoch, in place of retraining and testing it."""
    trial_id = book.sweeps[job.strategy, job.seed]["incumbent"]
    if trial_id is None:
        return
    epoch = int(book.trials[trial_id]["best_epoch"])
    event = {"event": "retrained", "strategy": job.strategy, "seed": job.seed, "trial_id": trial_id, "epochs": epoch}
    for retrain_seed in range(FIRST_SEED, FIRST_SEED + setting.study.retrain):
        scores = setting.source.test_scores(book.configs[trial_id], retrain_seed, epoch)
        if scores:
            book.apply({**event, "retrain_seed": retrain_seed, "status": "completed", **scores})


def simulate_all(
    setting: Setting,
    workers: int,
    pool: Executor | None,
    done: Callable[[], None] = lambda: None,
    ask: Ask | None = None,
) -> Records:
    """All sweeps of the study on that many virtual workers.

    Args:
        pool: the processes that run them, from `processes`; None for this one.
        done: called after every sweep.
        ask: asks of a study that runs until decided whether it is.
    """
    jobs = jobs_of(setting.study, workers)
    if setting.study.until_decided and ask is not None:
        return _until_decided(setting, jobs, pool, done, ask)
    parts = []
    for part in _simulated(setting, jobs, pool):
        parts.append(part)
        done()
    return merged(setting.study, parts)


def _simulated(setting: Setting, jobs: list[Job], pool: Executor | None) -> Iterator[Records]:
    return map(partial(simulate_sweep, setting), jobs) if pool is None else pool.map(_simulate_here, jobs)


def _until_decided(
    setting: Setting, jobs: list[Job], pool: Executor | None, done: Callable[[], None], ask: Ask
) -> Records:
    """Seed by seed, without the strategies that have been dropped, until the question is answered."""
    parts: list[Records] = []
    looks: list[Event] = []
    facts = None
    for seed in setting.study.seeds:
        dropped = {name for look in looks for name in look["dropped"]}
        due = [job for job in jobs if job.seed == seed and job.strategy not in dropped]
        for part in _simulated(setting, due, pool):
            parts.append(part)
            done()
        facts = replace(merged(setting.study, parts), looks=tuple(looks))
        looks.append({name: value for name, value in ask(facts).items() if name != "event"})
        facts = replace(facts, looks=tuple(looks))
        if looks[-1]["ended"]:
            break
    assert facts is not None
    return facts


def merged(study: Study, parts: list[Records]) -> Records:
    """Merges the records of sweeps into those of one study."""

    def together(frames: list[pd.DataFrame]) -> pd.DataFrame:
        filled = [frame for frame in frames if len(frame)]
        return pd.concat(filled, ignore_index=True) if filled else frames[0]

    tallies = [part.provenance["trials"] for part in parts]
    return Records(
        study=study,
        trials=together([part.trials for part in parts]),
        curves=together([part.curves for part in parts]),
        sweeps=together([part.sweeps for part in parts]),
        retrained=together([part.retrained for part in parts]),
        provenance={"trials": {kind: sum(tally[kind] for tally in tallies) for kind in tallies[0]}},
        configs={trial_id: config for part in parts for trial_id, config in part.configs.items()},
    )


def cores() -> int:
    """The number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def processes(setting: Setting, count: int) -> Iterator[Executor | None]:
    """A pool of processes that simulate sweeps of one setting; None if one process is enough."""
    if count < 2:
        yield None
        return
    context = _context()
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_enter, initargs=(setting,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _context() -> BaseContext:
    """How processes are started: if possible forked from a server without threads that has imported everything.

    Forking this process would be as fast, but could deadlock on locks held by its threads (Ray's, torch's).
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(sorted(name for name in sys.modules if name.partition(".")[0] == "hypertune"))
    return context


_here: list[Setting] = []
"""The setting of this process, if it belongs to a pool."""


def _enter(setting: Setting) -> None:
    _here[:] = [setting]
    # Ctrl-C reaches the whole process group; the main process handles it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _simulate_here(job: Job) -> Records:
    return simulate_sweep(_here[0], job)
