"""Data sets in one `.npz` file: the user's own, and the cache of unpacked ones."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hypertune.training.raw import RawImages

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def read_npz(path: Path) -> RawImages:
    """Reads the arrays `x_train`, `y_train` and, if present, `x_test`, `y_test` and `classes`. Never unpickles.

    Raises:
        ValueError: naming the file and the key that is missing, damaged or pickled.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; give the path of an .npz file with {', '.join(ARRAYS)}")
    try:
        archive = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a readable .npz file ({_line(error)}); write it with numpy.savez") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError(f"{path}: holds a single array; write all of {', '.join(ARRAYS)} with numpy.savez")
    with archive:
        wanted = ARRAYS if any(key in archive for key in ARRAYS[2:]) else ARRAYS[:2]
        if missing := [key for key in wanted if key not in archive]:
            names = f"array{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))}"
            raise ValueError(f"{path}: has no {names}, only {', '.join(archive.files) or 'nothing'}")
        arrays = {key: _read(archive, key, path) for key in wanted}
        classes = _read(archive, "classes", path) if "classes" in archive else np.empty(0, str)
    if classes.ndim != 1:
        raise ValueError(f"{path}: classes must be one list of names, not of shape {list(classes.shape)}")
    return RawImages(**arrays, classes=tuple(str(name) for name in classes))


def write_npz(path: Path, raw: RawImages) -> None:
    """Writes a file for `read_npz`. A reader sees either all of the file or none of it."""
    arrays = {key: array for key in ARRAYS if (array := getattr(raw, key)) is not None}
    write_whole(path, lambda file: np.savez(file, **arrays, classes=np.array(raw.classes, dtype=str)))


def write_whole(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Writes a file by `write` atomically: it appears at `path` in full or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _read(archive: Any, key: str, path: Path) -> NDArray[Any]:
    try:
        return np.asarray(archive[key])
    except ValueError as error:
        raise ValueError(f"{path}: {key} cannot be read ({_line(error)}); save plain arrays, not objects") from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: {key} is damaged ({_line(error)}); copy or write the file again") from error


def _line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
