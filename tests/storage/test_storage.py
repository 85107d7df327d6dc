"""Output folders at URLs, on a real S3 server on this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from hypertune.commands.cli import main
from hypertune.records import records
from hypertune.storage.storage import Storage, StorageError, as_place, is_url, local_copy, split_url, writable_copy
from tests.records.test_records import recorded


def stored(folder: Path, url: str) -> Storage:
    storage = Storage(url)
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            storage.write(path.relative_to(folder).as_posix(), path.read_bytes())
    return storage


def test_a_url_stays_a_url_and_a_path_a_path() -> None:
    assert as_place("s3://bucket/study/") == "s3://bucket/study"
    assert as_place("hypertune-out/x") == Path("hypertune-out/x")
    for url in ("file:///tmp/a%20b", "file:/tmp/a b", "file://localhost/tmp/a%20b"):
        assert as_place(url) == Path("/tmp/a b")
    with pytest.raises(ValueError, match="^file://tmp/x: names a machine, tmp; "):
        as_place("file://tmp/x")
    assert is_url("gs://bucket/x")
    assert not is_url(Path("s3:/bucket"))


def test_names_come_before_the_query_of_a_url() -> None:
    storage = Storage("s3://bucket/a?region=eu-west-1")
    assert storage.url_of("best/model.pt") == "s3://bucket/a/best/model.pt?region=eu-west-1"
    assert split_url(storage.url_of("model.pt")) == ("s3://bucket/a?region=eu-west-1", "model.pt")


def test_credentials_in_a_url_are_refused_and_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", "s3://me:hunter2@bucket/x"])
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert "AWS_PROFILE" in told.err
    assert "hunter2" not in told.err + told.out


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("gs://anonymous@bucket/x", False),
        ("gs://me@bucket/x", True),
        ("abfs://container@account.dfs.core.windows.net/x", False),
        ("abfs://container:key@account.dfs.core.windows.net/x", True),
        ("abfs://container@account.dfs.core.windows.net/x?tenant_id=a&client_secret=b", True),
        ("abfss://container@account.dfs.core.windows.net/x?sv=2022-11-02&sig=b&se=2030", True),
        ("s3://bucket/x?X-Amz-Signature=b", True),
        ("s3://bucket/design?region=eu-west-1", False),
        ("s3://bucket/x?region=eu-west-1&allow_bucket_creation=true", False),
    ],
)
def test_what_counts_as_credentials(url: str, refused: bool) -> None:
    with pytest.raises(ValueError, match="contains credentials") if refused else nullcontext():
        Storage(url)


def test_a_scheme_that_needs_another_package_names_it() -> None:
    with pytest.raises(StorageError, match=r"^oss://bucket/x: Install ossfs"):
        Storage("oss://bucket/x").read("study.toml")


class Listing(MemoryFileSystem):
    """Keeps what it has listed, as fsspec's file systems of object stores do."""

    protocol = "listing"
    store: ClassVar[dict[str, Any]] = {}
    find = AbstractFileSystem.find

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        found = self.dircache.get(path) or super().ls(path, detail=True)
        self.dircache[path] = found
        return found if detail else [info["name"] for info in found]


def test_what_another_machine_has_written_is_seen() -> None:
    fsspec.register_implementation("listing", Listing, clobber=True)
    storage = Storage("listing://study")
    storage.write("a", b"1")
    assert list(storage.files()) == ["a"]
    filesystem = Listing(skip_instance_cache=True)  # another machine's
    filesystem.pipe(f"{storage.path}/b", b"2")
    assert list(storage.files()) == ["a", "b"]


def test_files_are_written_read_listed_and_removed(url_of: Callable[[str], str]) -> None:
    storage = Storage(url_of("study"))
    assert storage.read("study.toml") is None
    assert list(storage.files()) == []
    storage.write("study.toml", b"one")
    storage.write("sweeps/journal.jsonl", b"two")
    storage.write("sweeps/run_1/trial/checkpoint", b"large")
    storage.write("best/model.pt", b"three")
    assert storage.read("sweeps/journal.jsonl") == b"two"
    assert sorted(storage.files()) == ["best/model.pt", "study.toml", "sweeps/journal.jsonl"]
    assert storage.folders("sweeps") == ["run_1"]
    storage.delete("study.toml")
    storage.delete("study.toml")
    assert storage.read("study.toml") is None


def test_records_are_read_from_a_url_as_from_a_folder(tmp_path: Path, bucket: str) -> None:
    folder = recorded(tmp_path / "out")
    stored(folder, f"{bucket}/study")
    there, here = records.read(f"{bucket}/study"), records.read(folder)
    assert there.trials.equals(here.trials)
    assert there.curves.equals(here.curves)


def test_report_and_export_work_on_a_url(tmp_path: Path, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    storage = stored(recorded(tmp_path / "out"), f"{bucket}/study")
    assert main(["export", storage.url, "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("strategy,best_config,acc,")
    assert main(["report", storage.url]) == 0
    assert capsys.readouterr().out == f"{storage.url}/report.html\n"
    assert (storage.read("report.html") or b"").startswith(b"<!doctype html>")


def test_only_what_changed_goes_back(bucket: str) -> None:
    storage = Storage(bucket)
    storage.write("a", b"old")
    storage.write("b", b"old")
    with writable_copy(bucket) as folder:
        storage.write("a", b"changed by another")
        (folder / "b").write_bytes(b"newer")
    assert (storage.read("a"), storage.read("b")) == (b"changed by another", b"newer")


def test_a_name_on_the_storage_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leads out of the folder"):
        Storage("s3://bucket/x").download(tmp_path / "in", ["../outside"])


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("{bucket}/none", "{bucket}/none: not an output folder of hypertune (study.toml is missing)"),
        ("nobody://x", "nobody://x: Protocol not known: nobody"),
    ],
)
def test_wrong_places_get_one_line(bucket: str, place: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", place.format(bucket=bucket)]) == 2
    told = capsys.readouterr().err
    assert said.format(bucket=bucket) in told
    assert told.count("\n") == 1


def test_a_bucket_that_is_not_there_is_named(bucket: str) -> None:
    with pytest.raises(StorageError, match=f"{bucket}-not/x: .*NO_SUCH_BUCKET"):
        Storage(f"{bucket}-not/x").write("a", b"")


def test_damage_is_told_with_the_url(tmp_path: Path, bucket: str) -> None:
    storage = stored(recorded(tmp_path / "out"), f"{bucket}/study")
    storage.write("sweeps/journal.jsonl", b"nonsense\n{}\n")
    with pytest.raises(ValueError, match=rf"^{bucket}/study/sweeps/journal.jsonl: line 1 is damaged"):
        records.read(storage.url)


def test_a_local_folder_is_itself_its_copy(tmp_path: Path) -> None:
    with local_copy(tmp_path) as folder:
        assert folder == tmp_path


def test_the_home_of_no_user_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^~nobody-here/x: there is no such user"):
        as_place("~nobody-here/x")
