"""A conversation with another process: one JSON object per line each way, each request answered once.

Lines of the other side that are no JSON object go to its log, since libraries print what they like. When the process
ends or does not answer, a new one is started and told everything again.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

Message = dict[str, Any]

RESTARTS = 2
"""How often in succession a process is started anew before the study ends."""
LAST_LINES = 3
"""How many lines of its log an error message quotes."""
LONGEST_QUOTE = 300
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Unanswered(Exception):
    """The process ended, did not answer in time, or answered something else than the protocol allows."""


class Conversation:
    """A process that is started with the first request, and again when it has ended unexpectedly.

    Args:
        command: program and arguments.
        hello: the first request to every process.
        timeout_s: seconds within which a request must be answered.
        start_timeout_s: the same for the first one, before which packages may have to be installed.
    """

    def __init__(self, command: Sequence[str], hello: Message, *, timeout_s: float, start_timeout_s: float) -> None:
        self.command, self.hello = list(command), hello
        self.timeout_s, self.start_timeout_s = timeout_s, start_timeout_s
        self.welcome: Message = {}
        self._said: list[Message] = []
        self._process: _Process | None = None

    def start(self) -> Message:
        """Starts the process unless it runs, says hello, and returns the answer.

        Raises:
            ValueError: one line, if it cannot be started, refuses, or does not speak the protocol.
        """
        if self._process is None:
            try:
                self._begin()
            except Unanswered as error:
                self.close()
                raise ValueError(str(error)) from None
        return self.welcome

    def say(self, request: Message) -> Message:
        """Sends a request and returns its answer.

        Raises:
            ValueError: one line, if the process keeps failing.
        """
        self.start()
        for attempt in range(RESTARTS + 1):
            try:
                if self._process is None:
                    self._begin()
                answer = self._ask(request, self.timeout_s)
                break
            except Unanswered as error:
                self.close()
                if attempt == RESTARTS:
                    raise ValueError(f"{error}; started {RESTARTS + 1} times") from None
        # A process that is started again hears of the answers, too, so that it can repeat them.
        self._said.append({**request, "again": answer} if request["type"] == "ask" else request)
        return answer

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _begin(self) -> None:
        self._process = _Process(self.command)
        self.welcome = self._ask(self.hello, self.start_timeout_s)
        for earlier in self._said:
            self._ask(earlier, self.timeout_s)

    def _ask(self, request: Message, timeout_s: float) -> Message:
        assert self._process is not None
        answer = self._process.exchange(request, timeout_s)
        if answer.get("type") == "error":
            raise Unanswered(self._process.failed(f"says: {answer.get('message', 'no message')}"))
        return answer


class _Process:
    def __init__(self, command: list[str]) -> None:
        self.name = shlex.join(command)
        if len(self.name) > LONGEST_QUOTE:
            self.name = f"{self.name[:LONGEST_QUOTE]} ..."
        # It outlives the process, for whoever wants to know why it failed.
        with NamedTemporaryFile("wb", prefix="hypertune-searcher-", suffix=".log", delete=False) as log:
            self.log = Path(log.name)
            environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}
            environment.pop("VIRTUAL_ENV", None)  # of our own environment, which is not its
            try:
                self._child = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                    env=environment,
                )  # fmt: skip
            except OSError as error:
                self.log.unlink()
                raise Unanswered(f"{self.name}: cannot be started: {error.strerror}") from None
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=_read, args=(self._child, self._lines), daemon=True).start()
        self._stop = weakref.finalize(self, _stop, self._child, self.log)

    def exchange(self, request: Message, timeout_s: float) -> Message:
        line = json.dumps(request, allow_nan=False, default=str) + "\n"
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(line.encode())
            self._child.stdin.flush()
        except OSError:
            raise Unanswered(self.failed("has ended")) from None
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                got = self._lines.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                raise Unanswered(self.failed(f"did not answer to {request['type']} within {timeout_s:g} s")) from None
            if got is None:
                raise Unanswered(self.failed("has ended"))
            answer = _parsed(got)
            if answer is not None:
                return answer
            with self.log.open("ab") as log:
                log.write(got)

    def failed(self, what: str) -> str:
        """What went wrong, with the end of the log."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._child.wait(1) if what == "has ended" else None
            what += f" with exit code {code}" if code is not None else ""
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        said = " | ".join([line.strip() for line in lines if line.strip()][-LAST_LINES:])
        quote = f": {said[-LONGEST_QUOTE:]}" if said else ""
        return f"{self.name}: {what}{quote} (log: {self.log})"

    def end(self) -> None:
        """Ends the process and all that it has started; an empty log is removed."""
        self._stop()


def _parsed(line: bytes) -> Message | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("type"), str) else None


def _read(child: subprocess.Popen[bytes], lines: queue.Queue[bytes | None]) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        lines.put(line)
    lines.put(None)


def _stop(child: subprocess.Popen[bytes], log: Path) -> None:
    assert child.stdin is not None
    with contextlib.suppress(OSError):
        child.stdin.close()  # the protocol's end: whoever reads it ends by itself
    try:
        child.wait(1)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    with contextlib.suppress(OSError):
        if not log.stat().st_size:
            log.unlink()
