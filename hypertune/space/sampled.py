"""Hyperparameters drawn by a user's function (`tune.sample_from`), which no searcher can model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypertune.space.seeded import seeded
from hypertune.space.values import Named, name_of, plain


class Depends(Exception):
    """A function asks for other hyperparameters."""


class _Nothing:
    """Stands for the configuration that a function might ask for."""

    def __getattr__(self, name: str) -> Any:
        raise Depends

    def __getitem__(self, name: str) -> Any:
        raise Depends

    __iter__ = __len__ = __contains__ = __call__ = __getitem__


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """A value that `function` draws, from Python's or numpy's global generator or a constant one.

    Attributes:
        function: takes nothing or, as in Ray Tune, the configuration, which it must not look at; its name if it was
            read from a file.
    """

    function: Callable[..., Any] | Named

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sampled) and name_of(self.function) == name_of(other.function)

    def __hash__(self) -> int:
        return hash(name_of(self.function))

    def draw(self, rng: np.random.Generator) -> Any:
        """A value; the same for the same state of `rng`.

        Raises:
            Depends: if the function looks at the configuration.
        """
        assert not isinstance(self.function, Named)
        with seeded(int(rng.integers(2**31))):
            return plain(self.function(_Nothing()) if _takes_one(self.function) else self.function())


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind({})
    except TypeError:
        return False
    return True
