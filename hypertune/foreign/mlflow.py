"""MLflow's experiments: a run per sweep, or a run per trial below a parent, in an experiment per sweep or marked so."""

from __future__ import annotations

import contextlib
import logging
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from hypertune.foreign.naming import bare, identity, of_name, unknown
from hypertune.foreign.source import Source, best, listed
from hypertune.installed import install_hint

TRIAL = ("trial_id", "trial", "trial_number")
"""Tags and parameters that mark a run as one trial of the sweep of its strategy and seed."""
PARENT = "mlflow.parentRunId"
FOLDERS = "MLFLOW_ALLOW_FILE_STORE"
"""Without it MLflow 3.17 refuses to read a folder `mlruns`."""


@dataclass
class Sweep:
    """What is known of a sweep; its own run, if it has one, and those of its trials."""

    known: dict[str, Any]
    label: str
    own: Any = None
    trials: list[Any] = field(default_factory=list)

    @property
    def runs(self) -> list[Any]:
        return [*([self.own] if self.own else []), *self.trials]


def read(source: Source) -> pd.DataFrame:
    """A row per sweep: the value that its run logged last of the metric, or the best of its trials'; and seconds."""
    runs, experiments = _recorded(source)
    sweeps = list(_sweeps(runs, experiments, source))
    metric = source.metric_among(name for sweep in sweeps for run in sweep.runs for name in run.data.metrics)
    rows = [
        {**sweep.known, "value": _value(sweep, metric, source), "seconds": _seconds(sweep.runs)} for sweep in sweeps
    ]
    frame = pd.DataFrame(rows, index=[sweep.label for sweep in sweeps])
    _check_names(sweeps, frame, source)
    frame.attrs = {"metric": metric, "mode": source.mode}
    return frame


def _recorded(source: Source) -> tuple[list[Any], dict[str, str]]:
    """The runs, oldest first, and the names of their experiments by id."""
    try:
        with _folders_allowed(), _quiet():
            client = _client(source)
            names = {e.experiment_id: e.name for e in client.search_experiments() if source.keeps(e.name)}
            runs = list(_pages(client, list(names)))
    except ImportError:
        raise source.fault(f"reading it needs mlflow; {install_hint('mlflow')}") from None
    except Exception as error:  # noqa: BLE001 -- MLflow's, SQLAlchemy's and a server's errors have no common class
        raise source.fault(f"MLflow cannot read it ({str(error).splitlines()[0]})") from None
    used = {run.info.experiment_id for run in runs}
    if not runs:
        raise source.fault(f"has no runs in an experiment called {source.only}" if source.only else "holds no runs")
    return sorted(runs, key=lambda run: run.info.start_time or 0), {i: name for i, name in names.items() if i in used}


def _client(source: Source) -> Any:
    from mlflow.tracking import MlflowClient

    if source.path.is_dir():
        folder = source.path / "mlruns" if (source.path / "mlruns").is_dir() else source.path
        return MlflowClient(tracking_uri=folder.resolve().as_uri())
    return MlflowClient(tracking_uri=f"sqlite:///{source.path}" if source.path.is_file() else source.name)


def _pages(client: Any, experiments: list[str]) -> Iterator[Any]:
    token = None
    while experiments:
        page = client.search_runs(experiments, page_token=token)
        yield from page
        if not (token := page.token):
            return


@contextlib.contextmanager
def _folders_allowed() -> Iterator[None]:
    before = os.environ.get(FOLDERS)
    os.environ[FOLDERS] = "true"
    try:
        yield
    finally:
        os.environ.pop(FOLDERS)
        if before is not None:
            os.environ[FOLDERS] = before


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without MLflow's log messages about every table."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "mlflow.store.db.utils", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _sweeps(runs: list[Any], experiments: dict[str, str], source: Source) -> Iterator[Sweep]:
    """Each run without a parent is a sweep, unless it is marked as a trial or its experiment is the sweep."""
    per_sweep = len(experiments) > 1 and all(None not in of_name(name) for name in experiments.values())
    if len(experiments) > 1 and not per_sweep and source.only is None:
        raise source.fault(
            f"holds several experiments: {listed(experiments.values())}; choose with {source.name}#PATTERN"
        )
    together: dict[tuple[Any, ...], Sweep] = {}
    for run, below in _families(runs):
        sweep = _sweep(run, experiments, per_sweep, source)
        if sweep.own is not None:
            sweep.trials = below
            yield sweep
        else:
            key = tuple(str(sweep.known.get(name)) for name in ("strategy", "seed", "task"))
            together.setdefault(key, sweep).trials += [run, *below]
    yield from together.values()


def _families(runs: list[Any]) -> Iterator[tuple[Any, list[Any]]]:
    """Each run without a parent, and all runs below it, at any depth."""
    ids = {run.info.run_id for run in runs}
    children: dict[str | None, list[Any]] = defaultdict(list)  # None: of no run that is there
    for run in runs:
        parent = run.data.tags.get(PARENT)
        children[parent if parent in ids else None].append(run)
    for top in children[None]:
        below = list(children[top.info.run_id])
        for run in below:  # which grows meanwhile
            below += children[run.info.run_id]
        yield top, below


def _sweep(run: Any, experiments: dict[str, str], per_sweep: bool, source: Source) -> Sweep:
    """The sweep of a run without a parent; `own` is None where the run is one of its trials."""
    facts = {**run.data.params, **{k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.")}}
    experiment, label = experiments[run.info.experiment_id], f"run {run.info.run_name!r}"
    if per_sweep:
        return Sweep(identity({}, experiment, source), f"experiment {experiment!r}")
    known = identity(facts, run.info.run_name or "", source)
    if not {"strategy", "seed"} <= set(known):
        raise unknown(label, known, source)
    if len(experiments) > 1:
        known = {"task": experiment, **known}
    return Sweep(known, label, None if any(bare(name) in TRIAL for name in facts) else run)


def _value(sweep: Sweep, metric: str, source: Source) -> float:
    own = sweep.own
    if own is not None and own.info.status != "FINISHED":
        raise source.fault(f"{sweep.label}: is {own.info.status.lower()}; finish it or delete it")
    if own is not None and metric in own.data.metrics:
        return float(own.data.metrics[metric])
    values = [run.data.metrics[metric] for run in sweep.trials if metric in run.data.metrics]
    value = best(values, source.needed_mode()) if values else None
    if value is None:
        raise source.fault(f"{sweep.label}: has logged no {metric}; log it or delete the run")
    return value


def _seconds(runs: list[Any]) -> float | None:
    """From the first start to the last end; MLflow counts milliseconds."""
    starts = [run.info.start_time for run in runs if run.info.start_time]
    ends = [run.info.end_time for run in runs if run.info.end_time]
    return (max(ends) - min(starts)) / 1000 if starts and ends else None


def _check_names(sweeps: list[Sweep], frame: pd.DataFrame, source: Source) -> None:
    """That names made up by MLflow, such as `bustling-shark-427`, are not taken for strategies and seeds."""
    made_up = all(
        sweep.own is not None and sweep.own.info.run_name.startswith(f"{sweep.known['strategy']}-") for sweep in sweeps
    )
    if made_up and frame["strategy"].is_unique and len(frame) > 2:
        raise source.fault(
            f"{sweeps[0].label}: nothing says its strategy and seed, and no two run names share a prefix, as tpe-1 "
            f"and tpe-2 would; log the parameters or tags strategy and seed"
        )
