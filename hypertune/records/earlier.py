"""Reads the trials of an earlier study for a warm start."""

from __future__ import annotations

import math
from typing import Any

from hypertune.records import records
from hypertune.records.records import FINAL_STATUSES, Records
from hypertune.space.cells import Outside, cells_of, missing
from hypertune.space.space import Space
from hypertune.storage.storage import Place
from hypertune.study.study import Study
from hypertune.study.warm_start import EarlierTrial, WarmStart, differing


def warm_start(place: Place, study: Study) -> WarmStart:
    """The trials of the study in a folder or at a URL, for a study of the same space.

    Unfinished trials are left out, and so are forks, which go on from another trial's weights.

    Raises:
        ValueError: one line, if there is no study, if it has no such trial, or if its space, metric, mode or epochs of
            a full training are others.
    """
    facts = records.read(place)
    _check(facts.study, study, place)
    forks = facts.curves.groupby("trial_id")["epoch"].min().loc[lambda first: first > 1].index
    ended = facts.trials[facts.trials["status"].isin(FINAL_STATUSES) & ~facts.trials["trial_id"].isin(forks)]
    trials = [_trial(row, facts, study.space) for row in ended.to_dict("records")]
    known = [trial for trial in trials if trial is not None]
    if not known:
        raise ValueError(f"--warm-start {place}: this study has no finished trial; give one that has")
    return WarmStart(study=facts.study.name, place=str(place), trials=known)


def _check(theirs: Study, ours: Study, place: Place) -> None:
    found = differing(ours.space, theirs.space)
    if found:
        raise ValueError(
            f"--warm-start {place}: its search space is another one: {found}; give a study of the same space"
        )
    for what, here, there in (
        ("metric", ours.metric, theirs.metric),
        ("mode", ours.mode, theirs.mode),
        ("max_epochs", ours.training.max_epochs, theirs.training.max_epochs),
    ):
        if here != there:
            raise ValueError(
                f"--warm-start {place}: its {what} is {there}, but this study's is {here}, so that their values do not "
                f"compare; give a study with the same {what}"
            )


def _trial(row: dict[Any, Any], facts: Records, space: Space) -> EarlierTrial | None:
    """The trial of one row of `trials.csv`; None for a configuration outside of the space, as functions may draw."""
    try:
        numbers = space.encode(cells_of(space).of_row(row))
    except (Outside, ValueError):
        return None
    value = row[facts.study.metric]
    good = row["status"] in ("completed", "stopped") and not missing(value) and math.isfinite(value)
    return EarlierTrial(numbers=numbers, epochs=int(row["epochs"]), value=float(value) if good else None)
