"""Registers trainables with Ray Tune, also those of several studies that run in threads of one process.

Ray Tune keeps them in one table without a lock, where two entries at the same time end in an error, and under the
trainable's name, where the second of two replaces the first.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.tune.registry import register_trainable

_lock = threading.Lock()
_taken: set[str] = set()


@contextmanager
def registered(trainable: Any, called: str) -> Iterator[str]:
    """Within the block a trainable is known to Ray Tune by the name that is returned.

    Args:
        called: the name, to which a number is added if another study of this process uses it at the moment.
    """
    with _lock:
        numbered = (called if number == 1 else f"{called} ({number})" for number in itertools.count(1))
        name = next(free for free in numbered if free not in _taken)
        _taken.add(name)
        try:
            register_trainable(name, trainable)
        except BaseException:
            _taken.discard(name)
            raise
    try:
        yield name
    finally:
        with _lock:
            _taken.discard(name)
