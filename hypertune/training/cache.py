"""The cache folder: what is downloaded or unpacked once, by one process, serves all later ones."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from hypertune.training.datasets import RawImages
from hypertune.training.packed import read_npz, write_npz

VARIABLE = "HYPERTUNE_DATA_DIR"


def cache_dir() -> Path:
    """The cache folder: `$HYPERTUNE_DATA_DIR`, or `~/.cache/hypertune`; made if need be.

    Raises:
        ValueError: if it cannot be made or written to.
    """
    folder = Path(os.environ.get(VARIABLE) or "~/.cache/hypertune").expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    if not os.access(folder, os.W_OK):
        raise _unwritable(folder, "it is read-only")
    return folder


def cached(name: str, files: Sequence[Path], make: Callable[[Path], RawImages]) -> RawImages:
    """What `make` returned the first time, from one file in the cache folder, without importing what `make` needs.

    Args:
        name: of the data set.
        files: what it is made from: another path, size or time of change of any of them makes it anew.
        make: called with the cache folder, by one process at a time.

    Raises:
        ValueError: if the cache folder cannot be written to; and whatever `make` raises.
    """
    folder = cache_dir()
    target = folder / "arrays" / f"{name}-{_fingerprint(files)}.npz"
    if target.exists():
        return read_npz(target)
    with _locked(folder / f"{name}.lock", folder):
        if target.exists():  # another process made it while this one waited
            return read_npz(target)
        raw = make(folder)
        try:
            write_npz(target, raw)
        except OSError as error:
            raise _unwritable(folder, error) from error
        return raw


@contextmanager
def _locked(path: Path, folder: Path) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire()
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def _fingerprint(files: Sequence[Path]) -> str:
    if not files:
        return "official"
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        digest.update(f"{file.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]


def _unwritable(folder: Path, reason: object) -> ValueError:
    return ValueError(f"the cache folder {folder} cannot be used ({reason}); set {VARIABLE} to one that can be written")
