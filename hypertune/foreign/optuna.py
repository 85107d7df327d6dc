"""Optuna's studies, each one sweep: its strategy and seed are user attributes, or part of its name as in `tpe-3`."""

from __future__ import annotations

from typing import Any

import pandas as pd

from hypertune.foreign.naming import identity, unknown
from hypertune.foreign.source import Source, best, listed


def read(source: Source) -> pd.DataFrame:
    """A row per study of a storage: the best value of its trials, and the seconds from its first to its last."""
    optuna = _imported(source)
    names = [name for name in _names(optuna, source) if source.keeps(name)]
    if not names:
        raise source.fault(f"has no study called {source.only}" if source.only else "holds no studies")
    storage = _storage(optuna, source)
    studies = [optuna.load_study(study_name=name, storage=storage) for name in names]
    objectives = [_objective(study, source) for study in studies]
    rows = [_row(study, number, source) for study, (number, _) in zip(studies, objectives, strict=True)]
    frame = pd.DataFrame(rows, index=[f"study {study.study_name!r}" for study in studies])
    modes = {mode for _, mode in objectives}
    if len(modes) > 1:
        raise source.fault("some studies maximise and others minimise; choose with STORAGE#PATTERN of their names")
    frame.attrs = {"metric": source.metric or "value", "mode": source.agreed(modes.pop())}
    return frame


def _imported(source: Source) -> Any:
    try:
        import optuna
    except ImportError:
        raise source.fault("reading it needs optuna: pip install optuna") from None
    return optuna


def _names(optuna: Any, source: Source) -> list[str]:
    """The studies in the order of their creation."""
    try:
        return list(optuna.get_all_study_names(_storage(optuna, source)))
    except ImportError as error:
        raise source.fault(f"Optuna cannot reach it ({error}); install the missing package") from None
    except Exception as error:  # noqa: BLE001 -- Optuna's, SQLAlchemy's and a journal's errors have no common class
        raise source.fault(
            f"Optuna cannot read it ({str(error).splitlines()[0]}); `optuna storage upgrade` brings a database of an "
            f"older Optuna up to date"
        ) from None


def _storage(optuna: Any, source: Source) -> Any:
    if source.scheme and source.scheme != "file":
        return source.name
    if source.path.read_bytes()[:15] == b"SQLite format 3":
        return f"sqlite:///{source.path}"
    backend = optuna.storages.journal.JournalFileBackend(str(source.path))
    return optuna.storages.JournalStorage(backend)


def _objective(study: Any, source: Source) -> tuple[int, str]:
    """Which of the study's objectives is judged, and its mode."""
    modes = [_mode(direction) for direction in study.directions]
    names = study.metric_names or []
    if len(modes) == 1 and (not names or source.metric is None):  # without a name the metric is what it is called here
        return 0, modes[0]
    if source.metric in names:
        return names.index(source.metric), modes[names.index(source.metric)]
    known = (
        f"give metric: one of {listed(names)}" if names else "name them with study.set_metric_names, then give metric"
    )
    if len(modes) == 1:
        raise source.fault(f"study {study.study_name!r} has no metric {source.metric!r}; {known}")
    raise source.fault(f"study {study.study_name!r} has {len(modes)} objectives, but only one can be judged; {known}")


def _row(study: Any, number: int, source: Source) -> dict[str, Any]:
    known = identity(study.user_attrs, study.study_name, source)
    if not {"strategy", "seed"} <= set(known):
        raise unknown(f"study {study.study_name!r}", known, source)
    trials = study.get_trials(deepcopy=False)
    done = [trial for trial in trials if trial.state.name == "COMPLETE"]
    if not done:
        raise source.fault(f"study {study.study_name!r} has no completed trial; finish it or delete it")
    # Those without constraints are feasible, as for Optuna itself; without a feasible trial the sweep has failed.
    feasible = [trial for trial in done if all(constraint <= 0 for constraint in trial.constraints.values())]
    values = [trial.values[number] for trial in feasible] or [float("nan")]
    return {**known, "value": best(values, _mode(study.directions[number])), "seconds": _seconds(trials)}


def _mode(direction: Any) -> str:
    return "max" if direction.name == "MAXIMIZE" else "min"


def _seconds(trials: list[Any]) -> float | None:
    starts = [trial.datetime_start for trial in trials if trial.datetime_start]
    ends = [trial.datetime_complete for trial in trials if trial.datetime_complete]
    return (max(ends) - min(starts)).total_seconds() if starts and ends else None
