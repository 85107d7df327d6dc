"""The lease of a study on shared storage: one writer at a time, though there is no lock."""

from __future__ import annotations

import contextlib
import fcntl
import json
import time
from pathlib import Path

import pytest

from hypertune.storage import lease as module
from hypertune.storage import mirror
from hypertune.storage.files import JOURNAL, LOCK, now
from hypertune.storage.lease import LEASE, Lease
from hypertune.storage.storage import Storage
from hypertune.storage.workspace import Workspace, workspace
from hypertune.sweep.trial import StorageLost
from hypertune.tuning.removed import check_ours
from tests.storage.test_workspace import eventually


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(module, "SETTLE_S", 0.01)


def another(storage: Storage) -> bytes:
    """Makes the lease another process's; returns it."""
    lease = json.dumps({"host": "elsewhere", "pid": 1, "at": now(), "nonce": "theirs"}).encode()
    storage.write(LEASE, lease)
    return lease


def test_of_two_that_take_the_lease_at_once_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one has found no lease, either, and writes its own while this one waits."""
    storage, theirs = Storage(f"local://{tmp_path}"), list[bytes]()
    monkeypatch.setattr(module.time, "sleep", lambda seconds: theirs.append(another(storage)))
    with pytest.raises(ValueError, match="process 1 on elsewhere.; both began at the same moment"):
        Lease(storage).__enter__()
    assert theirs == [storage.read(LEASE)]


def test_a_study_that_began_and_ended_while_the_lease_was_taken_is_not_overwritten(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(f"{bucket}/study")
    monkeypatch.setattr(module.time, "sleep", lambda seconds: storage.write("study.toml", b"theirs"))
    with pytest.raises(ValueError, match="already holds files"), workspace(storage.url, resume=False):
        pytest.fail("was entered")
    assert list(storage.files()) == ["study.toml"]


@pytest.mark.parametrize("taken", [True, False])
def test_a_writer_that_was_taken_for_dead_writes_nothing_any_more(
    bucket: str, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """Another one writes by now, or has done so and has ended."""
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    storage = Storage(f"{bucket}/study")
    with contextlib.ExitStack() as until_the_end:
        work = until_the_end.enter_context(workspace(storage.url, resume=False))
        journal = work.folder / JOURNAL
        journal.parent.mkdir()
        journal.write_bytes(b"1\n")
        assert work.copied(time.monotonic())
        assert work.lost() is None
        storage.delete(LEASE)
        theirs = another(storage) if taken else None
        storage.write(JOURNAL.as_posix(), b"1\ntheirs\n")
        journal.write_bytes(b"1\nours\n")
        assert not work.copied(time.monotonic())
        assert work.lost()
        with pytest.raises(ValueError, match="another hypertune .*has recorded is in .*compare --resume /") as end:
            until_the_end.close()
    assert storage.read(JOURNAL.as_posix()) == b"1\ntheirs\n"
    assert storage.read(LEASE) == theirs
    kept = Path(str(end.value).rpartition(" ")[2])
    assert (kept / JOURNAL).read_bytes() == b"1\nours\n"


def test_a_pass_of_copies_ends_where_the_lease_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    (tmp_path / "there").mkdir()
    monkeypatch.setenv("HYPERTUNE_WORK_DIR", str(tmp_path / "working"))
    storage, write = Storage(f"local://{tmp_path}/there"), Storage.write

    def overtaken(self: Storage, name: str, content: bytes) -> None:
        write(self, name, content)
        if name == "a":
            another(self)

    with contextlib.ExitStack() as until_the_end:
        work = until_the_end.enter_context(workspace(storage.url, resume=False))
        monkeypatch.setattr(Storage, "write", overtaken)
        for name in ("a", "b"):
            (work.folder / name).write_text("1")
        eventually(lambda: work.lost() is not None)
        with pytest.raises(ValueError, match="another hypertune writes to it by now .process 1 on elsewhere"):
            until_the_end.close()
    assert sorted(storage.files()) == ["a", LEASE]


@pytest.mark.parametrize("interval", [0.05, 1000.0])
def test_the_lease_is_renewed_during_a_long_upload(
    bucket: str, monkeypatch: pytest.MonkeyPatch, interval: float
) -> None:
    """Of a pass while the study runs, and of the last one."""
    monkeypatch.setattr(mirror, "INTERVAL_SECONDS", interval)
    monkeypatch.setattr(module, "LEASE_SECONDS", 0.4)
    storage, write, renewed = Storage(f"{bucket}/study"), Storage.write, list[bytes | None]()

    def slow(self: Storage, name: str, content: bytes) -> None:
        if name == "large":
            before = storage.read(LEASE)
            eventually(lambda: storage.read(LEASE) != before)
            renewed.append(storage.read(LEASE))
        write(self, name, content)

    monkeypatch.setattr(Storage, "write", slow)
    with workspace(storage.url, resume=False) as work:
        (work.folder / "large").write_text("1")
        if interval < 1:
            eventually(lambda: bool(renewed))
    assert renewed[0] is not None
    assert list(storage.files()) == ["large"]


def test_a_working_copy_that_is_in_use_on_this_machine_is_left_alone(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a process that was stopped for longer than its lease."""
    storage = Storage(f"{bucket}/study")
    with workspace(storage.url, resume=False) as work:
        (work.folder / LOCK).parent.mkdir()
        with (work.folder / LOCK).open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            monkeypatch.setattr(module, "LEASE_SECONDS", 0.0)
            with (
                pytest.raises(ValueError, match="another hypertune on this machine is writing to it"),
                workspace(storage.url, resume=True),
            ):
                pytest.fail("was entered")
        assert (work.folder / LOCK).exists()
        monkeypatch.setattr(module, "LEASE_SECONDS", 60.0)


def test_a_study_whose_storage_is_anothers_by_now_ends() -> None:
    check_ours(Workspace(Path()))
    with pytest.raises(StorageLost, match="^taken over$"):
        check_ours(Workspace(Path(), lost=lambda: "taken over"))
