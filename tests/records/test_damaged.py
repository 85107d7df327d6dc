"""Records that are not ours to trust: tables, provenance and journals of other shapes than hypertune writes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hypertune.commands.cli import main
from hypertune.comparison.export import export
from hypertune.records import records
from hypertune.records.provenance import write_provenance
from hypertune.storage.files import JOURNAL
from hypertune.tuning.recording import Recorder
from tests.records.test_records import recorded

OTHERS: list[Any] = ["text", 3, 0.5, None, True, [1], {"a": 1}, [{"a": None}], {"a": {"b": [None]}}]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose `sweeps/` has been removed, and in which the tables are all there is."""
    folder = recorded(tmp_path_factory.mktemp("whole") / "out")
    provenance = {"hardware": {"cores": 2}, "workers": 2, "versions": {"ray": "2"}, "seeds": [0], "notes": []}
    write_provenance(folder, provenance, records.read(folder))
    shutil.copytree(folder, folder.with_name("journal"))
    shutil.rmtree(folder / "sweeps")
    return folder


def damaged(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "out", dirs_exist_ok=True))


def told(folder: Path) -> str:
    """What reading and exporting say; nothing where they find nothing wrong."""
    try:
        export(records.read(folder), "csv")
    except ValueError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 500
        return str(error)
    return ""


def other_columns(column: pd.Series[Any]) -> Iterator[list[Any]]:
    count = len(column)
    yield ["text"] * count
    yield [1.5] * count
    yield [None] * count
    yield [True] * count
    yield [["a", "b"]] * count
    yield [None, *column.tolist()[1:]]


@pytest.mark.parametrize("name", ["trials.csv", "curves.parquet"])
def test_columns_that_are_missing_or_of_another_type(whole: Path, tmp_path: Path, name: str) -> None:
    folder, csv = damaged(whole, tmp_path), name.endswith(".csv")
    table = pd.read_csv(whole / name) if csv else pd.read_parquet(whole / name)

    def write(changed: pd.DataFrame) -> str:
        changed.to_csv(folder / name, index=False) if csv else changed.to_parquet(folder / name)
        return told(folder)

    for number, column in enumerate(table):
        said = write(table.drop(columns=column))
        if not str(column).startswith("config/") and column not in ("error", "loss"):
            assert f"{name}: lacks the column {column}; restore" in said
        for values in list(other_columns(table[column]))[number % 3 :: 3]:  # two each, or it takes a minute
            write(table.assign(**{str(column): values}))
    assert "column epochs: should hold numbers" in write(table.assign(epochs="x")) or not csv
    assert write(table) == ""


def test_fields_of_the_provenance_of_another_type(whole: Path, tmp_path: Path) -> None:
    folder = damaged(whole, tmp_path)
    provenance = json.loads((whole / "provenance.json").read_text())

    def write(changed: dict[str, Any]) -> str:
        (folder / "provenance.json").write_text(json.dumps(changed))
        return told(folder)

    assert write(provenance) == ""
    assert "provenance.json: hardware: expected `object`, got `str`; restore" in write({**provenance, "hardware": "x"})
    for field in provenance:
        for other in OTHERS:
            write({**provenance, field: other})
    for place in ("sweeps",):
        for key in provenance[place][0]:
            for other in OTHERS:
                write({**provenance, place: [{**provenance[place][0], key: other}]})
            write({**provenance, place: [{k: v for k, v in provenance[place][0].items() if k != key}]})


def lines_of(whole: Path) -> list[str]:
    return (whole.with_name("journal") / JOURNAL).read_text().splitlines(keepends=True)


CHANGES: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "one left out": (lambda lines: [*lines[:5], *lines[6:]], "line 6 is event 7, and event 6 is missing"),
    "two swapped": (lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]], "line 6 is event 7"),
    "another one's number": (lambda lines: [*lines[:6], lines[5][:-2] + ', "x": 1}\n'], ""),
    "one repeated": (lambda lines: [*lines[:6], lines[5], *lines[6:]], ""),
    "all repeated": (lambda lines: [line for line in lines for _ in range(2)], ""),
    "no text": (lambda lines: [*lines[:5], "[1, 2]\n", *lines[6:]], "line 6 is damaged"),
    "a field left out": (
        lambda lines: [line.replace('"trial_id"', '"trialid"', 1) if '"epoch"' in line else line for line in lines],
        "does not fit to what comes before it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_lines_of_a_journal_that_are_missing_repeated_or_swapped(whole: Path, tmp_path: Path, change: str) -> None:
    folder = damaged(whole.with_name("journal"), tmp_path)
    changed, said = CHANGES[change]
    facts = records.read(folder)
    (folder / JOURNAL).write_text("".join(changed(lines_of(whole))))
    if said:
        assert said in told(folder)
        assert "journal.jsonl: line" in told(folder)
        with pytest.raises(ValueError, match="line"):
            Recorder(facts.study, folder)
        assert main(["top", str(folder), "--once"]) == main(["report", str(folder)]) == 2
    elif "repeated" in change:
        assert records.read(folder).trials.equals(facts.trials)
        assert records.read(folder).sweeps.equals(facts.sweeps)
    else:
        assert "is event 6, which has come before" in told(folder)


def test_a_journal_without_numbers_is_read_and_gone_on_with(whole: Path, tmp_path: Path) -> None:
    folder = damaged(whole.with_name("journal"), tmp_path)
    facts = records.read(folder)
    old = [json.dumps({k: v for k, v in json.loads(line).items() if k != "n"}) + "\n" for line in lines_of(whole)]
    (folder / JOURNAL).write_text("".join(old))
    assert records.read(folder).trials.equals(facts.trials)
    recorder = Recorder(facts.study, folder)
    recorder({"event": "gave_up", "at": "now"})
    recorder({"event": "gave_up", "at": "later"})
    recorder.close()
    assert json.loads((folder / JOURNAL).read_text().splitlines()[-1])["n"] == len(old) + 2
    assert records.read(folder).gave_up


def test_a_table_without_the_columns_that_a_resume_reads(whole: Path, tmp_path: Path) -> None:
    folder = damaged(whole.with_name("journal"), tmp_path)
    study = records.read(folder).study
    (folder / "trials.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"trials\.csv: lacks the column status; remove the file"):
        Recorder(study, folder)


@pytest.mark.parametrize("path", ["/etc", "../../x", "sweeps/run_1/../../x", "sweeps/journal.jsonl", 3])
def test_a_checkpoint_outside_of_the_runs_is_refused(whole: Path, tmp_path: Path, path: Any) -> None:
    folder = damaged(whole.with_name("journal"), tmp_path)
    study = records.read(folder).study
    event = {"n": len(lines_of(whole)) + 1, "event": "checkpoint", "trial_id": "x", "path": path, "epoch": 1}
    with (folder / JOURNAL).open("a") as file:
        file.write(json.dumps(event) + "\n")
    with pytest.raises(ValueError, match="names a checkpoint outside of the study's own runs"):
        Recorder(study, folder)


@pytest.mark.parametrize("elsewhere", ["", "/somewhere/else/"])
def test_checkpoints_are_found_in_a_folder_that_was_moved(whole: Path, tmp_path: Path, elsewhere: str) -> None:
    folder = damaged(whole.with_name("journal"), tmp_path)
    recorder = Recorder(records.read(folder).study, folder)
    path = f"{folder}/sweeps/run_1/t/checkpoint_000001"
    Path(path).mkdir(parents=True)
    event = {"event": "checkpoint", "trial_id": "random_s0_0001", "path": path, "epoch": 1, "elapsed_s": 1.0}
    recorder(event)
    recorder.close()
    assert event["path"] == path
    written = (folder / JOURNAL).read_text()
    assert '"path": "sweeps/run_1/t/checkpoint_000001"' in written
    (folder / JOURNAL).write_text(written.replace('"sweeps/run_1', f'"{elsewhere}sweeps/run_1'))
    moved = folder.rename(tmp_path / "moved")
    past = Recorder(records.read(moved).study, moved).past
    assert past[-1]["path"] == f"{moved}/sweeps/run_1/t/checkpoint_000001"
