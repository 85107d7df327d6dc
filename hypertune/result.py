"""`Result`: the outcome of a study, from the run itself or loaded from its output folder."""

from __future__ import annotations

import atexit
import difflib
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from hypertune.comparison.best import Best, find_best
from hypertune.comparison.numbers import configuration, number
from hypertune.records import records
from hypertune.records.records import Records
from hypertune.storage.storage import Place, as_place, local_copy
from hypertune.storage.workspace import is_running
from hypertune.study.study import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from hypertune.comparison.findings import Finding

State = Literal["finished", "interrupted", "running"]


class Figures(dict[str, "go.Figure"]):
    """Plotly figures by name; a notebook displays one with `result.figures()["anytime"]`."""

    def __repr__(self) -> str:
        return f"Figures({', '.join(self)})"


@dataclass(frozen=True, repr=False)
class Result:
    """A study's outcome, from its output folder.

    Attributes:
        folder: the output folder; for a study at a URL, a local copy that is deleted when this process ends.
        records: the records as tables.
        interrupted: whether the study was stopped before its end; `compare(..., resume=True)` continues it.
        running: whether a process was still running the study when it was read; the result is then a snapshot.
        place: the study's location, a folder or a URL; `folder` by default.
    """

    folder: Path
    records: Records
    interrupted: bool = False
    running: bool = False
    place: Place | None = None

    @property
    def study(self) -> Study:
        """The study that was run."""
        return self.records.study

    @property
    def state(self) -> State:
        """`finished`, `interrupted` or `running`."""
        return "running" if self.running else "interrupted" if self.interrupted else "finished"

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
        """The conclusion in plain words."""
        from hypertune.comparison.verdict import conclusion

        return conclusion(self.records)

    @cached_property
    def best(self) -> Best | None:
        """The overall winner; None if no trial has reported a finite value."""
        return find_best(self.records, self.folder)

    def figures(self) -> dict[str, go.Figure]:
        """Every figure of the report by its name."""
        from hypertune.report.figures import figures

        return Figures(figures(self.records))

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per configuration, as `experiment_summary.csv`."""
        from hypertune.comparison.summary import experiment_summary

        return experiment_summary(self.records).copy()

    @cached_property
    def findings(self) -> list[Finding]:
        """The finding on each of the study's hypotheses."""
        from hypertune.comparison.findings import findings

        return findings(self.records)

    def heatmap(self, x: str | None = None, y: str | None = None) -> go.Figure:
        """A heatmap of two factors of a design.

        Raises:
            ValueError: if the study has no design, or `x` or `y` is not one of its factors.
        """
        from hypertune.report.designs import heatmap

        return heatmap(self.records, x, y)

    def __repr__(self) -> str:
        study, place = self.study, self.place if self.place is not None else self.folder
        best = f"\nbest {self._best()}" if self.best is not None else ""
        return f"Result of {study.name}, {self._state()}: {study.outline()}{best}\nin {place}"

    def _repr_html_(self) -> str:
        """What a notebook shows: the conclusion, the table, the best configuration and where the report is."""
        from hypertune.report.in_notebook import result_html

        place = self.place if self.place is not None else self.folder
        return result_html(self.records, state=self._state(), best=self._best(), place=place)

    def _best(self) -> str:
        if self.best is None:
            return ""
        best = self.best
        found = f"{self.study.metric} {number(best.value)} by {best.strategy}, seed {best.seed}, epoch {best.epoch}"
        return f"{found}: {configuration(best.config)}"

    def _state(self) -> str:
        if self.state == "finished":
            return self.state
        done, total = int(self.records.sweeps["finished"].sum()), len(self.records.sweeps_planned)
        return f"{self.state} with {done} of {total} sweeps done"


def load(place: Place) -> Result:
    """Loads the result of a finished, interrupted or running study from its output folder.

    The result of a running study is a snapshot; load it again for a newer one.

    Args:
        place: the folder, or its URL on shared storage (`s3://bucket/path`).

    Raises:
        ValueError: one line saying what is wrong with `place`, or which file is missing or damaged.

    Example:
        >>> hypertune.load("hypertune-out/digits_cnn").conclusion
    """
    if not isinstance(place, str | Path):
        raise ValueError(f'place: the folder of a study or its URL, e.g. "hypertune-out/digits_cnn", got {place!r}')
    where = as_place(str(place))
    if isinstance(where, Path) and not where.is_dir():
        raise ValueError(f"{where}: no such folder{_meant(where)}")
    # Checked before the records are read: if the process has ended by now, they hold all that it wrote.
    running = is_running(where)
    with ExitStack() as stack:
        folder = stack.enter_context(local_copy(where))
        facts = _read(folder, where)
        atexit.register(stack.pop_all().close)  # the copy is deleted when this process ends
    return Result(folder, facts, interrupted=not running and not is_complete(facts), running=running, place=where)


def _read(folder: Path, place: Place) -> Records:
    try:
        return records.read(folder)
    except ValueError as error:
        raise ValueError(str(error).replace(str(folder), str(place))) from None


def _meant(folder: Path) -> str:
    """A hint: a study folder with a similar name, or of that name in the default output folder."""
    candidates = [str(path.parent) for path in Path("hypertune-out").glob("*/study.toml")]
    inside = str(Path("hypertune-out") / folder)
    close = [inside] if inside in candidates else difflib.get_close_matches(str(folder), candidates, n=1)
    return f"; did you mean {close[0]}?" if close else "; give a study's output folder, or its URL"


def is_complete(facts: Records) -> bool:
    """Whether every sweep is finished and every incumbent has been retrained."""
    study = facts.study
    done = facts.sweeps[facts.sweeps["finished"].astype(bool)]
    if not set(facts.sweeps_planned) <= set(zip(done["strategy"], done["seed"], strict=True)):
        return False
    if study.training.dataset is None or "simulation" in facts.provenance or not study.retrain:
        return True  # only the built-in models have a data set and are retrained
    columns = ["strategy", "seed", "retrain_seed"]
    retrained = 0 if facts.retrained.empty else len(facts.retrained[columns].drop_duplicates())
    return retrained >= study.retrain * int(facts.sweeps["incumbent"].notna().sum())
