"""The best trial of a study, the main result for its user."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypertune.records.lineage import Schedule
from hypertune.records.records import Records, improves
from hypertune.space.cells import Outside, cells_of, columns
from hypertune.space.space import Config
from hypertune.storage.files import MODEL


@dataclass(frozen=True, slots=True)
class Best:
    """The best trial of a study, by the validation data.

    Attributes:
        config: its hyperparameters.
        schedule: configurations by their first epoch, if they changed during training (`pbt`).
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
    schedule: Schedule = field(default=(), repr=False)


def find_best(facts: Records, folder: Path, strategy: str | None = None) -> Best | None:
    """The trial with the best finite value, the earliest among ties; of one `strategy`, or of all."""
    metric, best = facts.study.metric, None
    for row in facts.trials.to_dict("records"):
        if strategy in (None, row["strategy"]) and improves(
            row[metric], best[metric] if best else None, facts.study.mode
        ):
            best = row
    if best is None:
        return None
    model_path = folder / MODEL
    return Best(
        strategy=best["strategy"],
        seed=int(best["seed"]),
        trial_id=best["trial_id"],
        config=_config(facts, best),
        value=float(best[metric]),
        epoch=int(best["best_epoch"]),
        model_path=model_path if model_path.exists() else None,
        schedule=facts.schedules.get(best["trial_id"], ()),
    )


def _config(facts: Records, row: dict[Any, Any]) -> Config:
    """The trial's configuration, from its table row if there is no journal."""
    told, space = facts.configs.get(row["trial_id"]), facts.study.space
    if told is not None:
        return space.original(told)
    try:
        config: Config = cells_of(space).of_row(row)
    except Outside:
        return columns(row)
    return config
