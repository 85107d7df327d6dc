"""Records: the journal, the tables, what a kill leaves behind, damaged folders."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from hypertune.records import records
from hypertune.records.records import improves
from hypertune.storage.files import JOURNAL
from hypertune.tuning.recording import Recorder
from tests.sweep.scripted import Runner, make_study

LEAD = ["strategy", "seed", "trial_id", "status", "epochs", "best_epoch", "acc"]


def recorded(folder: Path, strategy: str = "asha") -> Path:
    """A folder with the records of one real sweep."""
    study = make_study()
    folder.mkdir(exist_ok=True)
    (folder / "study.toml").write_text(study.to_toml())
    recorder = Recorder(study, folder)
    for event in Runner(study, strategy).run().events:
        recorder(event)
    recorder.close()
    return folder


def test_a_study_that_was_killed_before_anything_was_recorded_is_empty(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(make_study().to_toml())
    facts = records.read(tmp_path)
    assert facts.trials.empty
    assert facts.sweeps.empty
    (tmp_path / "provenance.json").write_text("{}")  # of a study that had begun: its records are lost
    with pytest.raises(ValueError, match=r"trials\.csv or curves\.parquet cannot be read"):
        records.read(tmp_path)


def test_tables_have_the_columns_of_the_contract(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "out")
    trials = pd.read_csv(folder / "trials.csv")
    assert list(trials.columns) == [
        *LEAD,
        *["train_s", "started_at", "ended_at", "node", "device", "error", "config/lr", "config/width"],
    ]
    curves = pd.read_parquet(folder / "curves.parquet")
    expected = [
        "strategy",
        "seed",
        "trial_id",
        "epoch",
        "acc",
        "loss",
        "elapsed_s",
        "wall_s",
        "config/lr",
        "config/width",
    ]
    assert list(curves.columns) == expected
    assert len(curves) == trials["epochs"].sum() == 40
    assert curves["config/width"].dtype.kind == "i"


def test_the_journal_and_the_tables_say_the_same(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "out")
    book = records.read(folder)
    (folder / "provenance.json").write_text(
        json.dumps(
            {"sweeps": json.loads(book.sweeps.to_json(orient="records")), "incumbents": book.incumbent_configs()}
        )
    )
    (folder / JOURNAL).unlink()
    tables = records.read(folder)
    columns = ["trial_id", "status", "epochs", "best_epoch", "acc", "config/lr", "config/width"]
    pd.testing.assert_frame_equal(tables.trials[columns], book.trials[columns], check_dtype=False)
    pd.testing.assert_frame_equal(tables.curves, book.curves, check_dtype=False)
    pd.testing.assert_frame_equal(tables.sweeps, book.sweeps, check_dtype=False)
    assert tables.configs == book.incumbent_configs()


def test_a_line_cut_off_by_a_kill_is_left_out_and_removed_on_resume(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "out")
    whole = (folder / JOURNAL).read_bytes()
    before = len(records.read(folder).curves)
    (folder / JOURNAL).write_bytes(whole + b'{"event": "epoch", "trial_id": "as')
    assert len(records.read(folder).curves) == before
    Recorder(make_study(), folder).close()
    assert (folder / JOURNAL).read_bytes() == whole


def test_a_study_cut_off_anywhere_is_readable(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "out", "hyperband")
    lines = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    for count in range(len(lines)):
        (folder / JOURNAL).write_bytes(b"".join(lines[:count]))
        facts = records.read(folder)
        assert facts.trials["epochs"].sum() == len(facts.curves)
        assert set(facts.trials["status"]) <= {"running", "completed", "stopped"}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("study.toml", None, "not an output folder of hypertune"),
        ("study.toml", b"[study", "study.toml: "),
        (str(JOURNAL), b'{"event": "epoch"\n{"event": "done"}\n', "line 1 is damaged"),
        (str(JOURNAL), b"[1]\n", "line 1 is damaged"),
        ("provenance.json", b"{", "provenance.json: not valid JSON"),
        ("provenance.json", b"[]", "provenance.json: not a JSON object"),
    ],
)
def test_a_damaged_folder_gets_one_line(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    folder = recorded(tmp_path / "out")
    (folder / name).unlink(missing_ok=True)
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=said) as error:
        records.read(folder)
    assert "\n" not in str(error.value)


def test_damaged_tables_without_a_journal_get_one_line(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "out")
    (folder / JOURNAL).unlink()
    (folder / "curves.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match="trials.csv or curves.parquet cannot be read"):
        records.read(folder)


@pytest.mark.parametrize(
    ("value", "best", "mode", "better"),
    [
        (0.5, None, "max", True),
        (0.5, 0.4, "max", True),
        (0.5, 0.4, "min", False),
        (float("nan"), None, "max", False),
        (float("inf"), 0.4, "max", False),
        (None, 0.4, "max", False),
        (0.5, float("nan"), "min", True),
    ],
)
def test_improves(value: float | None, best: float | None, mode: str, better: bool) -> None:
    assert improves(value, best, mode) is better


def test_a_folder_whose_ledger_is_gone_gets_one_line(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "out")
    (folder / JOURNAL).unlink()
    with pytest.raises(ValueError, match=r"provenance.json lacks the ledger"):
        records.read(folder)
