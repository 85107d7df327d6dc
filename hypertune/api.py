"""The Python interface: `compare` runs a study and gives back its `Result`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from hypertune.records import records
from hypertune.records.lineage import Schedule
from hypertune.records.records import Records, improves
from hypertune.space.space import Config
from hypertune.storage.files import MODEL, write_atomically
from hypertune.storage.storage import Place
from hypertune.storage.workspace import collect, workspace
from hypertune.study.study import Budget, Resources, Study, Training

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from hypertune.comparison.findings import Finding

DEFAULT_STRATEGIES = ("random", "bayes", "hyperband", "hyperopt", "asha", "optuna")


@dataclass(frozen=True, slots=True)
class Best:
    """The best trial of a study, by the validation data.

    Attributes:
        config: its hyperparameters.
        schedule: configurations by their first epoch, where they changed while its weights were trained (`pbt`).
        value: the metric at its best epoch.
        model_path: the retrained weights for `hypertune.load_model`; None if the trainable is your own.
    """

    strategy: str
    seed: int
    trial_id: str
    config: Config
    value: float
    epoch: int
    model_path: Path | None
    schedule: Schedule = ()


@dataclass(frozen=True)
class Result:
    """A study's outcome, from its output folder.

    Attributes:
        folder: where everything has been written; of a study at a URL a copy that lives as long as this process.
        records: the facts as tables.
        interrupted: whether the study was stopped by Ctrl-C; `compare(..., resume=True)` goes on.
    """

    folder: Path
    records: Records
    interrupted: bool = False

    @property
    def study(self) -> Study:
        return self.records.study

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial, as `trials.csv`."""
        return self.records.trials

    @property
    def curves(self) -> pd.DataFrame:
        """One row per trial and epoch, as `curves.parquet`."""
        return self.records.curves

    @cached_property
    def table(self) -> pd.DataFrame:
        """The method-comparison table, one row per strategy, as `comparison.csv`."""
        from hypertune.comparison.table import comparison_table

        return comparison_table(self.records)

    @cached_property
    def conclusion(self) -> str:
        """What can be concluded, in plain words."""
        from hypertune.comparison.verdict import conclusion

        return conclusion(self.records)

    @cached_property
    def best(self) -> Best | None:
        """The overall winner; None if no trial has reported a finite value."""
        return find_best(self.records, self.folder)

    def figures(self) -> dict[str, go.Figure]:
        """Every figure of the report by its name."""
        from hypertune.report.figures import figures

        return figures(self.records)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per configuration, as `experiment_summary.csv`."""
        from hypertune.comparison.summary import experiment_summary

        return experiment_summary(self.records).copy()

    @cached_property
    def findings(self) -> list[Finding]:
        """What became of each of the study's hypotheses."""
        from hypertune.comparison.findings import findings

        return findings(self.records)

    def heatmap(self, x: str | None = None, y: str | None = None) -> go.Figure:
        """Two factors of a design against each other; a ValueError says why other records have none."""
        from hypertune.report.designs import heatmap

        return heatmap(self.records, x, y)


def compare(
    study: Study | None = None,
    *,
    trainable: type | Callable[..., Any] | None = None,
    space: Mapping[str, Any] | None = None,
    strategies: Iterable[str] = DEFAULT_STRATEGIES,
    seeds: int | Iterable[int] = 3,
    budget: Mapping[str, float] | None = None,
    metric: str | None = None,
    mode: Literal["min", "max"] | None = None,
    max_epochs: int = 10,
    resources: Mapping[str, float] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    name: str | None = None,
    out: Place | None = None,
    data_dir: str | Path | None = None,
    address: str | None = None,
    dashboard_host: str | None = None,
    resume: bool = False,
    observers: tuple[Callable[[records.Event], None], ...] = (),
) -> Result:
    """Compares search strategies, on a study or on a Ray Tune trainable of your own.

    Args:
        study: what to run; with it only the arguments from `out` on are used, and `trainable` if the study names none
            that can be imported.
        trainable: a Ray Tune trainable, function or class, as you would give it to `tune.Tuner`.
        space: its `param_space`, unchanged: domains of Ray Tune and constants.
        strategies: names as `random` or `hyperopt+asha`.
        seeds: how many sweeps per strategy, or their seeds.
        budget: what each sweep may spend: `{"epochs": 200}`, `{"trials": 20}` or `{"seconds": 600}`; by default 20
            full trainings' worth of epochs.
        metric, mode: the reported number to optimise, and whether to `"max"` or `"min"` it.
        max_epochs: reports of a full training.
        resources: `{"cpus_per_trial": 1, "gpus_per_trial": 0}`.
        options: strategy name to its options.
        out: output folder, or its URL on shared storage (`s3://bucket/path`); by default a new one under
            `hypertune-out`.
        data_dir: where the data sets lie already.
        address: a running Ray cluster (`"auto"`, `"HOST:PORT"`); by default Ray starts on this machine.
        dashboard_host: where the dashboard of a Ray that starts here listens; by default on this machine alone.
        resume: go on with the study that `out` holds.
        observers: called with every event of the journal, e.g. a `tuning.progress` display.

    Raises:
        ValueError: one line saying what is wrong with the input and what would be right.
    """
    from hypertune.records import folder
    from hypertune.tuning import driver

    if study is None:
        study = _own_study(
            trainable, space, strategies=strategies, seeds=seeds, budget=budget, metric=metric, mode=mode,
            max_epochs=max_epochs, resources=resources, options=options, name=name,
        )  # fmt: skip
    with workspace(out if out is not None else folder.default(study), resume=resume) as work:
        outcome = driver.run(
            study,
            work.folder,
            trainable=trainable,
            data_dir=Path(data_dir) if data_dir is not None else None,
            address=address,
            dashboard_host=dashboard_host,
            resume=resume,
            observers=observers,
            work=work,
        )
        collect(work, MODEL)
        write_outputs(outcome.records, work.folder)
    return Result(work.folder, outcome.records, outcome.interrupted)


def write_outputs(facts: Records, folder: Path) -> None:
    """Writes the tables, the report and `best/config.toml` from the records."""
    from hypertune.comparison.export import write_tables
    from hypertune.report.html import write_report
    from hypertune.report.markdown import markdown_report

    write_tables(facts, folder)
    write_atomically(folder / "report.md", markdown_report(facts, folder))
    best = find_best(facts, folder)
    if best is not None:
        write_atomically(folder / "best" / "config.toml", _best_toml(facts.study, best))
    write_report([facts], folder / "report.html")


def find_best(facts: Records, folder: Path) -> Best | None:
    """The trial with the best finite value, the earliest of equals."""
    metric, best = facts.study.metric, None
    for row in facts.trials.to_dict("records"):
        if improves(row[metric], best[metric] if best else None, facts.study.mode):
            best = row
    if best is None:
        return None
    model_path = folder / MODEL
    return Best(
        strategy=best["strategy"],
        seed=int(best["seed"]),
        trial_id=best["trial_id"],
        config=facts.configs[best["trial_id"]],
        value=float(best[metric]),
        epoch=int(best["best_epoch"]),
        model_path=model_path if model_path.exists() else None,
        schedule=facts.schedules.get(best["trial_id"], ()),
    )


def _best_toml(study: Study, best: Best) -> str:
    import tomli_w

    from hypertune.study.study import tomlable

    facts = {
        "strategy": best.strategy, "seed": best.seed, "trial_id": best.trial_id, "epoch": best.epoch,
        study.metric: best.value,
    }  # fmt: skip
    constants = study.training.config
    tables: dict[str, Any] = {"config": {**constants, **best.config}}
    if best.schedule:
        tables["schedule"] = [{"from_epoch": at, "config": {**constants, **config}} for at, config in best.schedule]
    return tomli_w.dumps(tomlable({**facts, **tables}))


def _own_study(
    trainable: type | Callable[..., Any] | None,
    space: Mapping[str, Any] | None,
    *,
    strategies: Iterable[str],
    seeds: int | Iterable[int],
    budget: Mapping[str, float] | None,
    metric: str | None,
    mode: Literal["min", "max"] | None,
    max_epochs: int,
    resources: Mapping[str, float] | None,
    options: Mapping[str, Mapping[str, Any]] | None,
    name: str | None,
) -> Study:
    if trainable is None or space is None:
        raise ValueError("compare needs a study, or a trainable and its space")
    if metric is None or mode not in ("min", "max"):
        raise ValueError('compare needs metric="..." and mode="min" or "max", as tune.TuneConfig does')
    from hypertune.space.from_ray import from_ray

    searched = from_ray(space)
    return Study(
        name=name or _name_of(trainable),
        strategies=tuple(strategies),
        seeds=tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds),
        budget=Budget(**(budget or {"epochs": 20 * max_epochs})),  # type: ignore[arg-type]
        metric=metric,
        mode=mode,
        training=Training(trainable=_path_of(trainable), max_epochs=max_epochs),
        space=searched,
        resources=Resources(**(resources or _resources_of(trainable))),
        options=options or {},
    )


def _name_of(trainable: Any) -> str:
    return str(getattr(trainable, "__name__", "study")).strip("_<>") or "study"


def _path_of(trainable: Any) -> str:
    return f"{getattr(trainable, '__module__', '__main__')}:{getattr(trainable, '__qualname__', 'trainable')}"


def _resources_of(trainable: Any) -> dict[str, float]:
    """What `tune.with_resources` attached to the trainable."""
    asked = getattr(trainable, "_resources", None)
    asked = getattr(asked, "required_resources", asked)
    if not isinstance(asked, Mapping):
        return {}
    amounts = {key.lower(): amount for key, amount in asked.items()}
    return {"cpus_per_trial": amounts.get("cpu", 0), "gpus_per_trial": amounts.get("gpu", 0)}
