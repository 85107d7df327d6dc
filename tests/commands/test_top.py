"""`hypertune top` on folders: running, interrupted, done, stripped, empty and wrong ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from hypertune.commands.cli import main
from hypertune.commands.top import Folder
from hypertune.records.folder import Claim, claim
from hypertune.records.provenance import write_provenance
from hypertune.storage.files import JOURNAL
from hypertune.tuning.recording import Recorder
from tests.storage.test_storage import stored
from tests.sweep.scripted import Runner, make_study

STUDY = make_study(strategies=("random",), seeds=(0,), retrain=0)


def claimed(folder: Path) -> Claim:
    return claim(folder, STUDY, resume=False)


def write(folder: Path, count: int | None = None) -> None:
    """The first events of the study, as a driver would leave them."""
    recorder = Recorder(STUDY, folder)
    for event in Runner(STUDY, "random").run().events[:count]:
        recorder(event)
    recorder.close()
    write_provenance(folder, {}, recorder.book.records())


def shown(folder: Path | str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["top", str(folder)]) == 0
    return capsys.readouterr().out


def test_a_study_from_its_start_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = claimed(tmp_path)
    assert "scripted: starting" in shown(tmp_path, capsys)
    write(tmp_path, 20)
    assert "scripted: running" in shown(tmp_path, capsys)
    lock.release()
    going_on = f"interrupted; resume with hypertune compare --resume {tmp_path}"
    assert going_on in shown(tmp_path, capsys).replace("\n", "")
    (tmp_path / JOURNAL).unlink()
    write(tmp_path)
    whole = shown(tmp_path, capsys)
    assert "scripted: done" in whole
    (tmp_path / JOURNAL).unlink()
    assert shown(tmp_path, capsys).split() == whole.split(), "the tables tell the same as the journal"


@pytest.mark.parametrize(("retrained", "said"), [(0, "interrupted"), (1, "interrupted"), (2, "done")])
def test_a_study_is_done_once_its_incumbents_are_retrained(
    retrained: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the journal and by the tables, also where it was killed before the first retraining had begun."""
    study = make_study(strategies=("random",), seeds=(0,), retrain=2)
    row = {"event": "retrained", "strategy": "random", "seed": 0, "status": "completed"}
    with claim(tmp_path, study, resume=False):
        recorder = Recorder(study, tmp_path)
        for event in [*Runner(study, "random").run().events, *({**row, "retrain_seed": i} for i in range(retrained))]:
            recorder(event)
        recorder.close()
        write_provenance(tmp_path, {}, recorder.book.records())
    assert f"scripted: {said}" in shown(tmp_path, capsys)
    (tmp_path / JOURNAL).unlink()
    assert f"scripted: {said}" in shown(tmp_path, capsys)


def test_it_reads_on_where_it_was(tmp_path: Path) -> None:
    lock = claimed(tmp_path)
    recorder = Recorder(STUDY, tmp_path)
    folder, epochs = Folder(tmp_path), []
    for number, event in enumerate(Runner(STUDY, "random").run().events):
        recorder(event)
        if number % 10 == 9:
            ((status, doing),), going_on = folder.look()
            assert (doing, going_on) == ("running", True)
            epochs.append(status.strategies[0].epochs)
    recorder.close()
    lock.release()
    assert epochs == sorted(epochs)
    assert epochs[0] < epochs[-1]
    ((status, _),), going_on = folder.look()
    assert (status.strategies[0].epochs, status.sweeps_done, going_on) == (40, 1, False)


def test_half_a_line_is_left_for_the_next_look(tmp_path: Path) -> None:
    lock = claimed(tmp_path)
    events = Runner(STUDY, "random").run().events
    write(tmp_path, 2)
    folder = Folder(tmp_path)
    whole = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(whole[:-9])
    ((status, _),), _ = folder.look()
    assert not status.strategies[0].trials
    (tmp_path / JOURNAL).write_bytes(whole)
    ((status, _),), _ = folder.look()
    assert status.strategies[0].trials == {"running": 1}
    assert events[1]["event"] == "trial"
    lock.release()


@pytest.mark.parametrize(
    ("folder", "said"),
    [("nowhere", "no such folder"), (".", "not an output folder of hypertune (study.toml is missing)")],
)
def test_a_folder_that_is_no_study(folder: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", str(tmp_path / folder)]) == 2
    assert said in capsys.readouterr().err


def test_a_cluster_that_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "http://127.0.0.1:1"]) == 2
    assert "no Ray dashboard answers there" in capsys.readouterr().err


def test_eighty_columns_are_enough(tmp_path: Path) -> None:
    from hypertune.commands.top import top

    with claimed(tmp_path):
        write(tmp_path)
    console = Console(width=80, record=True)
    assert top(str(tmp_path), console, once=True) == 0
    assert "…" not in console.export_text()


def test_how_trials_share_gpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with claimed(tmp_path):
        write(tmp_path, 20)
        told = json.loads((tmp_path / "provenance.json").read_text())
        (tmp_path / "provenance.json").write_text(json.dumps({**told, "sharing": "up to 3 trained together"}))
        assert "trials at a time (up to 3 trained together)" in " ".join(shown(tmp_path, capsys).split())


def test_a_study_on_shared_storage(tmp_path: Path, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    with claimed(tmp_path):
        write(tmp_path, 20)
    place = stored(tmp_path, f"{bucket}/study").url
    told = " ".join(shown(place, capsys).split())
    assert f"interrupted; resume with hypertune compare --resume {place}" in told
    (tmp_path / JOURNAL).unlink()
    write(tmp_path)
    stored(tmp_path, place)
    assert f"done; {place}/report.html has the result" in " ".join(shown(place, capsys).split())
    assert main(["top", f"{bucket}/nothing"]) == 2
    assert f"{bucket}/nothing" in capsys.readouterr().err
