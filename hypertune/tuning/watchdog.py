"""Notices that Ray has died under a study, which Ray itself takes a minute to tell, or never tells.

Whoever sends SIGTERM to everything that belongs to a job (systemd, a batch system) hits Ray's processes as well. The
driver's calls into Ray then hang, and Ray's client ends the process after a minute with an error of its own.
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

INTERRUPTED = 130
"""How a process ends that cannot come back from Ray: as after Ctrl-C, since the study can be resumed."""
VITAL = {"gcs_server", "raylet"}
"""Ray's control service, and its daemon on this node."""
GO_FIRST = {"dashboard", "log_monitor"}
"""Processes of Ray that end at once when they are told to; Ray starts both always."""
LOOK_EVERY_S = 0.5
GONE_S = 45.0
"""How long the control service of a cluster that was joined may refuse connections; one that is started anew is back
before that, and Ray's own client gives up after 60 s."""
RETURN_S = 4.0
"""How long the driver's thread may take to come back from a call into Ray once Ray has died."""


_ending = threading.Event()
_last_asked: list[Callable[[], str | None]] = []


class RayDied(BaseException):
    """Ray's control service or this node's daemon is gone; raised in the thread that runs the study.

    No `Exception`: Ray Tune would catch it to clean up, by calls that do not come back any more.
    """


class Watchdog:
    """Watches Ray while a block runs, and raises `RayDied` in the thread that entered the block.

    Args:
        gone: names what has died, None while all is well; called every half second in a thread.
        stuck: called with the reason where the thread does not come back from Ray; it has to end the process.
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

    That takes up to 15 s, which a process that ends anyway (see `ending_process`) does without. Afterwards Ray can be
    started anew.
    """
    import ray

    if not _ending.is_set():
        ray.shutdown()


@contextlib.contextmanager
def ending_process() -> Iterator[Callable[[int], int]]:
    """For a command: within the block its process is known to end with the study.

    Gives what the exit code has to go through. It ends the process at once where Ray has died, since Ray's client would
    hold it up or crash it, and after a signal: the next one would hit Ray's own end, which takes seconds and resets the
    handlers.
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
    """Ends this process at once, and those of a Ray that it has started, whose agents would linger for a minute."""
    import psutil

    ignore_signals()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def watch_ray() -> Callable[[], str | None]:
    """What to ask whether the Ray that this process has started or joined still lives."""
    import ray

    node: Any = ray._private.worker.global_worker.node
    started = {name: infos[0].process for name, infos in node.all_processes.items() if infos}
    if started:
        gone: Callable[[], str | None] = partial(_dead, started)
    else:
        gone = partial(_lost, _raylet(node.raylet_socket_name), Reachable(ray.get_runtime_context().gcs_address))
    _last_asked[:] = [gone]
    return gone


def _lost(raylet: Any | None, reachable: Reachable) -> str | None:
    """What a cluster that was joined has lost of what this process needs."""
    return "raylet" if raylet is not None and not raylet.is_running() else reachable()


def _dead(started: Mapping[str, Any]) -> str | None:
    """What a Ray that was started here cannot live without, if it has died.

    Told to end, the two take ten seconds and more, and answer less and less; what tells of it are two others, which go
    at once. One of these that goes alone does not end Ray.
    """
    dead = {name for name, process in started.items() if process.poll() is not None}
    if vital := dead & VITAL:
        return " and ".join(sorted(vital))
    return "its processes were told to end" if dead >= GO_FIRST else None


def _raylet(socket_name: str) -> Any | None:
    """The daemon of a cluster's node that this process has joined; None if it is hidden, e.g. in another container."""
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if command and command[0].endswith("raylet") and any(socket_name in part for part in command):
                return process
    return None


class Reachable:
    """Whether the control service of a cluster answers; the reason why not once it has been silent for `GONE_S`."""

    def __init__(self, address: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._address, self._clock = address, clock
        self._heard = clock()

    def __call__(self) -> str | None:
        host, _, port = self._address.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=LOOK_EVERY_S):
                self._heard = self._clock()
        except OSError:
            pass
        silent = self._clock() - self._heard
        return f"gcs_server, silent for {silent:.0f} s" if silent > GONE_S else None
