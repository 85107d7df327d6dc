"""A Ray that dies under a study: the thread that runs it hears of it, and a thread that hangs is not waited for."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from unittest.mock import Mock

import pytest

from hypertune.tuning import watchdog
from hypertune.tuning.watchdog import RayDied, Reachable, Watchdog


def wait(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.01)


def test_the_thread_in_the_block_is_told_what_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOOK_EVERY_S", 0.01)
    dead: list[str] = []
    guard = Watchdog(lambda: dead[0] if dead else None, lambda reason: pytest.fail("nothing hangs"))
    dead.append("raylet")
    with pytest.raises(RayDied), guard:
        wait(60)
    assert guard.reason == "raylet"


def test_a_thread_that_does_not_come_back_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(watchdog, "RETURN_S", 0.05)
    told, hangs = [], threading.Event()

    def stuck(reason: str) -> None:
        told.append(reason)
        hangs.set()

    def hang() -> None:
        assert hangs.wait(60)  # as a call into Ray: no exception reaches a thread that waits
        wait(1)

    with pytest.raises(RayDied), Watchdog(lambda: "gcs_server", stuck):
        hang()
    assert told == ["gcs_server"]


def test_nothing_is_raised_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOOK_EVERY_S", 0.01)
    dead: list[str] = []
    with Watchdog(lambda: dead[0] if dead else None, lambda reason: None):
        pass
    dead.append("raylet")
    time.sleep(0.1)


@pytest.mark.parametrize(("error", "most"), [(None, watchdog.REFUSED_S), (TimeoutError(), watchdog.GONE_S)])
def test_a_cluster_is_given_up_only_after_it_has_been_silent_for_long(
    error: OSError | None, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reachable = Reachable(f"127.0.0.1:{port}", clock=lambda: now[0])
        now[0] = 1000.0
        assert reachable() is None  # it answers
    if error is not None:
        monkeypatch.setattr(socket, "create_connection", Mock(side_effect=error))
    now[0] += most - 1
    assert reachable() is None
    now[0] += 2
    assert reachable() == f"gcs_server, silent for {most + 1:.0f} s"


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        ((), None),
        (("dashboard",), None),  # it may crash without harm to the study
        (("dashboard", "log_monitor"), "its processes were told to end"),
        (("dashboard", "gcs_server"), "gcs_server"),
        (("raylet", "gcs_server"), "gcs_server and raylet"),
    ],
)
def test_what_of_ray_may_end_without_it(ended: tuple[str, ...], reason: str | None) -> None:
    names = ("gcs_server", "raylet", "monitor", "dashboard", "log_monitor")
    started = {name: subprocess.Popen(["true" if name in ended else "sleep", "60"]) for name in names}
    try:
        for name in ended:
            started[name].wait()
        assert watchdog._dead(started) == reason
    finally:
        for process in started.values():
            process.kill()
            process.wait()
