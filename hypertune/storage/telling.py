"""Lines for the user, whom they may no longer reach: Ctrl-C ends `tee`, too, and a terminal may be closed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from hypertune.storage.printable import printable


def tell_user(line: str) -> None:
    """Prints a line to stderr, since a program may read the command's stdout."""
    with though_unread():
        print(printable(f"hypertune: {line}"), file=sys.stderr, flush=True)


@contextmanager
def though_unread() -> Iterator[None]:
    """Within the block, output that cannot be printed is lost, and is no error; the block ends at that line."""
    try:
        yield
    except OSError:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # as in a process that was started without
                _forget(stream)


def _forget(stream: TextIO) -> None:
    """Throws away what a stream could not write: Python would try again as it ends, and change the exit code."""
    try:
        stream.flush()
    except OSError:
        with suppress(OSError):  # no descriptor, as in tests and notebooks
            number, nowhere = stream.fileno(), os.open(os.devnull, os.O_WRONLY)
            kept = os.dup(number)
            os.dup2(nowhere, number)
            stream.flush()
            os.dup2(kept, number)
            os.close(kept)
            os.close(nowhere)
