"""Where results are read from, and what the caller has said about them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zipfile import BadZipFile

import numpy as np
import pandas as pd

UNREADABLE = (OSError, ValueError, EOFError, BadZipFile, zlib.error)
"""What reading a broken table raises: the errors of pandas and Arrow are among them."""


@dataclass(frozen=True)
class Source:
    """A path or URL, with what to read from it.

    Attributes:
        name: the path or URL, without what followed a `#`.
        only: what followed the `#`: a pattern of names, as in a shell, of the studies or experiments that are read.
        metric: the column or metric that is the result.
        mode: `min` or `max`.
        strategy: the column, attribute, tag or parameter that holds the strategy.
    """

    name: str
    only: str | None = None
    metric: str | None = None
    mode: str | None = None
    strategy: str | None = None

    @classmethod
    def of(cls, given: str | Path, **asked: str | None) -> Source:
        """The source that was given; a `#` in the name of a file that exists belongs to the name."""
        name, _, only = str(given).partition("#")
        whole = "#" not in str(given) or Path(given).exists()
        return cls(str(given), None, **asked) if whole else cls(name, only or None, **asked)

    @property
    def scheme(self) -> str:
        """`sqlite`, `http` and so on; empty for a path. SQLAlchemy's driver is left out."""
        return self.name.partition("://")[0].partition("+")[0] if "://" in self.name else ""

    @property
    def path(self) -> Path:
        """The file or folder of a path, of `file:///...` and of `sqlite:///...`."""
        if self.scheme == "sqlite":
            return Path(self.name.partition("://")[2].removeprefix("/").partition("?")[0])
        return Path(unquote(urlsplit(self.name).path) if self.scheme == "file" else self.name)

    @property
    def shown(self) -> str:
        """The name as messages give it, without the password of a database."""
        return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", self.name)

    def fault(self, text: str) -> ValueError:
        """An error of one line about this source."""
        return ValueError(f"{self.shown}: {' '.join(text.split())}")

    def keeps(self, name: str) -> bool:
        """Whether a study or experiment of this name is to be read."""
        return self.only is None or fnmatchcase(name, self.only)

    def agreed(self, mode: str) -> str:
        """The mode that the source itself names.

        Raises:
            ValueError: if the caller said otherwise.
        """
        if self.mode not in (None, mode):
            raise self.fault(f"mode is {self.mode}, but its results say {mode}; leave mode out, or make it {mode}")
        return mode

    def needed_mode(self) -> str:
        """The mode, where the best of several results has to be found.

        Raises:
            ValueError: if the caller did not say.
        """
        if self.mode is None:
            raise self.fault(
                "the best result of each sweep is needed, and nothing says which is better; give mode: min or max"
            )
        return self.mode

    def metric_among(self, names: Iterable[str]) -> str:
        """The metric that was asked for, or the only one there is.

        Raises:
            ValueError: naming what there is.
        """
        known = list(dict.fromkeys(names))
        if self.metric in known or (self.metric is None and len(known) == 1):
            return self.metric or known[0]
        if not known:
            raise self.fault("holds no metric with a number")
        wrong = f"has no metric {self.metric!r}" if self.metric else "several could be the result"
        raise self.fault(f"{wrong}; give metric: one of {listed(known)}")


def best(values: Iterable[Any], mode: str) -> float | None:
    """The best of the finite numbers among `values`; NaN, the value of a sweep that failed, where none is finite; None
    without any values."""
    numbers = pd.to_numeric(pd.Series(list(values), dtype=object), errors="coerce").astype("float64")
    finite = numbers[np.isfinite(numbers)]
    if finite.empty:
        return None if numbers.empty else np.nan
    return float(finite.max() if mode == "max" else finite.min())


def listed(names: Iterable[str], most: int = 12) -> str:
    """`a, b, c`, at most `most` of them."""
    known = [str(name) for name in names]
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")
