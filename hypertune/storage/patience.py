"""Retries for storage that fails temporarily, such as a full disk or a file server that is down."""

from __future__ import annotations

import logging
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from hypertune.storage.storage import Place

PATIENCE_S = 300.0
"""Seconds to retry a failing storage; `HYPERTUNE_STORAGE_PATIENCE_S` overrides it."""
PAUSE_S = 1.0

Value = TypeVar("Value")


def storage_patience_s() -> float:
    """Seconds to wait for a failing storage."""
    return float(os.environ.get("HYPERTUNE_STORAGE_PATIENCE_S", PATIENCE_S))


def patiently(
    call: Callable[[], Value], what: str, *, errors: tuple[type[Exception], ...] = (OSError,), patience_s: float = -1.0
) -> Value:
    """Retries `call` while it raises one of `errors`, and warns once.

    Args:
        what: what is being done, for the message.
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


@contextmanager
def outputs_in(place: Place) -> Iterator[None]:
    """For writing the tables and the report of a study whose records are safe.

    Raises:
        ValueError: naming the file that cannot be written, and how all are made again.
    """
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"{error.filename or place}: cannot be written ({error.strerror or error}); everything reported has been "
            f"recorded; once that is corrected, write the tables and the report with: "
            f"hypertune report {shlex.quote(str(place))}"
        ) from None
