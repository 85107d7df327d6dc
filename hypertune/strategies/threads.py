"""Limits searchers to one thread: trials use the other cores, and more threads slow down small matrices.

On a busy machine with two cores, Optuna's Gaussian process took five times as long with two threads as with one.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """Limits numerical libraries to one thread within a `with` statement."""
    limit: AbstractContextManager[Any] = _controller("torch" in sys.modules).limit(limits=1)
    return limit


@cache
def _controller(torch_is_loaded: bool) -> ThreadpoolController:
    # Finding the loaded libraries takes 10 ms and misses those that are loaded later.
    return ThreadpoolController()
