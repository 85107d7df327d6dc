"""`judge`: judges anyone's results, without Ray or torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from hypertune.comparison.frames import Sheet, sheet_of
from hypertune.comparison.judgement import BEST, Judgement, Verdict, judge_values
from hypertune.comparison.pairs import pairs_of
from hypertune.comparison.sequence import Decided, decide
from hypertune.comparison.several import Several, compare_tasks, several_conclusion
from hypertune.comparison.spoken import Judged, conclusion_of
from hypertune.comparison.statistics import grid_step, interval

if TYPE_CHECKING:
    from hypertune.result import Figures


INDEPENDENT = "The strategies share no seeds: their values were compared as independent samples."


@dataclass(frozen=True, repr=False, kw_only=True)
class Judgment:
    """What can be concluded from a table of results.

    Attributes:
        verdicts: strategy to `best`, `equal` (at most the margin worse than the best), `worse` or `undecided`.
        seeds_used: strategy to the number of seeds that the judgement is based on.
        recommended: the strategy to take: of those that are best or equal, the fastest if the table has seconds; None
            if undecided.
        conclusion: the same in sentences; the first one names what to take, or says that it is undecided.
        table: a row per strategy, the columns `strategy, mean, low, high, seeds, verdict`, and where available,
            `seconds` or, for several tasks, `mean_rank`. `low, high` is the mean's 95 % t-interval.
        pairs: each pair of strategies compared, as `hypertune.comparison.pairs.pairs_of` gives it; empty with several
            tasks.
        decided: whether no further seed was needed; None without `until_decided`.
    """

    verdicts: Mapping[str, Verdict]
    seeds_used: Mapping[str, int]
    recommended: str | None
    conclusion: str
    decided: bool | None
    sheet: Sheet
    values: pd.DataFrame
    """What was judged: index seeds, columns strategies; with several tasks one row for each."""
    metric: str
    """What the values are, for the axes of figures."""
    judgement: Judgement | None = None
    several: Several | None = None

    @cached_property
    def table(self) -> pd.DataFrame:
        """See above."""
        step = grid_step(self.values) if self.judgement else 0.0
        rows = [self._row(name, step) for name in self.sheet.strategies]
        return pd.DataFrame(rows)

    def _row(self, name: str, step: float) -> dict[str, object]:
        low, high = interval(self.values[name], step=step)
        ranks = {} if self.several is None else {"mean_rank": float(self.several.mean_ranks[name])}
        row = {
            "strategy": name, **ranks, "mean": float(self.values[name].mean()), "low": low, "high": high,
            "seeds": self.seeds_used[name], "verdict": self.verdicts[name],
        }  # fmt: skip
        return {**row, "seconds": self.sheet.seconds.get(name, np.nan)} if self.sheet.seconds else row

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """See above."""
        return pd.DataFrame() if self.judgement is None else pairs_of(self.judgement)

    def figures(self) -> Figures:
        """Plotly figures by name: `values` and `differences`, `anytime` of curves, and for several tasks
        `critical_difference` and `performance_profile`."""
        from hypertune.report.judged import figures_of
        from hypertune.result import Figures

        return Figures(figures_of(self.sheet, self.values, self.pairs, self.several, self.metric))

    def __repr__(self) -> str:
        return f"{self.conclusion}\n\n{self.table.to_string(index=False)}"

    def _repr_html_(self) -> str:
        import html

        return f"<p>{html.escape(self.conclusion)}</p>{self.table.to_html(index=False)}"


def judge(
    frame: pd.DataFrame | str | os.PathLike[str],
    *,
    mode: Literal["min", "max"] | None = None,
    margin: float | None = None,
    until_decided: bool = False,
    max_seeds: int | None = None,
    metric: str | None = None,
    strategy: str | None = None,
    kind: str | None = None,
) -> Judgment:
    """Judges which strategy is best, from a table of results.

    At most 5 % of tables lead to any false claim, even if they are judged again after each seed; those of several tasks
    if they are judged once, and if no strategy is much noisier than the others (up to 9 % where one is).

    Args:
        frame: columns `strategy`, `seed` and `value`; optionally `epoch` or `budget` (a row per point of a sweep's
            curve; the last is its value), `seconds` (a sweep's time) and `task` (several problems; they are compared by
            ranks). Values of the same seed are compared with each other; if no two strategies share a seed, their
            values are independent samples, whose order does not matter. A missing or infinite value is a sweep that
            failed, and counts as the worst. Or the path or URL of such a table, or of results that
            `hypertune.foreign.reading.read` can read.
        mode: which values are better, `max` or `min`; by default what the results of another tool say themselves, else
            `max`.
        margin: strategies whose values differ by no more than this are practically equal, in the unit of the values.
            Without it nothing is called equal. For one task only.
        until_decided: goes through the seeds in the order of the table, or through independent samples in a random
            order, and stops once it is decided; strategies that are established as worse get no further seeds. For one
            task only.
        max_seeds: at most this many of the seeds of each strategy, in the same order. For one task only.
        metric: what the values are, for sentences and figures; of a path or URL, also the column, metric or objective
            that is the result, needed where several could be. By default `value`, or what the results call it.
        strategy, kind: for a path or URL only: the column or entry that holds the strategy, and which tool wrote it
            (`hypertune.foreign.reading.KINDS`), where that cannot be told.

    Raises:
        ValueError: one line that names the column, the row or the argument, and the remedy.
    """
    if isinstance(frame, pd.DataFrame):
        table, name = frame, "table"
        _check_path_only(strategy=strategy, kind=kind)
    else:
        from hypertune.foreign.reading import read
        from hypertune.foreign.source import Source

        name = Source.of(os.fspath(frame)).shown
        table = read(os.fspath(frame), kind=kind, metric=metric, mode=mode, strategy=strategy)
        mode, metric = mode or table.attrs["mode"], metric or table.attrs["metric"]
    mode = mode or "max"
    _check(mode, margin, max_seeds)
    sheet = sheet_of(table, mode, name=name)
    if len(sheet.tasks) > 1:
        given = {"margin": margin is not None, "until_decided": until_decided, "max_seeds": max_seeds is not None}
        if any(given.values()):
            wrong = " and ".join(option for option, is_given in given.items() if is_given)
            raise ValueError(f"{name}: has several tasks, which are compared by ranks; leave out {wrong}")
        return _of_tasks(sheet, mode, metric or "value")
    return _of_seeds(sheet, mode, margin, metric or "value", until_decided, max_seeds)


def _check_path_only(**given: str | None) -> None:
    for option, value in given.items():
        if value is not None:
            raise ValueError(f"{option}: is for results read from a path or URL; rename the table's columns instead")


def _check(mode: object, margin: object, max_seeds: object) -> None:
    if mode not in ("min", "max"):
        raise ValueError(f"mode: max or min, got {mode!r}")
    if margin is not None and not (isinstance(margin, int | float | np.number) and 0 <= float(margin) < np.inf):
        raise ValueError(f"margin: a number from 0, in the unit of the values, got {margin!r}")
    if max_seeds is not None and not (isinstance(max_seeds, int) and max_seeds >= 1):
        raise ValueError(f"max_seeds: a whole number from 1, got {max_seeds!r}")


def _of_seeds(
    sheet: Sheet, mode: str, margin: float | None, metric: str, until_decided: bool, max_seeds: int | None
) -> Judgment:
    (task, values), *_ = sheet.tasks.items()
    if max_seeds is not None:
        # The rows of independent samples belong to one strategy each.
        first = _mask(values, dict.fromkeys(values.columns, max_seeds)).any(axis=1)
        values = values[first] if sheet.independent else values.iloc[:max_seeds]
    found = sheet.found[task].loc[values.index]
    options = {"margin": float(margin) if margin else None, "seconds": sheet.seconds, "found": found}
    if until_decided:
        outcome = decide(values, mode, **options)  # type: ignore[arg-type]
        used = values.where(_mask(values, outcome.seeds_used))
    else:
        judgement = judge_values(values, mode, **options)  # type: ignore[arg-type]
        counts = {str(name): int(count) for name, count in values.notna().sum().items()}
        outcome, used = Decided(judgement, counts, ended=False), values
    step = grid_step(values)
    spoken = Judged(
        judgement=outcome.judgement, values=used, mode=mode, metric=metric, step=step, seconds=sheet.seconds
    )
    return Judgment(
        verdicts=outcome.judgement.verdicts,
        seeds_used=outcome.seeds_used,
        recommended=outcome.judgement.recommended,
        conclusion=" ".join([*conclusion_of(spoken), *_notes(sheet), *([INDEPENDENT] if sheet.independent else [])]),
        decided=outcome.ended if until_decided else None,
        sheet=sheet,
        values=used,
        metric=metric,
        judgement=outcome.judgement,
    )


def _mask(values: pd.DataFrame, used: Mapping[str, int]) -> pd.DataFrame:
    """True for the first `used` values of each column."""
    place = values.notna().cumsum()
    return place.le(pd.Series(used).reindex(values.columns)) & values.notna()


def _notes(sheet: Sheet) -> list[str]:
    lost = sum(int((~own & sheet.tasks[task].notna()).to_numpy().sum()) for task, own in sheet.found.items())
    if not lost:
        return []
    return [
        "1 sweep has no finite value and counts as the worst one."
        if lost == 1
        else f"{lost} sweeps have no finite value and count as the worst one."
    ]


def _of_tasks(sheet: Sheet, mode: str, metric: str) -> Judgment:
    values = pd.DataFrame({task: own.mean() for task, own in sheet.tasks.items()}).T
    lacking = values.isna().any()
    if lacking.any():
        name = str(lacking.index[lacking][0])
        task = values.index[values[name].isna()][0]
        raise ValueError(f"table: strategy {name} has no row for task {task}; every strategy needs all tasks")
    several = compare_tasks(values, mode)
    verdicts = several.verdicts()
    counts = {name: sum(int(own[name].notna().sum()) for own in sheet.tasks.values()) for name in sheet.strategies}
    return Judgment(
        verdicts=verdicts,
        seeds_used=counts,
        recommended=next((name for name, verdict in verdicts.items() if verdict == BEST), None),
        conclusion=" ".join([several_conclusion(several, "tasks"), *_notes(sheet)]),
        decided=None,
        sheet=sheet,
        values=values,
        metric=metric,
        several=several,
    )
