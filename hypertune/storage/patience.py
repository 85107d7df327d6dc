"""Storage that fails for a while: a full disk that somebody clears, a file server that comes back."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 300.0
"""How long a failing storage is tried again; `HYPERTUNE_STORAGE_PATIENCE_S` overrides it."""
PAUSE_S = 1.0

Value = TypeVar("Value")


def storage_patience_s() -> float:
    """How long a failing storage is waited for, in seconds."""
    return float(os.environ.get("HYPERTUNE_STORAGE_PATIENCE_S", PATIENCE_S))


def patiently(
    call: Callable[[], Value], what: str, *, errors: tuple[type[Exception], ...] = (OSError,), patience_s: float = -1.0
) -> Value:
    """Calls `call` again while it raises one of `errors`, and says so once.

    Args:
        what: what is being tried, for the message.
        patience_s: seconds after which the error is raised; negative for the default.
    """
    patience_s = patience_s if patience_s >= 0 else storage_patience_s()
    began, told = time.monotonic(), False
    while True:
        try:
            return call()
        except errors as error:
            if time.monotonic() - began >= patience_s:
                raise
            if not told:
                told = True
                logging.getLogger("hypertune").warning("%s: %s; trying again for %.0f s", what, error, patience_s)
            time.sleep(min(PAUSE_S, patience_s))
