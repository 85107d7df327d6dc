"""The plan that `--dry-run` prints, and the confirmation before a very large study."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hypertune.storage.storage import Place
from hypertune.study.extent import Extent, configurations, continuous, extent, few_at_once, most_at_once
from hypertune.study.study import Study

MANY_SWEEPS, MANY_EPOCHS, MANY_SECONDS = 500, 1_000_000, 24 * 3600.0
"""A study that exceeds any of these asks for confirmation on a terminal."""
VIRTUAL = 50
"""Factor on these limits for a simulation, whose epochs take no time."""
OUTPUTS = (
    "study.toml", "provenance.json", "trials.csv", "curves.parquet", "comparison.csv, .md, .json and .tex",
    "report.html, report.md", "experiment_summary.csv", "best/", "sweeps/",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    """How a study is to be run, as far as the plan shows it.

    Attributes:
        out: where the results go.
        data_dir: folder that already has the data sets.
        address: the cluster to join; None where Ray starts on this machine.
        asks_itself: whether the trainable says what a trial needs, instead of `[resources]`.
    """

    out: Place
    data_dir: Path | None = None
    address: str | None = None
    asks_itself: bool = False


def announcement(study: Study, out: Place) -> str:
    """One line that says what is about to run."""
    size = extent(study)
    more = f", then {size.retrainings:,} retrainings" if size.retrainings else ""
    epoch = f"; {study.epoch()}" if study.epoch() else ""
    return f"{study.name}: {study.outline()}: {_amount(size)}{more}{epoch}; results go to {out}"


def plan_lines(study: Study, way: Way) -> Iterator[str]:
    """The plan, line by line; each line begins with the name of its part."""
    from hypertune.strategies.checks import notes

    size = extent(study)
    yield f"study: {study.name}, {study.metric} ({study.mode})"
    if study.design is not None:
        yield f"design: {study.design.kind}, {study.budget.amount:,} cells, {len(study.seeds)} seed(s)"
    else:
        yield f"strategies: {', '.join(study.strategies)}"
        until = f"until decided, at most {len(study.seeds)}: " if study.until_decided else ""
        yield f"seeds: {until}{', '.join(map(str, study.seeds[:10]))}{', ...' if len(study.seeds) > 10 else ''}"
    epoch = f"; {study.epoch()}" if study.epoch() else ""
    yield f"budget: {study.budget} for each sweep, {study.training.max_epochs} epochs of a full training{epoch}"
    yield f"in all: {_amount(size)}"
    if size.retrainings:
        yield f"afterwards: {size.retrainings:,} retrainings of at most {study.training.max_epochs} epochs"
    yield f"search space: {_space(study)}"
    for note in filter(None, notes(study).values()):
        yield f"{note[0].lower()}{note[1:-1]}"
    yield from _data(study, way.data_dir)
    if way.asks_itself:
        yield "workers and resources of a trial: as the trainable asks for"
    else:
        yield f"workers: {_workers(study, way.address)}"
        yield f"resources of a trial: {_resources(study)}"
    yield f"would be written to {way.out}: {', '.join(OUTPUTS)}"


def _amount(size: Extent) -> str:
    parts = [f"{size.sweeps:,} sweep{'s' * (size.sweeps != 1)}"]
    if size.seconds is not None:
        return f"{parts[0]}, {_hours(size.seconds)} plus the epochs then under way"
    most = [f"{amount:,} {name}" for amount, name in ((size.trials, "trials"), (size.epochs, "epochs")) if amount]
    return f"{parts[0]}, at most {' and '.join(most)}"


def _hours(seconds: float) -> str:
    from hypertune.comparison.numbers import duration

    return duration(seconds)


def _space(study: Study) -> str:
    parameters, count = study.space.parameters(), configurations(study.space)
    names = ", ".join(parameter.key for parameter in parameters)
    if count is not None:
        return f"{count:,} configurations of {names}"
    return f"infinitely many configurations of {names}; continuous: {', '.join(continuous(study.space))}"


def _data(study: Study, data_dir: Path | None) -> Iterator[str]:
    from hypertune.commands.validate import data_lines

    return data_lines(study, data_dir)


def _workers(study: Study, address: str | None) -> str:
    if address:
        most = study.resources.max_workers
        return f"{f'at most {most} of ' if most else ''}those of the cluster at {address}"
    from hypertune.tuning.ray_internals import cpus_here

    cores, asked = cpus_here(), study.resources.cpus_per_trial
    gpus = ", if it has the GPUs for them" if study.resources.gpus_per_trial else ""
    count = int(cores // asked) if asked else cores
    if not count:
        raise ValueError(f"resources.cpus_per_trial: {asked:g} asked for, but this machine has {cores} CPUs")
    few = f" ({reason})" if (reason := few_at_once(study, count)) else ""
    count = min(count, most_at_once(study) or count)
    return (
        f"{count} trial{'s' * (count != 1)} at a time on this machine, which has {cores} CPUs{gpus}{few}"
        f"{_together(study)}"
    )


def _together(study: Study) -> str:
    """What is different where there are GPUs, which only Ray knows."""
    resources = study.resources
    if study.training.dataset is None or resources.gpus_per_trial or not resources.trials_per_gpu:
        return ""
    most = "many" if resources.trials_per_gpu == "auto" else f"up to {resources.trials_per_gpu}"
    return f"; if it has GPUs, {most} trained together on each"


def _resources(study: Study) -> str:
    resources = study.resources
    parts = [f"{resources.cpus_per_trial:g} CPUs", f"{resources.gpus_per_trial:g} GPUs"]
    return ", ".join(parts) + (f", hangs after {resources.epoch_timeout_s:g} s" if resources.epoch_timeout_s else "")


def confirmed(study: Study, *, yes: bool, virtual: bool = False) -> bool:
    """Whether to go ahead; asks about a very large study, but only on a terminal."""
    if yes or not _large(extent(study), VIRTUAL if virtual else 1):
        return True
    # Either stream is None in a process that was started without it.
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        return True
    try:
        answer = input(f"{_amount(extent(study))}. Go ahead? [y/N] ")
    except EOFError:
        print()
        return False
    return answer.strip().lower() in ("y", "yes")


def _large(size: Extent, times: int) -> bool:
    return (
        size.sweeps > MANY_SWEEPS * times
        or (size.epochs or 0) > MANY_EPOCHS * times
        or (size.seconds or 0) > MANY_SECONDS
    )


def left_lines(
    study: Study, place: Place, finished: set[tuple[str, int]], begun: set[tuple[str, int]]
) -> Iterator[str]:
    """The plan of a resume, line by line."""
    order = [(strategy, seed) for seed in study.seeds for strategy in study.strategies]
    under_way = [key for key in order if key in begun - finished]
    left = [key for key in order if key not in begun]
    yield f"study: {study.name} in {place}"
    yield f"finished: {len(finished):,} of {len(order):,} sweeps"
    for name, keys in (("would be continued", under_way), ("would be started", left)):
        shown = ", ".join(f"{strategy} seed {seed}" for strategy, seed in keys[:10])
        yield f"{name}: {shown or 'none'}{f' and {len(keys) - 10:,} more' if len(keys) > 10 else ''}"
