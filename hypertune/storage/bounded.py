"""Requests to shared storage that end after a while, whatever the other side does."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

REQUEST_S = 20.0
"""Seconds that one request may take, besides the transfer of its content."""
SLOWEST = 2**20
"""Bytes per second that a transfer has to reach."""

T = TypeVar("T")


def bounded(call: Callable[[], T], *, size: int = 0) -> T:
    """The result of `call`, made in another thread, since neither Python nor pyarrow can interrupt a request.

    Args:
        size: bytes that are transferred.

    Raises:
        TimeoutError: if it takes longer than `REQUEST_S` and the transfer; the thread ends once the storage answers or
            its own client gives up.
    """
    answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put((True, call()))
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that asked
            answers.put((False, error))

    threading.Thread(target=ask, name="hypertune-request", daemon=True).start()
    limit_s = REQUEST_S + size / SLOWEST
    try:
        answered, answer = answers.get(timeout=limit_s)
    except queue.Empty:
        raise TimeoutError(f"no answer within {limit_s:.0f} s") from None
    if answered:
        return answer  # type: ignore[no-any-return]
    raise answer
