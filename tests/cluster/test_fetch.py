"""Results on their way from a cluster: packed there as text, unpacked here without trust."""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import shlex
import subprocess
import sys
import tarfile
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hypertune.cluster import fetch, fetched, pack_results
from hypertune.cluster.fetch import read_file, read_packed, unpack
from hypertune.records import records
from tests.records.test_records import recorded


def packed(folder: Path, *names: str, most_bytes: int = 2**30) -> subprocess.CompletedProcess[str]:
    """As it runs on the cluster: by itself."""
    command = [sys.executable, "-I", pack_results.__file__, str(folder), str(most_bytes), *names]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def archive(*entries: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for entry in entries:
            entry.size = 4 if entry.isfile() else 0
            file.addfile(entry, io.BytesIO(b"evil"))
    return buffer.getvalue()


def test_one_file_can_be_had_by_itself(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "there")
    (tmp_path / "here").mkdir()
    unpack(read_packed(packed(folder, "study.toml", "logs/nobody.txt").stdout), tmp_path / "here")
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["study.toml"]


def test_a_folder_arrives_as_it_was_but_for_checkpoints(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "there")
    (folder / "sweeps" / "run_1").mkdir()
    (folder / "sweeps" / "run_1" / "checkpoint").write_bytes(b"large")
    done = packed(folder)
    assert done.returncode == 0
    (tmp_path / "here").mkdir()
    unpack(read_packed(f"some line of Ray\n{done.stdout}"), tmp_path / "here")
    assert records.read(tmp_path / "here").curves.equals(records.read(folder).curves)
    assert not (tmp_path / "here" / "sweeps" / "run_1").exists()


def test_no_study_there_is_told(tmp_path: Path) -> None:
    done = packed(tmp_path)
    assert done.returncode == 1
    with pytest.raises(ValueError, match="not an output folder of hypertune on this node"):
        read_packed(done.stderr)


def test_too_much_is_told(tmp_path: Path) -> None:
    assert "too many for the jobs API" in packed(recorded(tmp_path / "there"), most_bytes=10).stderr


class Cluster:
    """The jobs API of a cluster whose job for packing has each of these logs in turn."""

    def __init__(self, *logs: str) -> None:
        self.logs, self.jobs, self.asked = list(logs), set[str](), 0

    def submit_job(self, *, submission_id: str, **_: Any) -> None:
        self.jobs.add(submission_id)

    def get_job_info(self, submission_id: str) -> Any:
        return SimpleNamespace(status=SimpleNamespace(value="SUCCEEDED"), message="")

    def get_job_logs(self, submission_id: str) -> str:
        self.asked += 1
        return self.logs.pop(0)

    def delete_job(self, submission_id: str) -> None:
        self.jobs.remove(submission_id)


def test_what_arrives_damaged_is_fetched_again(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "there")
    log = packed(folder, "study.toml").stdout
    damaged = log.replace("\n", "\na line of somebody else\n", 2)
    job: Any = SimpleNamespace(submission_id="first", metadata={"out": str(folder)})
    cluster = Cluster(damaged, log[: len(log) // 2], log)
    assert read_file(cluster, job, "study.toml") == (folder / "study.toml").read_bytes()
    cluster = Cluster(damaged, damaged, damaged)
    with pytest.raises(ValueError, match="damaged"):
        read_file(cluster, job, "study.toml")
    assert (cluster.asked, cluster.jobs) == (3, set())


def test_a_page_copies_the_records_and_not_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = recorded(tmp_path / "there")
    (folder / "best").mkdir(exist_ok=True)
    (folder / "best" / "model.pt").write_bytes(b"large" * 1000)
    job = SimpleNamespace(submission_id="first", metadata={"out": str(folder)}, end_time=None)
    asked: list[str] = []

    class Head(Cluster):
        def submit_job(self, *, submission_id: str, entrypoint: str = "", **_: Any) -> None:
            super().submit_job(submission_id=submission_id)
            asked[:] = shlex.split(entrypoint)
            self.logs.append(packed(folder, *asked[5:]).stdout)

    monkeypatch.setattr(fetch, "jobs_client", lambda address: nullcontext(Head()))
    monkeypatch.setattr(fetch, "require_job", lambda client, job_id: job)
    copied = fetch.Copied("http://127.0.0.1:8265", "first", tmp_path / "here")
    for _ in range(2):
        assert copied.renew()
        assert records.read(tmp_path / "here").curves.equals(records.read(folder).curves)
    assert asked[:4] == ["exec", "python", "pack_results.py", str(folder)]
    assert not (tmp_path / "here" / "best").exists()


def test_cut_off_or_damaged_on_the_way_is_told(tmp_path: Path) -> None:
    log = packed(recorded(tmp_path / "there")).stdout
    with pytest.raises(ValueError, match="truncated"):
        read_packed(log[: len(log) // 2])
    lines = log.splitlines()
    lines[3] = lines[3][::-1]
    with pytest.raises(ValueError, match="damaged"):
        read_packed("\n".join(lines))


@pytest.mark.parametrize("name", ["../outside", "/tmp/hypertune-outside", "a/../../outside"])
def test_nothing_is_written_outside_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    try:
        unpack(archive(tarfile.TarInfo(name)), folder)
    except ValueError as error:
        assert "cannot be unpacked" in str(error)
    assert not (tmp_path / "outside").exists()
    assert not Path("/tmp/hypertune-outside").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo("link")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        unpack(archive(entry), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_any_truncated_or_damaged_download_is_told_in_one_line(tmp_path: Path) -> None:
    """Every cut and many single changes, of the log and of the archive in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        (tmp_path / "study.toml").write_text("name = 1\n" * 50)
        archive.add(tmp_path / "study.toml", arcname="./study.toml")
    content = buffer.getvalue()
    text = base64.b64encode(content).decode()
    log = f"before\n{pack_results.BEGIN}\n{text}\n{pack_results.END} {hashlib.sha256(content).hexdigest()}\n"
    assert read_packed(log) == content
    for cut in range(0, len(log) - 1, 3):
        with pytest.raises(ValueError, match=r"^(the results arrived (truncated|damaged)|the results could not)"):
            read_packed(log[:cut])
    for number in range(0, len(content), 2):
        for damaged in (content[:number], content[:number] + b"\xff" + content[number + 1 :]):
            try:
                unpack(damaged, tmp_path / "there")
            except ValueError as error:
                assert "\n" not in str(error)


# Into the user's folder ----------------------------------------------------------------------------------------------


def staged(folder: Path, **files: str) -> Path:
    for name, content in {"study_toml": "x", **files}.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def below(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != fetched.MARK)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def again_and_again(tmp_path: Path, target: Path) -> dict[str, str]:
    """Fetches twice; between these the user adds files, and the study replaces one, removes two and adds one."""
    fetched.check(target, "job")
    fetched.replace(staged(tmp_path / "1", trials_csv="1", logs__a_txt="1", best__b_pt="1"), target, "job")
    assert below(target) == {"study.toml": "x", "trials.csv": "1", "logs/a.txt": "1", "best/b.pt": "1"}
    (target / "notes.md").write_text("mine")
    (target / "best" / "mine.png").write_text("mine")
    fetched.check(target, "job")
    fetched.replace(staged(tmp_path / "2", trials_csv="2", report_html="2"), target, "job")
    assert not (target / "logs").exists()
    return below(target)


SECOND = {"study.toml": "x", "trials.csv": "2", "report.html": "2", "notes.md": "mine", "best/mine.png": "mine"}


def test_fetching_again_replaces_what_was_fetched_and_nothing_else(tmp_path: Path) -> None:
    assert again_and_again(tmp_path, tmp_path / "new" / "here") == SECOND


@pytest.mark.parametrize("out", [".", "link"])
def test_the_current_folder_and_links_can_be_fetched_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here" if out == "." else tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "here")
    assert again_and_again(tmp_path, Path(out)) == SECOND
    assert below(tmp_path / "here") == SECOND


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(ValueError, match="already holds something else"):
        fetched.check(tmp_path, "job")
    fetched.replace(staged(tmp_path / "1"), tmp_path / "other", "other")
    with pytest.raises(ValueError, match="already holds something else"):
        fetched.check(tmp_path / "other", "job")


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "here"
    fetched.replace(staged(tmp_path / "1", a_txt="1", b_txt="1", old_txt="1"), target, "job")
    write = fetched.write_atomically

    def full(path: Path, content: bytes | str) -> None:
        if path.name == "b.txt":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, content)

    monkeypatch.setattr(fetched, "write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        fetched.replace(staged(tmp_path / "2", a_txt="2", b_txt="2", c_txt="2"), target, "job")
    assert below(target) == {"study.toml": "x", "a.txt": "2", "b.txt": "1", "old.txt": "1"}
    monkeypatch.undo()
    fetched.check(target, "job")
    fetched.replace(staged(tmp_path / "3", a_txt="3"), target, "job")
    assert below(target) == {"study.toml": "x", "a.txt": "3"}


def test_a_mark_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / fetched.MARK).write_text('job\n"../mine"')
    fetched.replace(staged(tmp_path / "1"), tmp_path / "here", "job")
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"job\nno name", b"\xff"])
def test_a_damaged_mark_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / fetched.MARK).write_bytes(content)
    with pytest.raises(ValueError, match=f"^{tmp_path}/.fetched: is damaged"):
        fetched.check(tmp_path, "job")
