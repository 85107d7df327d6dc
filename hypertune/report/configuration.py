"""The configuration to take from a study: in words, as TOML and as Python."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pprint import pformat
from typing import Any

from hypertune.comparison.assessment import Assessment
from hypertune.comparison.best import Best, find_best
from hypertune.comparison.narrative import recommended
from hypertune.comparison.numbers import configuration, number
from hypertune.records.records import Records
from hypertune.space.space import Config
from hypertune.space.values import plain, to_toml
from hypertune.study.study import Study


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A configuration to copy.

    Attributes:
        words: what it is and how good, in one sentence.
        config: the values of its hyperparameters.
        toml, python: the configuration with the study's constants, ready to paste.
    """

    words: str
    config: Config
    toml: str
    python: str


def strategy_taken(assessment: Assessment) -> str | None:
    """The recommended strategy, or while that is undecided the one with the best mean; None without any value."""
    judged = assessment.judgement
    return (judged.recommended if judged else None) or assessment.leader


def taken(assessment: Assessment, folder: Path) -> Taken | None:
    """The best configuration of the strategy to take, or of a design the recommended cell; None if there is none."""
    records = assessment.records
    if records.study.design is not None:
        return _cell(records)
    strategy = strategy_taken(assessment)
    best = find_best(records, folder, strategy) if strategy else None
    if best is None:
        return None
    study = records.study
    value = f"{study.metric} {number(best.value)} at epoch {best.epoch}"
    constants = study.training.config
    about = f"best configuration of {best.strategy} (seed {best.seed}, trial {best.trial_id}): {value}"
    changed = f", changed {len(best.schedule) - 1} times during training" if len(best.schedule) > 1 else ""
    return Taken(
        words=f"Best configuration of {best.strategy}: {configuration(best.config)} ({value}, seed {best.seed}"
        f"{changed}).",
        config=best.config,
        toml=f"# {study.name}: {about}\n{best_toml(study, best)}",
        python=_python(study, about, {**constants, **best.config}),
    )


def _cell(records: Records) -> Taken | None:
    row, study = recommended(records), records.study
    if row is None:
        return None
    config = {factor.name: plain(row[factor.name]) for factor in study.factors() if factor.name in row}
    about = f"recommended configuration, {study.metric} {number(row[study.metric])}"
    whole = {**study.training.config, **config}
    import tomli_w

    return Taken(
        words=f"Recommended configuration: {configuration(config)} ({study.metric} {number(row[study.metric])}).",
        config=config,
        toml=f"# {study.name}: {about}\n{tomli_w.dumps(to_toml({'config': whole}))}",
        python=_python(study, about, whole),
    )


def best_toml(study: Study, best: Best) -> str:
    """The best trial as `best/config.toml` has it."""
    import tomli_w

    facts = {
        "strategy": best.strategy, "seed": best.seed, "trial_id": best.trial_id, "epoch": best.epoch,
        study.metric: best.value,
    }  # fmt: skip
    constants = study.training.config
    tables: dict[str, Any] = {"config": {**constants, **best.config}}
    if best.schedule:
        tables["schedule"] = [{"from_epoch": at, "config": {**constants, **config}} for at, config in best.schedule]
    return tomli_w.dumps(to_toml({**facts, **tables}))


def _python(study: Study, about: str, config: dict[str, Any]) -> str:
    return f"# {study.name}: {about}\nconfig = {pformat(config, sort_dicts=False, width=100)}\n"
