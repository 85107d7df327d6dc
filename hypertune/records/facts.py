"""A study's facts as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from hypertune.records.failures import Failure
from hypertune.records.journal import Event
from hypertune.records.lineage import Schedule
from hypertune.study.study import Study

Look = Mapping[str, Any]
"""A look at a study that runs until decided, as `comparison.asking.ask` gives it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Records:
    """A study's facts as tables; compared by identity, so that derived results can be cached.

    Attributes:
        study: the study that was run.
        trials: one row per trial, the columns of `trials.csv`; the metric is the trial's best over its epochs.
        curves: one row per trial and epoch, the columns of `curves.parquet`.
        sweeps: the ledger, one row per sweep: `strategy, seed, finished, workers, epochs, trials, completed, stopped,
            failed, diverged, wall_s, busy_s, idle_s, decision_s, incumbent` (a trial id or None); `workers` is the mean
            over the wall-clock time.
        retrained: one row per retraining of an incumbent: `strategy, seed, trial_id, retrain_seed, status, epochs`
            and the metrics of its last epoch, including `test_accuracy` and `test_loss` if the trainable has them.
        provenance: versions, hardware, git commit, times; empty until the study has written it.
        configs: trial id to its configuration, nested and typed as suggested; contains at least the incumbents.
        schedules: trial id to the configurations with which the weights of a forked trial were trained; contains at
            least the incumbents. Epochs, seconds and rows of a fork are its own, but `epoch` includes its parent's.
        failures: why trials and retrainings failed, by kind, the most frequent first.
        gave_up: whether the study was ended since the first trials all failed; a resume tries again.
        looks: of a study that runs until decided, one mapping for each time the question was asked: after how many
            `seeds`, whether the study has `ended` with it and `why`, and which strategies were `dropped` as worse.
        extensions: what was added to the study after it had begun: its `plan` and the one `before`, and when (`at`).
    """

    study: Study
    trials: pd.DataFrame = field(repr=False)
    curves: pd.DataFrame = field(repr=False)
    sweeps: pd.DataFrame = field(repr=False)
    retrained: pd.DataFrame = field(repr=False)
    provenance: Mapping[str, Any] = field(repr=False)
    configs: Mapping[str, dict[str, Any]] = field(repr=False)
    schedules: Mapping[str, Schedule] = field(default_factory=dict, repr=False)
    failures: tuple[Failure, ...] = field(default=(), repr=False)
    gave_up: bool = False
    looks: tuple[Look, ...] = ()
    extensions: tuple[Mapping[str, Any], ...] = ()

    @property
    def dropped(self) -> dict[str, int]:
        """Strategies that got no further seeds since they were established as worse, and how many they have had."""
        return _dropped(self.study, self.looks)

    @property
    def seeds_planned(self) -> int:
        """How many of the study's seeds are to be run: fewer than there are where it was decided before."""
        return _seeds_planned(self.study, self.looks)

    @property
    def sweeps_planned(self) -> list[tuple[str, int]]:
        """See the function of this name."""
        return sweeps_planned(self.study, self.looks)

    @property
    def seeds_told(self) -> str:
        """How many seeds there are to be, in words: `5 seeds`, or `9 seeds, until decided`."""
        count = self.seeds_planned
        words = f"{count} seed{'s' * (count != 1)}"
        if not self.study.until_decided:
            return words
        return f"{words}, until decided" if count < len(self.study.seeds) else f"at most {words}, until decided"

    @property
    def told_beforehand(self) -> list[str]:
        """What strategies knew besides their own trials: a prior, an earlier study's trials; a sentence or two each."""
        return [note for name in ("prior", "warm_start") if (note := self.provenance.get(name))]

    def incumbent_configs(self) -> dict[str, dict[str, Any]]:
        """The configurations of the sweeps' incumbents."""
        return {name: self.configs[name] for name in self.sweeps["incumbent"].dropna()}

    def incumbent_schedules(self) -> dict[str, Schedule]:
        """The schedules of the sweeps' incumbents that are forks."""
        return {name: self.schedules[name] for name in self.sweeps["incumbent"].dropna() if name in self.schedules}


def sweeps_planned(study: Study, looks: Sequence[Look]) -> list[tuple[str, int]]:
    """The strategy and the seed of every sweep that is to be run, after these looks at a study that runs until decided.

    A strategy that was established as worse gets no further seeds, and none gets any once it is decided.
    """
    dropped, seeds = _dropped(study, looks), study.seeds[: _seeds_planned(study, looks)]
    return [(name, seed) for name in study.strategies for seed in seeds[: dropped.get(name, len(seeds))]]


def extended(looks: Sequence[Look]) -> list[Look]:
    """The looks at a study that has been extended since: however it had ended, what was added has to be looked at."""
    return [{**look, "ended": False, "before_extension": True} for look in looks]


def _dropped(study: Study, looks: Sequence[Look]) -> dict[str, int]:
    if not study.until_decided:
        return {}  # a fixed number of seeds, set when the study was extended, gives each strategy all of them
    return {name: look["seeds"] for look in reversed(looks) for name in look["dropped"]}


def _seeds_planned(study: Study, looks: Sequence[Look]) -> int:
    ended = bool(looks) and looks[-1]["ended"] and study.until_decided
    return int(looks[-1]["seeds"]) if ended else len(study.seeds)


Ask = Callable[[Records], Event]
"""Looks at a study that runs until decided, after each seed; gives the event that says what follows from it."""
