"""Keeps what a trainable prints or logs during a trial as `logs/TRIAL.txt` in the output folder.

Ray redirects the standard output and error of each worker process to files. A worker runs one trial after another, so a
trial's output is what was added to these files while it trained. Noting their sizes at its start costs nothing, and
also captures output from outside Python.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hypertune.storage.files import log_of
from hypertune.storage.filesystems import output_stream

MOST_BYTES = 64 * 1024
"""Bytes kept of each of a trial's two streams; of longer output, a quarter from the start, the rest from the end."""
RAYS_OWN = (b":job_id:", b":actor_name:", b":task_name:")
"""Prefixes of lines that Ray itself writes there."""


class Printed:
    """What this process has printed since `begin`."""

    def __init__(self) -> None:
        self._began: dict[str, int] = {}

    def begin(self) -> None:
        """Marks the start of the next trial."""
        _flush()
        self._began = {path: os.path.getsize(path) for path in _streams()}

    def text(self) -> str:
        """Standard output, then standard error; empty if nothing was printed."""
        _flush()
        parts = {path: kept(Path(path), began) for path, began in self._began.items()}
        shown = [text for text in parts.values() if text]
        return "\n--- standard error ---\n".join(shown) if len(shown) > 1 else "".join(shown)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def _streams() -> list[str]:
    """The files of standard output and error; empty if they are not files."""
    return [path for descriptor in (1, 2) if (path := _path_of(descriptor)) is not None]


def _path_of(descriptor: int) -> str | None:
    try:
        if sys.platform == "darwin":
            import fcntl

            path = fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0").decode()
        else:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None
    return path if os.path.isfile(path) else None


def kept(path: Path, began: int = 0) -> str:
    """The text of a file from a position on, shortened to `MOST_BYTES`."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END) - began
        file.seek(began)
        if size <= MOST_BYTES:
            return _clean(file.read())
        first = file.read(MOST_BYTES // 4)
        file.seek(began + size - MOST_BYTES * 3 // 4)
        last = file.read()
    return f"{_clean(first)}\n--- {size - MOST_BYTES:,} bytes left out ---\n{_clean(last)}"


def _clean(content: bytes) -> str:
    lines = [line for line in content.splitlines(keepends=True) if not line.startswith(RAYS_OWN)]
    return b"".join(lines).decode(errors="replace")


def keep(storage: Any, trial_id: str, text: str) -> str:
    """Writes `logs/TRIAL.txt` beside the folder `sweeps/` of Ray Tune's `storage`, also on shared storage.

    Returns:
        Its path within the output folder; empty if there is no text or it cannot be written.
    """
    if not text or storage is None:
        return ""
    name = log_of(trial_id)
    folder = storage.storage_fs_path.rstrip("/").rpartition("/")[0]
    try:
        with output_stream(storage.storage_filesystem, f"{folder}/{name}") as stream:
            stream.write(text.encode())
    except OSError as error:
        print(f"{name}: cannot be written ({error})", file=sys.stderr)  # must not fail the trial
        return ""
    return name
