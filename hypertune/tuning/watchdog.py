"""Detects that Ray has died during a study, which Ray itself reports after a minute or never.

systemd and batch systems send SIGTERM to all processes of a job, including Ray's. The driver's calls into Ray then
hang, and after a minute Ray's client ends the process with its own error.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NoReturn

from hypertune.tuning.interrupts import ignore_signals
from hypertune.tuning.ray_internals import raylet_socket, started_processes

INTERRUPTED = 130
"""Exit code of a process that is stuck in Ray: as after Ctrl-C, since the study can be resumed."""
VITAL = {"gcs_server", "raylet"}
"""Ray's control service, and its daemon on this node."""
GO_FIRST = {"dashboard", "log_monitor"}
"""Processes that Ray always starts and that end at once when asked to."""
LOOK_EVERY_S = 0.5
REFUSED_S = 12.0
"""Seconds that the control service of a joined cluster may refuse connections: its machine answers, so it has died."""
GONE_S = 45.0
"""Seconds that a cluster's machine may be silent, as if the network failed. Ray's own client gives up after 60 s."""
RETURN_S = 4.0
"""Seconds that the driver's thread may take to return from a call into Ray once Ray has died."""


_ending = threading.Event()
_last_asked: list[Callable[[], str | None]] = []


class RayDied(BaseException):
    """Ray's control service or this node's daemon is gone; raised in the thread that runs the study.

    Not an `Exception`: Ray Tune would catch it and clean up by calls that never return.
    """


class Watchdog:
    """Watches Ray while a block runs, and raises `RayDied` in the thread that entered the block.

    Args:
        gone: returns what has died, or None while all is well; called every half second in a thread.
        stuck: called with the reason if the thread does not return from Ray; must end the process.
    """

    def __init__(self, gone: Callable[[], str | None], stuck: Callable[[str], None]) -> None:
        self._gone, self._stuck = gone, stuck
        self._left = threading.Event()
        self._lock = threading.Lock()
        self._watched = 0
        self.reason: str | None = None
        """What has died."""

    def __enter__(self) -> Watchdog:
        self._watched = threading.get_ident()
        threading.Thread(target=self._watch, name="hypertune-watchdog", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._left.set()

    def _watch(self) -> None:
        while not self._left.wait(LOOK_EVERY_S):
            self.reason = self._gone()
            if self.reason is not None:
                self._raise()
                if not self._left.wait(RETURN_S):
                    self._stuck(self.reason)
                return

    def _raise(self) -> None:
        with self._lock:  # not in a thread that has left the block
            if not self._left.is_set():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._watched), ctypes.py_object(RayDied))


def let_go_of_ray() -> None:
    """Disconnects from a Ray that has died, so that its client does not end this process a minute later.

    This takes up to 15 s and is skipped by a process that is ending anyway (see `ending_process`). Ray can then be
    started again.
    """
    import ray

    if not _ending.is_set():
        ray.shutdown()


@contextlib.contextmanager
def ending_process() -> Iterator[Callable[[int], int]]:
    """For a command whose process ends with the study: yields a function to pass the exit code through.

    That function ends the process at once if Ray has died, since Ray's client would delay or crash it. It also does so
    after a signal: the next signal would arrive during Ray's shutdown, which takes seconds and resets the handlers.
    """
    _ending.set()
    try:
        yield _leave
    except KeyboardInterrupt:
        end_process(INTERRUPTED)
    finally:
        _ending.clear()


def _leave(code: int) -> int:
    if code == INTERRUPTED or (_last_asked and _last_asked[-1]()):
        end_process(code)
    return code


def end_process(code: int) -> NoReturn:
    """Ends this process at once, with the processes of a Ray that it started, some of which would linger."""
    import psutil

    ignore_signals()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, AttributeError):  # nobody reads it any more, or it has never been there
            stream.flush()
    os._exit(code)


def watch_ray() -> Callable[[], str | None]:
    """A function that returns what has died of the Ray that this process started or joined, or None."""
    import ray

    started = started_processes()
    if started:
        gone: Callable[[], str | None] = partial(_dead, started)
    else:
        gone = partial(_lost, _raylet(raylet_socket()), Reachable(ray.get_runtime_context().gcs_address))
    _last_asked[:] = [gone]
    return gone


def _lost(raylet: Any | None, reachable: Reachable) -> str | None:
    """The part of a joined cluster that this process needs and that has died, or None."""
    return "raylet" if raylet is not None and not raylet.is_running() else reachable()


def _dead(started: Mapping[str, Any]) -> str | None:
    """The vital processes that have died of a Ray started here, or None.

    After SIGTERM the two vital processes take ten seconds and more to end. Two others end at once and so reveal it
    earlier; if only one of these ends, Ray continues.
    """
    dead = {name for name, process in started.items() if process.poll() is not None}
    if vital := dead & VITAL:
        return " and ".join(sorted(vital))
    return "its processes were told to end" if dead >= GO_FIRST else None


def _raylet(socket_name: str) -> Any | None:
    """The daemon of the joined node; None if it is not visible, e.g. in another container."""
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if command and command[0].endswith("raylet") and any(socket_name in part for part in command):
                return process
    return None


class Reachable:
    """Checks that a cluster's control service answers; returns the reason once it has been silent for `GONE_S`, or has
    refused connections for `REFUSED_S`."""

    def __init__(self, address: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._address, self._clock = address, clock
        self._heard = clock()

    def __call__(self) -> str | None:
        host, _, port = self._address.rpartition(":")
        most = GONE_S
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=LOOK_EVERY_S):
                self._heard = self._clock()
        except ConnectionRefusedError:
            most = REFUSED_S
        except OSError:
            pass
        silent = self._clock() - self._heard
        return f"gcs_server, silent for {silent:.0f} s" if silent > most else None
