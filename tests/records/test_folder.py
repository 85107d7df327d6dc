"""The output folder: nobody else's files are touched, and one in which nothing was recorded is free again."""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hypertune.records import folder
from hypertune.records.folder import Claim
from hypertune.storage import lease, mirror
from hypertune.storage.files import LOCK, STUDY
from hypertune.storage.storage import Storage
from hypertune.storage.workspace import Workspace, workspace
from hypertune.tuning import driver
from tests.sweep.scripted import make_study

MADE = make_study()


def ends(out: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Any] = lambda: None) -> None:
    """Runs a study in `out` that cannot reach its cluster."""

    def connect(*arguments: Any) -> None:
        meanwhile()
        raise ValueError("no cluster answers")

    monkeypatch.setattr(driver, "_connect", connect)
    with pytest.raises(ValueError, match="^no cluster answers$"):
        driver.run(MADE, Workspace(out), lambda reading: (None, None), driver.Circumstances())


def test_a_study_that_recorded_nothing_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends(tmp_path / "out", monkeypatch)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays_and_is_free_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for out in (tmp_path / "link", Path(), tmp_path / "here"):
        ends(out, monkeypatch)
        assert list((tmp_path / "here").iterdir()) == []
        assert (tmp_path / "link").is_symlink()


def test_files_of_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    ends(out, monkeypatch, lambda: (out / "notes.txt").write_text("mine"))
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


def test_another_study_that_has_begun_in_the_folder_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, begun = tmp_path / "out", list[Claim]()

    def replace() -> None:
        shutil.rmtree(out)
        begun.append(folder.claim(out, MADE, resume=False))

    ends(out, monkeypatch, replace)
    assert sorted(path.name for path in out.iterdir()) == [STUDY, LOCK.parent.name]
    begun[0].release()
    assert not out.exists()


def test_a_disk_that_is_full_from_the_start_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(ValueError, match="out: cannot be written .File too large"):
            folder.claim(tmp_path / "out", MADE, resume=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_was_killed_before_it_wrote_a_file_leaves_a_free_folder(tmp_path: Path) -> None:
    (tmp_path / LOCK).parent.mkdir()
    (tmp_path / LOCK).touch()
    claimed = folder.claim(tmp_path, MADE, resume=False)
    with pytest.raises(ValueError, match="already holds another study"):
        folder.check_free(tmp_path)
    claimed.release()
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "mine").touch()
    with pytest.raises(ValueError, match="already holds files that are not a study's"):
        folder.check_free(tmp_path)


def test_a_folder_that_another_process_writes_is_not_touched(tmp_path: Path) -> None:
    held = folder.claim(out := tmp_path / "out", MADE, resume=False)
    (out / STUDY).unlink()  # as in the moment before it is written
    with pytest.raises(ValueError, match="another hypertune is writing to it"):
        folder.claim(out, MADE, resume=False)
    assert os.listdir(out / "sweeps") == [LOCK.name]
    held.release()


def test_a_study_that_recorded_nothing_leaves_nothing_on_shared_storage(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(lease, "SETTLE_S", 0.01)
    storage = Storage(f"{bucket}/study")
    with workspace(storage.url, resume=False) as work, folder.claim(work.folder, MADE, resume=False):
        assert work.copied(time.monotonic())
        assert STUDY in storage.files()
    assert list(storage.files()) == []
