"""The journal on a storage that fails: whole lines or none, waited for, and given up in one line."""

from __future__ import annotations

import errno
import logging
import os
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hypertune.records.records import read_journal
from hypertune.storage import patience
from hypertune.storage.files import JOURNAL
from hypertune.study.study import Study
from hypertune.sweep.trial import StorageLost
from hypertune.tuning import experiment
from hypertune.tuning.recording import Recorder
from tests.sweep.scripted import Runner, make_study

STUDY = make_study(strategies=("random",), seeds=(0,))


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """The kernel lets no file grow beyond `size` bytes: what fits of a write is written, the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def lifted(seconds: float) -> None:
    """In place of a pause: somebody makes room meanwhile."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def test_an_event_that_does_not_fit_is_written_whole_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    events = Runner(STUDY, "random").run().events
    recorder = Recorder(STUDY, tmp_path)
    monkeypatch.setattr(time, "sleep", lifted)
    with caplog.at_level(logging.WARNING), no_file_above(3000):
        for event in events:
            recorder(event)
    recorder.close()
    assert caplog.text.count("File too large; trying again") == 1
    assert (tmp_path / JOURNAL).stat().st_size > 3000
    assert list(read_journal(tmp_path / JOURNAL)) == events


def test_when_patience_runs_out_the_journal_ends_in_a_whole_line_and_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = Runner(STUDY, "random").run().events
    recorder = Recorder(STUDY, tmp_path)
    monkeypatch.setenv("HYPERTUNE_STORAGE_PATIENCE_S", "0")
    left = list(events)

    def write_on() -> None:
        while left:
            recorder(left[0])
            del left[0]

    with no_file_above(3000):
        with pytest.raises(StorageLost, match="can no longer be written .File too large.*compare --resume"):
            write_on()
        with pytest.raises(StorageLost):
            recorder(events[0])
        recorder.close()
    again = Recorder(STUDY, tmp_path)
    assert again.past == events[: -len(left)]
    for event in left:
        again(event)
    again.close()
    assert list(read_journal(tmp_path / JOURNAL)) == events


def test_a_journal_that_has_lost_finished_trials_is_refused(tmp_path: Path) -> None:
    recorder = Recorder(STUDY, tmp_path)
    events = Runner(STUDY, "random").run().events
    for event in events:
        recorder(event)
    recorder.close()
    last = max(number for number, event in enumerate(events) if event["event"] == "end")
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    (tmp_path / JOURNAL).write_bytes(b"".join(lines[:last]))
    with pytest.raises(ValueError, match=r"journal.jsonl: has \d+ finished trials, but trials.csv has 1 more"):
        Recorder(STUDY, tmp_path)
    (tmp_path / JOURNAL).unlink()
    with pytest.raises(ValueError, match="has 0 finished trials"):
        Recorder(STUDY, tmp_path)


def test_patience_says_once_what_it_waits_for_and_raises_what_it_got(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock, tries = [0.0], []

    def away() -> None:
        tries.append(clock[0])
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    with pytest.raises(OSError, match="Input/output error"):
        patience.patiently(away, "the place", patience_s=10)
    assert tries == [float(second) for second in range(11)]
    assert caplog.text.count("the place: [Errno 5] Input/output error; trying again for 10 s") == 1


# The folder is removed -----------------------------------------------------------------------------------------------


def recorded_half(folder: Path) -> tuple[Recorder, list[dict[str, object]]]:
    events = Runner(STUDY, "random").run().events
    recorder = Recorder(STUDY, folder)
    for event in events[: len(events) // 2]:
        recorder(event)
    return recorder, events


@pytest.mark.parametrize("removed", ["out", "out/sweeps", "out/sweeps/journal.jsonl"])
def test_what_was_recorded_is_written_anew_if_the_folder_is_removed(
    tmp_path: Path, removed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    recorder, events = recorded_half(out := tmp_path / "out")
    recorder.check()
    gone = tmp_path / removed
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(StorageLost, match=f"was removed or replaced .* anew to {out},.* compare --resume {out}$"):
        recorder.check()
    assert list(read_journal(out / JOURNAL)) == events[: len(events) // 2]
    assert Study.load(out / "study.toml").name == STUDY.name
    recorder.close()
    again = Recorder(STUDY, out)
    assert again.past == events[: len(events) // 2]
    again.close()


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_a_file_server_that_does_not_answer_has_not_removed_the_folder(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, events = recorded_half(out := tmp_path / "out")
    stat = Path.stat

    def away(path: Path, **options: bool) -> os.stat_result:
        if path.name == JOURNAL.name:
            raise OSError(code, os.strerror(code), str(path))
        return stat(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", away)
        recorder.check()
        for event in events[len(events) // 2 :]:
            recorder(event)
    recorder.check()
    recorder.close()
    assert list(read_journal(out / JOURNAL)) == events
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_event_after_the_removal_is_written_anew_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    recorder, events = recorded_half(out := tmp_path / "out")
    shutil.rmtree(out)
    with pytest.raises(StorageLost):
        recorder(events[len(events) // 2])
    assert list(read_journal(out / JOURNAL)) == events[: len(events) // 2 + 1]
    recorder.close()


def test_a_folder_that_is_replaced_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    recorder, events = recorded_half(out := tmp_path / "out")
    out.rename(tmp_path / "moved")
    shutil.copytree(tmp_path / "moved", out)
    (out / JOURNAL).write_bytes(b"another's\n")
    with pytest.raises(
        StorageLost, match=f"anew to ({tmp_path}/out-rescued-\\w+),.* compare --resume {tmp_path}/out-resc"
    ):
        recorder.check()
    assert (out / JOURNAL).read_bytes() == b"another's\n"
    (rescued,) = tmp_path.glob("out-rescued-*")
    assert list(read_journal(rescued / JOURNAL)) == events[: len(events) // 2]
    recorder.close()


def test_the_runs_of_an_attempt_are_counted_on_whatever_else_lies_there(tmp_path: Path) -> None:
    for name in ("run_1", "run_2", "run_2_old", "run_x", "run_"):
        (tmp_path / "sweeps" / name).mkdir(parents=True)
    assert experiment.runs_of(tmp_path, None).name == "run_3"


def test_what_to_type_for_the_tables_is_quoted() -> None:
    quoted = "write the tables and the report with: hypertune report 'my study'$"
    with pytest.raises(ValueError, match=quoted), patience.outputs_in(Path("my study")):
        raise OSError(28, "No space left on device")
