"""The working copy of a study on shared storage: what a writer does to it while it runs, and what is left of it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hypertune.records import records
from hypertune.storage import bounded
from hypertune.storage import lease as lease_module
from hypertune.storage import mirror as module
from hypertune.storage.files import JOURNAL, MODEL, STUDY, now
from hypertune.storage.lease import LEASE, Lease
from hypertune.storage.mirror import Mirror
from hypertune.storage.storage import Storage, StorageError, upload
from hypertune.storage.workspace import is_running, workspace
from tests.conftest import Relay
from tests.records.test_records import recorded


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "still not so after 30 s"
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(lease_module, "SETTLE_S", 0.01)


def test_a_local_folder_is_its_own_workspace(tmp_path: Path) -> None:
    with workspace(tmp_path / "out", resume=False) as work:
        assert (work.folder, work.storage) == (tmp_path / "out", None)


def test_what_is_written_reaches_the_storage_while_the_study_runs(bucket: str) -> None:
    storage = Storage(f"{bucket}/study")
    with workspace(storage.url, resume=False) as work:
        journal = work.folder / JOURNAL
        journal.parent.mkdir()
        journal.write_bytes(b"1\n")
        eventually(lambda: storage.read(JOURNAL.as_posix()) == b"1\n")
        with journal.open("ab") as file:
            file.write(b"2\n")
        eventually(lambda: storage.read(JOURNAL.as_posix()) == b"1\n2\n")
        (work.folder / "sweeps" / "run_1").mkdir()
        (work.folder / "sweeps" / "run_1" / "checkpoint").write_bytes(b"local only")
        (work.folder / "report.html").write_text("done")
    assert sorted(storage.files()) == ["report.html", JOURNAL.as_posix()]
    assert storage.folders("sweeps") == []


def test_a_study_that_never_began_leaves_nothing(bucket: str) -> None:
    storage = Storage(f"{bucket}/study")
    with workspace(storage.url, resume=False) as work:
        (work.folder / "study.toml").write_text("name")
        eventually(lambda: storage.read("study.toml") is not None)
        (work.folder / "study.toml").unlink()
        work.folder.rmdir()
    assert list(storage.files()) == []


def test_a_driver_that_was_killed_at_once_can_be_started_again(bucket: str) -> None:
    storage = Storage(f"{bucket}/study")
    gone = {"host": socket.gethostname(), "pid": 2**22 + 1, "at": now()}
    storage.write(LEASE, json.dumps(gone).encode())
    with workspace(storage.url, resume=False) as work:
        (work.folder / "study.toml").write_text("name")
    assert storage.read("study.toml") == b"name"


class Killed(Storage):
    """The storage of a driver that is killed after so many files."""

    left = 0

    def write(self, name: str, content: bytes) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        super().write(name, content)


@pytest.mark.parametrize("files", range(5))
def test_a_driver_that_was_killed_during_its_first_upload_can_be_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """As `--or-resume` does it: anew where there is no study."""
    monkeypatch.setenv("HYPERTUNE_WORK_DIR", str(tmp_path / "working"))
    (tmp_path / "there").mkdir()
    folder = recorded(tmp_path / "made")
    (folder / "provenance.json").write_text("{}")
    storage = Killed(f"local://{tmp_path}/there")
    storage.left = files
    with pytest.raises(KeyboardInterrupt):
        upload(folder, storage, {})
    assert len(list(storage.files())) == files
    if begun := records.stored_study(storage.url) is not None:
        records.read(storage.url)
    with workspace(storage.url, resume=begun) as work:
        assert (work.folder / STUDY).exists() == begun


def test_a_place_that_holds_something_is_not_written_to(bucket: str) -> None:
    Storage(f"{bucket}/study").write("precious", b"mine")
    with (
        pytest.raises(ValueError, match=rf"already holds files; .* --resume {bucket}/study"),
        workspace(f"{bucket}/study", resume=False),
    ):
        pytest.fail("was entered")


def test_two_writers_are_refused_until_the_first_has_died(bucket: str) -> None:
    storage = Storage(f"{bucket}/study")
    owner = {"host": "elsewhere", "pid": 1, "at": now()}
    storage.write(LEASE, json.dumps(owner).encode())
    with (
        pytest.raises(ValueError, match="another hypertune is writing to it .process 1 on elsewhere"),
        workspace(storage.url, resume=True),
    ):
        pytest.fail("was entered")
    storage.write(LEASE, json.dumps({**owner, "at": "2026-01-01T00:00:00.000+00:00"}).encode())
    with workspace(storage.url, resume=True):
        assert json.loads(storage.read(LEASE) or b"")["pid"] == os.getpid()
    assert storage.read(LEASE) is None


def test_another_users_process_on_this_machine_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(pid: int, which: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    storage = Storage(f"local://{tmp_path}")
    storage.write(LEASE, json.dumps({"host": socket.gethostname(), "pid": 1, "at": now()}).encode())
    monkeypatch.setattr(os, "kill", kill)
    assert is_running(storage.url)
    with pytest.raises(ValueError, match="another hypertune is writing to it"):
        Lease(storage).__enter__()


@pytest.mark.parametrize("content", ['{"host": "else', "", "[]", '{"host": "a", "pid": "b", "at": "c"}', "\x00"])
def test_a_lease_that_was_half_written_is_named(tmp_path: Path, content: str) -> None:
    storage = Storage(f"local://{tmp_path}")
    storage.write(LEASE, content.encode())
    for look in (lambda: is_running(storage.url), Lease(storage).__enter__):
        with pytest.raises(ValueError, match=rf"{tmp_path}/sweeps/lease.json: cannot be read .*remove it"):
            look()


def test_what_a_killed_writer_had_not_copied_yet_is_found_again(bucket: str) -> None:
    script = (
        "import os, sys\nfrom hypertune.storage import mirror\n"
        "from hypertune.storage.files import JOURNAL\n"
        "from hypertune.storage.workspace import workspace\n"
        "mirror.INTERVAL_SECONDS = 1000.0\n"
        "with workspace(sys.argv[1], resume=False) as work:\n"
        "    (work.folder / JOURNAL.parent).mkdir()\n    (work.folder / JOURNAL).write_bytes(b'1\\n')\n"
        "    work.storage.write(JOURNAL.as_posix(), b'1\\n')\n"
        "    (work.folder / JOURNAL).write_bytes(b'1\\n2\\n')\n    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, f"{bucket}/study"], timeout=300, check=False)
    assert killed.returncode == -9
    with workspace(f"{bucket}/study", resume=True) as work:
        assert (work.folder / JOURNAL).read_bytes() == b"1\n2\n"


def test_a_working_copy_of_something_else_is_not_taken_for_the_study(bucket: str) -> None:
    storage = Storage(f"{bucket}/study")
    storage.write(JOURNAL.as_posix(), b"theirs\n")
    with workspace(storage.url, resume=True) as work:
        (work.folder / JOURNAL).write_bytes(b"ours\n")
    storage.write(JOURNAL.as_posix(), b"theirs again\n")
    with workspace(storage.url, resume=True) as work:
        assert (work.folder / JOURNAL).read_bytes() == b"theirs again\n"


def test_a_new_winners_files_replace_the_former_ones(url_of: Callable[[str], str]) -> None:
    storage = Storage(url_of("study"))
    for winner in ("first", "second"):
        with workspace(storage.url, resume=winner == "second") as work:
            best = work.folder / "best"
            shutil.rmtree(best / "checkpoint", ignore_errors=True)  # as the pruner does
            (best / "checkpoint").mkdir(parents=True)
            (best / "checkpoint" / f"{winner}.pt").write_text(winner)
            (best / "config.toml").write_text(winner)
            (work.folder / "report.html").write_text(winner)
        shutil.rmtree(work.folder)  # the next one is another machine
    assert sorted(storage.files()) == ["best/checkpoint/second.pt", "best/config.toml", "report.html"]
    assert storage.read("best/config.toml") == b"second"


def test_the_weights_are_the_workers_to_write(bucket: str) -> None:
    """Older ones of the working copy must not replace them, nor may they be taken for a former winner's."""
    storage = Storage(f"{bucket}/study")
    storage.write(MODEL, b"old")
    with workspace(storage.url, resume=True) as work:
        assert (work.folder / MODEL).read_bytes() == b"old"
        (work.folder / "best" / "config.toml").write_text("any")
        storage.write(MODEL, b"new")
    with workspace(storage.url, resume=True) as work:
        assert (work.folder / MODEL).read_bytes() == b"new"
        (work.folder / MODEL).unlink()
    assert storage.read(MODEL) == b"new"


class Flaky(Storage):
    """A storage that can be cut off."""

    reachable = True

    def write(self, name: str, content: bytes) -> None:
        if not self.reachable:
            raise StorageError(f"{self.url}: cut off")
        super().write(name, content)


def test_an_unreachable_storage_holds_nothing_up_and_is_told_of_once(bucket: str, tmp_path: Path) -> None:
    storage, told = Flaky(bucket), list[str]()
    storage.reachable = False
    (tmp_path / "a").write_text("1")
    mirror = Mirror(tmp_path, storage, tell=told.append)
    eventually(lambda: bool(told))
    (tmp_path / "a").write_text("2")
    storage.reachable = True
    mirror.close(30)
    assert storage.read("a") == b"2"
    assert [line.split(";")[0] for line in told] == [f"{bucket}: cut off", f"{bucket}: answers again"]


def test_one_can_wait_until_what_was_written_has_been_copied(bucket: str, tmp_path: Path) -> None:
    storage = Flaky(bucket)
    mirror = Mirror(tmp_path, storage, tell=lambda line: None)
    for content in (b"1", b"2"):
        (tmp_path / "a").write_bytes(content)
        assert mirror.copied(time.monotonic())
        assert storage.read("a") == content
    mirror.close(1)


def test_results_that_cannot_be_copied_are_kept_and_named(bucket: str, tmp_path: Path) -> None:
    storage = Flaky(bucket)
    storage.reachable = False
    (tmp_path / "a").write_text("1")
    mirror = Mirror(tmp_path, storage, tell=lambda line: None)
    with pytest.raises(ValueError, match=f"they are in {tmp_path}, and hypertune compare --resume {bucket}"):
        mirror.close(0.1)
    assert (tmp_path / "a").read_text() == "1"


# A storage that answers nothing --------------------------------------------------------------------------------------


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "REQUEST_S", 0.5)
    monkeypatch.setattr(module, "TELL_AFTER_S", 0.2)


@pytest.mark.usefixtures("_soon")
def test_each_request_to_a_storage_that_answers_nothing_ends(
    bucket: str, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(f"{bucket}/study")
    storage.write("a", b"1")
    storage.write("b", b"1")
    relay.flowing.clear()
    for request in (
        lambda: storage.read("a"), lambda: storage.write("a", b"2"), lambda: storage.delete("a"),
        lambda: list(storage.files()), lambda: Storage(f"{bucket}/other").filesystem,
    ):  # fmt: skip
        began = time.monotonic()
        with pytest.raises(StorageError, match=f"^{bucket}/.*: no answer within "):
            request()
        assert time.monotonic() - began < 15
    relay.flowing.set()
    monkeypatch.setattr(bounded, "REQUEST_S", 30)
    assert Storage(f"{bucket}/study").read("b") == b"1"


@pytest.mark.usefixtures("_soon")
def test_a_storage_that_answers_again_soon_has_everything(
    bucket: str, relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.2)
    told: list[str] = []
    (tmp_path / "a").write_text("1")
    mirror = Mirror(tmp_path, Storage(bucket), tell=told.append)
    assert mirror.copied(time.monotonic())
    relay.flowing.clear()
    (tmp_path / "a").write_text("22")
    eventually(lambda: bool(told))
    time.sleep(2)  # far longer than the pause
    relay.flowing.set()
    assert mirror.copied(time.monotonic())
    monkeypatch.setattr(bounded, "REQUEST_S", 30)
    assert Storage(bucket).read("a") == b"22"
    assert "no answer within" in told[0]
    assert told[-1] == f"{bucket}: answers again"
    mirror.close(5)


@pytest.mark.usefixtures("_soon")
def test_a_storage_that_never_answers_again_is_waited_for_once(
    bucket: str, relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The patience holds from when it fell silent, however often and by whom it is waited for."""
    monkeypatch.setenv("HYPERTUNE_STORAGE_PATIENCE_S", "3")
    told: list[str] = []
    mirror = Mirror(tmp_path, Storage(bucket), tell=told.append)
    assert mirror.copied(time.monotonic())
    relay.flowing.clear()
    (tmp_path / "a").write_text("1")
    began = time.monotonic()
    assert not mirror.copied(began)
    assert not mirror.copied(began)
    with pytest.raises(ValueError, match="the last results could not be copied there"):
        mirror.close(3)
    assert time.monotonic() - began < 30
    waiting = [line for line in told if "waiting up to" in line]
    assert len(waiting) == 1
    assert "for it to take what has been recorded" in waiting[0]
