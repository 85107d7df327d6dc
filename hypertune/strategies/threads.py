"""Searchers think on one thread: trials have the other cores, and with small matrices more threads cost time.

On a busy machine with two cores, Optuna's Gaussian process took five times as long with two threads as with one.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """Keeps numerical libraries to one thread within a `with` statement."""
    limit: AbstractContextManager[Any] = _controller("torch" in sys.modules).limit(limits=1)
    return limit


@cache
def _controller(torch_is_loaded: bool) -> ThreadpoolController:
    # Finding the loaded libraries takes 10 ms, and those loaded later are not seen.
    return ThreadpoolController()
