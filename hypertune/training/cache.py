"""The cache folder: data sets are downloaded or unpacked once and reused by all later processes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from hypertune.training.packed import read_npz, write_npz, write_whole
from hypertune.training.raw import RawImages

VARIABLE = "HYPERTUNE_DATA_DIR"

Made = TypeVar("Made")


def cache_dir() -> Path:
    """The cache folder, `$HYPERTUNE_DATA_DIR` or `~/.cache/hypertune`, created if missing.

    Raises:
        ValueError: if it cannot be created or written to.
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
    """What `make` returned the first time, from one file in the cache folder, without the imports of `make`.

    Args:
        name: of the data set.
        files: its source files; a change in any path, size or modification time makes it again.
        make: called with the cache folder, in one process at a time.

    Raises:
        ValueError: if the cache folder cannot be written to, and anything that `make` raises.
    """
    folder = cache_dir()
    target = _arrays(folder) / f"{name}-{_fingerprint(files)}.npz"
    return _once(target, folder / f"{name}.lock", read_npz, lambda: make(folder), write_npz)


def cached_array(name: str, files: Sequence[Path], make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """What `make` returned the first time; cached arrays of older states of the files are removed.

    Arguments and errors are those of `cached`.
    """
    folder = cache_dir()
    target = _arrays(folder) / f"{name}-{_fingerprint(files)}.npy"

    def write(path: Path, array: NDArray[np.uint8]) -> None:
        for outdated in path.parent.glob(f"{name}-*.npy"):
            outdated.unlink()
        write_whole(path, lambda file: np.save(file, array))

    return _once(target, folder / f"{name}.lock", np.load, make, write)


def is_cached(name: str) -> bool:
    """Whether the cache folder has the downloaded data set."""
    return (_arrays(cache_dir()) / f"{name}-{_fingerprint(())}.npz").exists()


def _arrays(folder: Path) -> Path:
    return folder / "arrays"


def _once(
    target: Path,
    lock: Path,
    read: Callable[[Path], Made],
    make: Callable[[], Made],
    write: Callable[[Path, Made], None],
) -> Made:
    if target.exists():
        return read(target)
    with _locked(lock, lock.parent):
        if target.exists():  # another process has made it in the meantime
            return read(target)
        made = make()
        try:
            write(target, made)
        except OSError as error:
            raise _unwritable(lock.parent, error) from error
        return made


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
        try:
            status = file.stat()
        except OSError as error:  # a dangling link; reading it raises the error that is shown
            digest.update(f"{file}\0{error.errno}\0".encode(errors="surrogateescape"))
        else:
            state = f"{file.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\0"
            digest.update(state.encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _unwritable(folder: Path, reason: object) -> ValueError:
    return ValueError(f"the cache folder {folder} cannot be used ({reason}); set {VARIABLE} to a writable folder")
