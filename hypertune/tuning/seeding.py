"""Seeds the global random generators that a trainable may use, of libraries loaded now or later."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

SEEDED: dict[str, Callable[[Any, int], object]] = {
    "numpy": lambda numpy, seed: numpy.random.seed(seed % 2**32),
    "torch": lambda torch, seed: torch.manual_seed(seed),
}
"""Libraries with their own random generators, and how to seed them."""


class Seeds(MetaPathFinder):
    """Lets a trial begin with the same random numbers wherever it runs.

    A process loads a library with the first trial that imports it: importing it beforehand would cost every worker
    seconds, whether or not its trainable needs it.
    """

    def __init__(self) -> None:
        self._seed = 0

    def begin(self, seed: int) -> None:
        """A trial begins."""
        self._seed = seed
        random.seed(seed)
        for name, seeded in SEEDED.items():
            if name in sys.modules:
                seeded(sys.modules[name], seed)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Lets the other finders find the module, and seeds it as soon as it is loaded."""
        if fullname not in SEEDED:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next((found for finder in others if (found := finder.find_spec(fullname, path, target))), None)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_seed(module: ModuleType) -> None:
                drawn = random.getstate()
                load(module)
                SEEDED[fullname](module, self._seed)
                random.setstate(drawn)  # a later trial would not repeat what was drawn during loading

            spec.loader.exec_module = load_and_seed  # type: ignore[method-assign]
        return spec


_HERE = Seeds()


def seed_trial(seed: int) -> None:
    """Seeds what a trial in this process may draw from, now and with all that it imports."""
    _HERE.begin(seed)
