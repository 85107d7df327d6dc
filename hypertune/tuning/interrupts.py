"""Handles Ctrl-C and a batch system's SIGTERM: once to finish cleanly, twice to stop at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from hypertune.storage.telling import though_unread

SIGNALS = (signal.SIGINT, signal.SIGTERM)
AGAIN_S = 0.02
"""Seconds after which a signal that arrived during an object's finalisation is sent again."""


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """Within the block, SIGTERM raises KeyboardInterrupt, so that everything is ended cleanly.

    Does nothing outside the main thread, where Python does not allow signal handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(which: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def ignore_signals() -> None:
    """Ignores signals from now on, since only moments are left. Does nothing outside the main thread."""
    if threading.current_thread() is threading.main_thread():
        for which in SIGNALS:
            signal.signal(which, signal.SIG_IGN)


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """Within the block, the first signal calls `stop` and the next one raises KeyboardInterrupt.

    Does nothing outside the main thread, where Python does not allow signal handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {which: signal.getsignal(which) for which in SIGNALS}

    def first(which: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, second)
        stop()
        with though_unread(), suppress(RuntimeError):  # the latter if the signal came in the midst of another print
            print("\nStopping; the study can be resumed. Ctrl-C again stops at once.", file=sys.stderr, flush=True)

    def second(which: int, frame: FrameType | None) -> None:
        if _finalising(frame):  # Python only prints exceptions raised there
            threading.Timer(AGAIN_S, os.kill, (os.getpid(), which)).start()
            return
        raise KeyboardInterrupt

    try:
        for which in SIGNALS:
            signal.signal(which, first)
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


def _finalising(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None
