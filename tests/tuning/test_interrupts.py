"""Signals: the first one asks, the second one insists."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

from hypertune.storage.telling import tell_user
from hypertune.tuning.interrupts import stopping


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_stops_cleanly_and_the_second_at_once(
    which: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(which)
    asked: list[bool] = []
    with stopping(lambda: asked.append(True)):
        os.kill(os.getpid(), which)
        assert asked == [True]
        assert "Ctrl-C again stops at once" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert asked == [True]
    assert signal.getsignal(which) == before


def test_the_study_is_stopped_though_nobody_reads_that_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends `tee`, too, in `hypertune compare 2>&1 | tee log`."""
    reader, writer = os.pipe()
    os.close(reader)
    asked: list[bool] = []
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with stopping(lambda: asked.append(True)):
            os.kill(os.getpid(), signal.SIGINT)
        tell_user("a line that is lost, too")
        assert asked == [True]
        stream.flush()  # has nothing left to write, as Python ends


class Finalised:
    """Gets two signals while it is finalised, where Python swallows what is raised."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_a_second_signal_in_a_finaliser_is_not_lost() -> None:
    asked: list[bool] = []
    with stopping(lambda: asked.append(True)):
        Finalised()
        assert asked == [True]
        with pytest.raises(KeyboardInterrupt):
            time.sleep(30)


def test_in_another_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def run() -> None:
        with stopping(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
