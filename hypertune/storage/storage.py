"""Shared storage: output folders at `s3://`, `gs://`, `abfs://` and other URLs that pyarrow or fsspec supports.

A place is a folder's path or a URL. Credentials, region and endpoint come from the environment, as for the storage's
own tools (`AWS_PROFILE`, `AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS`). All but credentials may also be in the
URL's query (`?region=eu-west-1`).
"""

from __future__ import annotations

import shlex
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from hypertune.storage.bounded import bounded
from hypertune.storage.files import JOURNAL, MODEL, STUDY
from hypertune.storage.filesystems import entries, opened, output_stream

Place = str | Path
"""A folder on this machine, or the URL of one on shared storage."""

RUN = "run_"
"""Prefix of Ray Tune's folders below `sweeps/`: mostly checkpoints, which are large and read only by a resume."""

SECRETS = ("secret", "password", "token", "key", "credential", "sas", "signature")
"""Parts of the names of a query's fields that hold credentials."""
SIGNATURE = "sig"
"""The field with the secret of a shared access signature of Azure's."""

FIRST = {STUDY: 0, JOURNAL.as_posix(): 1}
"""Files that are uploaded before all others, in this order."""
PART = 16 * 2**20
"""Bytes that are read at once."""

T = TypeVar("T")


def is_url(place: Place) -> bool:
    """Whether `place` is a URL, so that it needs one of pyarrow's file systems."""
    return isinstance(place, str) and "://" in place


def as_place(text: str) -> Place:
    """Converts text to a place: a URL stays text, since `Path` would turn `s3://` into `s3:/`.

    Raises:
        ValueError: for a URL that holds credentials, or names another machine's folder, and for `~name` of no user.
    """
    if text.startswith("file:/"):
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost"):
            raise ValueError(f"{text}: names a machine, {parts.netloc}; of a folder of this one write file:///FOLDER")
        return Path(unquote(parts.path))
    if is_url(text):
        return Storage(text).url
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{text}: there is no such user; of a folder of that name here write ./{text}") from None


def inside(place: Place, name: str) -> str:
    """The path or URL of the file `name` in a folder."""
    return Storage(str(place)).url_of(name) if is_url(place) else f"{place}/{name}"


def resume_command(place: Place) -> str:
    """What to type to go on with the study in a folder."""
    return f"hypertune compare --resume {shlex.quote(str(place))}"


def split_url(url: str) -> tuple[str, str]:
    """The URL of a file's folder, and the file's name in it."""
    parts = urlsplit(url)
    folder, _, name = parts.path.rpartition("/")
    return _with_path(parts, folder), name


def _with_path(parts: SplitResult, path: str) -> str:
    """A URL with another path; `urlunsplit` takes away the slashes before an empty host."""
    return f"{parts.scheme}://{parts.netloc}{path}" + (f"?{parts.query}" if parts.query else "")


class Storage:
    """A folder at a URL.

    Raises:
        ValueError: one line that names the URL: on construction if the URL cannot be used, and from every method if
            the storage does not answer or denies access.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._unanswered: dict[str, threading.Event] = {}
        """Files that have been written to, and whether that request has ended."""
        self._parts = urlsplit(self.url)
        if _has_credentials(self._parts):
            raise ValueError(
                f"{self._parts.scheme}://{self._parts.hostname}: contains credentials, which would end up in records "
                "and logs; give them in the environment, e.g. as AWS_PROFILE or AWS_ACCESS_KEY_ID"
            )

    def __str__(self) -> str:
        return self.url

    def url_of(self, name: str) -> str:
        """The URL of the file or folder `name` in this folder."""
        return _with_path(self._parts, f"{self._parts.path.rstrip('/')}/{name}")

    def read(self, name: str) -> bytes | None:
        """The content of the file `name`; None if it does not exist."""

        def open_() -> Any:
            filesystem, path = self._opened
            try:
                return filesystem.open_input_stream(f"{path}/{name}")
            except FileNotFoundError:
                return None

        file = self._guarded(open_)
        if file is None:
            return None
        parts = []
        while part := self._guarded(lambda: bytes(file.read(PART)), size=PART):
            parts.append(part)
        self._guarded(file.close)
        return b"".join(parts)

    def write(self, name: str, content: bytes) -> None:
        """Writes the file `name`; on object stores, in full or not at all."""
        if (earlier := self._unanswered.get(name)) is not None and not earlier.is_set():
            # It may still arrive, and would replace the newer content.
            raise StorageError(f"{self.url}: an earlier request to write {name} has not been answered yet")
        self._unanswered[name] = ended = threading.Event()

        def write() -> None:
            try:
                filesystem, path = self._opened
                with output_stream(filesystem, f"{path}/{name}") as file:
                    file.write(content)
            finally:
                ended.set()

        self._guarded(write, size=len(content))

    def delete(self, name: str) -> None:
        """Removes the file `name` if it exists."""

        def delete() -> None:
            filesystem, path = self._opened
            try:
                filesystem.delete_file(f"{path}/{name}")
            except FileNotFoundError:
                return

        self._guarded(delete)

    def folders(self, name: str) -> list[str]:
        """Names of the folders in its folder `name`; empty if that does not exist."""
        return [inner.rpartition("/")[2] for inner, is_file in self._list(name) if not is_file]

    def files(self, name: str = "") -> Iterator[str]:
        """Names, relative to this folder, of all files below its folder `name` except Ray Tune's."""
        for inner, is_file in self._list(name):
            if is_file:
                yield inner
            elif not _is_run(inner):
                yield from self.files(inner)

    def _list(self, name: str) -> list[tuple[str, bool]]:
        """All entries of its folder `name`: the name, and whether it is a file."""

        def list_() -> list[tuple[str, bool]]:
            filesystem, path = self._opened
            return [
                (f"{name}/{inner}".lstrip("/"), is_file) for inner, is_file in entries(filesystem, f"{path}/{name}")
            ]

        return self._guarded(list_)

    def download(self, folder: Path, names: Iterable[str]) -> None:
        """Copies the existing ones of the files `names` into `folder`; never writes outside it."""
        for name in names:
            target = folder / name
            if not target.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"{self.url}: the name {name!r} leads out of the folder")
            content = self.read(name)
            if content is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)

    @property
    def filesystem(self) -> Any:
        """The `pyarrow.fs.FileSystem` of the folder."""
        return self._guarded(lambda: self._opened[0])

    @property
    def path(self) -> str:
        """The folder's path in that file system."""
        return self._guarded(lambda: self._opened[1])

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        return opened(self.url)

    def _guarded(self, call: Callable[[], T], *, size: int = 0) -> T:
        try:
            return bounded(call, size=size)
        except (OSError, ValueError, NotImplementedError) as error:  # pyarrow's own errors derive from these
            reason = " ".join(str(error).split())[:300]
            raise StorageError(f"{self.url}: {reason}") from None


def _has_credentials(parts: SplitResult) -> bool:
    """Whether a URL holds a user's name or a secret.

    Before the @ may stand `anonymous`, for buckets of Google's that ask for nothing, and a container of Azure's.
    """
    harmless = parts.scheme in ("abfs", "abfss") or (parts.scheme in ("gs", "gcs") and parts.username == "anonymous")
    if parts.password or (parts.username and not harmless):
        return True
    names = [name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    return SIGNATURE in names or any(word in name for name in names for word in SECRETS)


class StorageError(ValueError):
    """Storage that does not answer, or denies access."""


@contextmanager
def local_copy(place: Place, *names: str) -> Iterator[Path]:
    """The output folder at `place` for reading: the local folder itself, or a copy of the one at a URL.

    Args:
        names: the files to copy; by default all except Ray Tune's.
    """
    if not is_url(place):
        yield Path(place)
        return
    storage = Storage(str(place))
    with tempfile.TemporaryDirectory(prefix="hypertune-") as folder:
        storage.download(Path(folder), names or storage.files())
        yield Path(folder)


@contextmanager
def writable_copy(place: Place) -> Iterator[Path]:
    """Like `local_copy`, but copies changes back to `place` unless the block fails."""
    with local_copy(place) as folder:
        before = signatures(folder) if is_url(place) else {}
        yield folder
        if is_url(place):
            upload(folder, Storage(str(place)), before)


def upload(
    folder: Path,
    storage: Storage,
    known: dict[str, tuple[int, int]],
    *,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Uploads the files of `folder` that changed since `known`, and updates `known`; calls `check` before each.

    The study and its journal go first: wherever it is cut off, there is nothing yet or a study that can be resumed.
    """
    for name, signature in sorted(signatures(folder).items(), key=lambda item: FIRST.get(item[0], len(FIRST))):
        if known.get(name) != signature:
            try:
                content = (folder / name).read_bytes()
            except FileNotFoundError:  # replaced or removed since the listing; the next upload will have it
                continue
            check()
            storage.write(name, content)
            known[name] = signature


def signatures(folder: Path) -> dict[str, tuple[int, int]]:
    """Name to modification time (ns) and size of the files to upload; not the weights, which a worker writes there."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.name.startswith(".") or name.as_posix() == MODEL or _is_run(name.as_posix()):
            continue
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        if path.is_file():
            found[name.as_posix()] = (status.st_mtime_ns, status.st_size)
    return found


def _is_run(name: str) -> bool:
    return name.startswith(f"sweeps/{RUN}")
