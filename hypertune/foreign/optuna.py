"""Optuna's studies, each one sweep: its strategy and seed are user attributes, or part of its name as in `tpe-3`."""

from __future__ import annotations

from typing import Any

import pandas as pd

from hypertune.foreign.naming import identity, unknown
from hypertune.foreign.source import Source, listed


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
    modes = ["max" if direction.name == "MAXIMIZE" else "min" for direction in study.directions]
    names = study.metric_names or []
    if len(modes) == 1:
        return 0, modes[0]
    if source.metric in names:
        return names.index(source.metric), modes[names.index(source.metric)]
    known = (
        f"give metric: one of {listed(names)}" if names else "name them with study.set_metric_names, then give metric"
    )
    raise source.fault(f"study {study.study_name!r} has {len(modes)} objectives, but only one can be judged; {known}")


def _row(study: Any, number: int, source: Source) -> dict[str, Any]:
    known = identity(study.user_attrs, study.study_name, source)
    if not {"strategy", "seed"} <= set(known):
        raise unknown(f"study {study.study_name!r}", known, source)
    done = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    if not done:
        raise source.fault(f"study {study.study_name!r} has no completed trial; finish it or delete it")
    return {**known, "value": _best(study, number, done, source), "seconds": _seconds(study.trials)}


def _best(study: Any, number: int, done: list[Any], source: Source) -> float:
    if len(study.directions) > 1:
        return float((max if study.directions[number].name == "MAXIMIZE" else min)(t.values[number] for t in done))
    try:
        return float(study.best_value)  # among the trials that meet the constraints, if there are any
    except ValueError as error:
        raise source.fault(f"study {study.study_name!r} has no best trial ({error}); delete it") from None


def _seconds(trials: list[Any]) -> float | None:
    starts = [trial.datetime_start for trial in trials if trial.datetime_start]
    ends = [trial.datetime_complete for trial in trials if trial.datetime_complete]
    return (max(ends) - min(starts)).total_seconds() if starts and ends else None
