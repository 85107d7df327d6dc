"""The records of a study: its trials, their results and their cost.

While a study runs, every event is appended to `sweeps/journal.jsonl` and flushed, so that killing the process at any
time loses nothing that has been reported. `trials.csv` and `curves.parquet` hold the same facts as tables. Every
comparison and report starts from `Records`, which can be read without Ray and torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hypertune.records.curves import Curves, config_columns
from hypertune.records.facts import Look, Records, extended
from hypertune.records.failures import Failures, from_ledger
from hypertune.records.journal import Event, read_journal
from hypertune.records.lineage import Lineage
from hypertune.records.offered import Offered
from hypertune.records.schema import CURVES, check_provenance, check_tables
from hypertune.records.sheets import from_csv
from hypertune.space.cells import cells_of
from hypertune.storage.files import JOURNAL, STUDY
from hypertune.storage.storage import Place, is_url, local_copy
from hypertune.study.divergence import value_of
from hypertune.study.study import Study

FILES = (STUDY, "provenance.json", "trials.csv", "curves.parquet", JOURNAL.as_posix())
"""The files from which records are read."""
FINAL_STATUSES = ("completed", "stopped", "failed", "diverged")


LEDGER_COLUMNS = (
    "strategy", "seed", "finished", "workers", "epochs", "trials", "completed", "stopped", "failed", "diverged",
    "wall_s", "busy_s", "idle_s", "decision_s", "incumbent",
)  # fmt: skip


class Book:
    """Converts events to rows; the only place that knows what an event means for the tables."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.trials: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.lineage = Lineage()
        self.curves = Curves()
        self.sweeps: dict[tuple[str, int], dict[str, Any]] = {}
        self.retrained: list[dict[str, Any]] = []
        self.model: Event | None = None
        """The last retraining whose weights were to be kept."""
        self.failures = Failures()
        self.gave_up = False
        self.looks: list[Look] = []
        self.planned: dict[str, Any] | None = None
        self.extensions: list[Event] = []
        self._offered: dict[tuple[str, int], Offered] = {}

    def apply(self, event: Event) -> None:
        """Applies one event; ignores unknown kinds, so that older readers can read newer journals."""
        handle(self, event)

    def _on_sweep(self, event: Event) -> None:
        key = (event["strategy"], event["seed"])
        self.sweeps[key] = {
            **dict.fromkeys(LEDGER_COLUMNS, 0), "strategy": key[0], "seed": key[1], "finished": False,
            "workers": event["workers"], "incumbent": None,
        }  # fmt: skip
        self._offered[key] = Offered(event["workers"])

    def _on_workers(self, event: Event) -> None:
        if (key := (event.get("strategy"), event.get("seed"))) in self._offered:  # a retraining has no ledger
            self._offered[key].change(event["workers"], event["wall_s"])
            self.sweeps[key]["workers"] = self._offered[key].mean(event["wall_s"])

    def _on_resumed(self, event: Event) -> None:
        if "workers" in event:  # older journals lack it
            self._on_workers(event)

    def _on_trial(self, event: Event) -> None:
        self.configs[event["trial_id"]] = event["config"]
        self.lineage.note(event)
        self.trials[event["trial_id"]] = {
            "strategy": event["strategy"], "seed": event["seed"], "trial_id": event["trial_id"], "status": "running",
            "epochs": 0, "best_epoch": None, "train_s": 0.0, "started_at": event["at"], "ended_at": None,
            "node": None, "device": None, "error": None,
        }  # fmt: skip
        self.gave_up = False  # a resume tries again
        self.sweeps[event["strategy"], event["seed"]]["trials"] += 1

    def _on_epoch(self, event: Event) -> None:
        row, metrics = self.trials[event["trial_id"]], event["metrics"]
        inherited, inherited_s = self.lineage.inherited(event["trial_id"])
        elapsed_s = event["elapsed_s"] - inherited_s
        self.curves.append(event["trial_id"], event["epoch"], metrics, elapsed_s=elapsed_s, wall_s=event["wall_s"])
        sweep = self.sweeps[row["strategy"], row["seed"]]
        sweep["epochs"] += event["spent"]
        sweep["busy_s"] += max(elapsed_s - row["train_s"], 0.0)
        sweep["wall_s"] = max(sweep["wall_s"], event["wall_s"])
        row["epochs"], row["train_s"] = event["epoch"] - inherited, elapsed_s
        row["node"], row["device"] = event["node"], event["device"]
        self._note_best(row, sweep, event)

    def _note_best(self, row: dict[str, Any], sweep: dict[str, Any], event: Event) -> None:
        metric, mode = self.study.metric, self.study.mode
        value = value_of(self.study, event["metrics"])
        if improves(value, row.get(metric), mode):
            valid = {k: v for k, v in event["metrics"].items() if k == metric or k.startswith("valid_")}
            row.update(best_epoch=event["epoch"], **valid)
        best = self.trials.get(sweep["incumbent"] or "", {}).get(metric)
        if improves(value, best, mode):
            sweep["incumbent"] = event["trial_id"]

    def _on_end(self, event: Event) -> None:
        row = self.trials[event["trial_id"]]
        if event["status"] == "failed":
            self.failures.note(event)
        row.update(status=event["status"], ended_at=event["at"], error=event.get("error"))
        sweep = self.sweeps[row["strategy"], row["seed"]]
        sweep[event["status"]] += 1
        sweep["epochs"] += event.get("spent", 0)

    def _on_done(self, event: Event) -> None:
        sweep = self.sweeps[event["strategy"], event["seed"]]
        workers = self._offered[event["strategy"], event["seed"]].mean(event["wall_s"])
        sweep.update(
            finished=True, wall_s=event["wall_s"], decision_s=event["decision_s"], workers=workers,
            idle_s=max(workers * event["wall_s"] - sweep["busy_s"], 0.0),
        )  # fmt: skip

    def _on_gave_up(self, event: Event) -> None:
        self.gave_up = True

    def _on_look(self, event: Event) -> None:
        self.looks.append({name: value for name, value in event.items() if name != "event"})

    def _on_planned(self, event: Event) -> None:
        self.planned = event["plan"]
        if event.get("before"):
            self.extensions.append({name: value for name, value in event.items() if name != "event"})
            self.looks = extended(self.looks)

    def _on_retrained(self, event: Event) -> None:
        if event.get("status") == "failed":
            self.failures.note(event)
        elif event.get("for_model"):
            self.model = event
        if not event.get("repeated"):
            self.retrained.append({k: v for k, v in event.items() if k not in ("event", "for_model", "repeated")})

    def trials_table(self) -> pd.DataFrame:
        """The rows of `trials.csv`, with the documented order of columns."""
        metric = self.study.metric
        lead = ["strategy", "seed", "trial_id", "status", "epochs", "best_epoch", metric]
        middle = ["train_s", "started_at", "ended_at", "node", "device", "error"]
        frame = pd.DataFrame(list(self.trials.values()), columns=None if self.trials else [*lead, *middle])
        for name in lead:
            if name not in frame:
                frame[name] = math.nan
        valid = [name for name in frame if name not in {*lead, *middle}]
        frame = frame[[*lead, *valid, *middle]].astype({"best_epoch": "Int64"})
        return frame.join(config_columns(list(self.configs.values()), self.study.space))

    def curves_table(self) -> pd.DataFrame:
        """The rows of `curves.parquet`, metrics between `epoch` and `elapsed_s`."""
        trained = self.curves.trials
        lead = pd.DataFrame([self.trials[name] for name in trained], columns=["strategy", "seed", "trial_id"])
        config = config_columns([self.configs[name] for name in trained], self.study.space)
        return self.curves.table(lead, config, self.study.metric)

    def sweeps_table(self) -> pd.DataFrame:
        return pd.DataFrame(list(self.sweeps.values()), columns=list(LEDGER_COLUMNS))

    def records(self, provenance: Mapping[str, Any] | None = None) -> Records:
        return Records(
            study=self.study,
            trials=self.trials_table(),
            curves=self.curves_table(),
            sweeps=self.sweeps_table(),
            retrained=pd.DataFrame(self.retrained),
            provenance=provenance or {},
            configs=self.configs,
            schedules=self.lineage.schedules(self.configs),
            failures=self.failures.all(),
            gave_up=self.gave_up,
            looks=tuple(self.looks),
            extensions=tuple(self.extensions),
        )


def handle(reader: object, event: Event) -> None:
    """Passes an event to the reader's method `_on_<kind>`, if it has one; a newer journal may have unknown kinds."""
    handler = getattr(reader, f"_on_{event['event']}", None)
    if handler is not None:
        handler(event)


def improves(value: float | None, best: float | None, mode: str) -> bool:
    """Whether `value` beats `best`: never if it is missing or not finite, else always if `best` is missing."""
    if value is None or not math.isfinite(value):
        return False
    return best is None or not math.isfinite(best) or (value > best if mode == "max" else value < best)


def read(place: Place) -> Records:
    """Reads the records from a study's output folder, at a path or URL, even if the study was killed half-way.

    Raises:
        ValueError: one line naming the file that is missing or damaged.
    """
    with local_copy(place, *FILES) as folder:
        try:
            return _read(folder)
        except ValueError as error:
            if not is_url(place):
                raise
            raise ValueError(str(error).replace(str(folder), str(place))) from None


def stored_study(place: Place) -> Study | None:
    """The study whose output folder is at a path or URL; None if there is none.

    Raises:
        ValueError: if its file is damaged, or the storage does not answer.
    """
    with local_copy(place, STUDY) as folder:
        return Study.load(folder / STUDY) if (folder / STUDY).is_file() else None


def _read(folder: Path) -> Records:
    if not (folder / STUDY).is_file():
        raise ValueError(f"{folder}: not an output folder of hypertune (study.toml is missing)")
    study = Study.load(folder / STUDY)
    provenance = read_provenance(folder / "provenance.json")
    found = [name for name in FILES if (folder / name).is_file()]
    if found == [STUDY]:  # killed before anything was recorded
        return Book(study).records(provenance)
    if JOURNAL.as_posix() in found:
        book = Book(study)
        for _ in read_journal(folder / JOURNAL, book.apply):
            pass
        return book.records(provenance)
    return _read_tables(folder, study, provenance)


def _read_tables(folder: Path, study: Study, provenance: Mapping[str, Any]) -> Records:
    """Reads the tables of a finished study whose `sweeps/` was removed."""
    try:
        # "None" and "NA" are words that a choice may have as options; only an empty field is a missing value.
        dtypes: dict[str, Any] = cells_of(study.space).dtypes()
        trials = pd.read_csv(folder / "trials.csv", dtype=dtypes, keep_default_na=False, na_values=[""])
        trials = from_csv(trials)
        curves = pd.read_parquet(folder / "curves.parquet")
    except (OSError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ValueError(f"{folder}: trials.csv or curves.parquet cannot be read ({reason})") from None
    check_tables(folder, trials, curves, study)
    trials = trials.astype({"best_epoch": "Int64"})
    if curves.empty:
        curves = curves.reindex(columns=[*CURVES, study.metric])
    if "error" not in trials and "device" in trials:  # written by version 0.1
        trials.insert(list(trials.columns).index("device") + 1, "error", None)
    if "sweeps" not in provenance:
        raise ValueError(f"{folder}: provenance.json lacks the ledger of the sweeps, and sweeps/ has been removed")
    sweeps = pd.DataFrame(provenance["sweeps"], columns=list(LEDGER_COLUMNS))
    retrained = pd.DataFrame(provenance.get("retrained", []))
    return Records(
        study=study, trials=trials, curves=curves, sweeps=sweeps, retrained=retrained, provenance=provenance,
        configs=provenance.get("incumbents", {}), schedules=provenance.get("schedules", {}),
        failures=from_ledger(provenance.get("failures", ())), gave_up=bool(provenance.get("gave_up")),
        looks=tuple(provenance.get("looks", ())),
        extensions=tuple(provenance.get("extensions", ())),
    )  # fmt: skip


def read_provenance(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        provenance = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: not valid JSON; remove it to continue without it") from None
    if not isinstance(provenance, dict):
        raise ValueError(f"{path}: not a JSON object; remove it to continue without it")
    check_provenance(path, provenance)
    return provenance
