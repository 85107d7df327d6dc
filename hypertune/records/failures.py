"""Why trials failed: similar errors are counted together, with the first of each kind as the example."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

_VARYING = (
    (re.compile(r"0x[0-9a-fA-F]+"), "0x_"),
    (re.compile(r"(?:[A-Za-z]:)?(?:[/\\][\w.@+-]+){2,}"), "path"),
    (re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"), "0"),
)
"""Matches what may differ between errors of one kind: addresses, paths and numbers."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure.

    Attributes:
        error: the error of its first trial, in one line.
        count: number of trials and retrainings that failed this way.
        trial_id: the first trial.
        traceback: its traceback; empty if there is none, as for a worker process that died.
        log: path of its printed output within the output folder; empty if it printed nothing.
    """

    error: str
    count: int
    trial_id: str
    traceback: str = ""
    log: str = ""


def kind_of(error: str) -> str:
    """The error without numbers, paths and addresses, which is the same for all errors of one kind."""
    for pattern, common in _VARYING:
        error = pattern.sub(common, error)
    return error


def one_line(text: str, most: int = 500) -> str:
    """A message of several lines as one, of at most so many characters."""
    line = " | ".join(part for raw in text.splitlines() if (part := " ".join(raw.split())))
    return line if len(line) <= most else f"{line[: most - 3]}..."


class Failures:
    """Counts failures by kind from the journal's events."""

    def __init__(self) -> None:
        self._kinds: dict[str, Failure] = {}

    def note(self, event: Mapping[str, Any]) -> None:
        """Counts the event of a failed trial or retraining."""
        error = str(event.get("error") or "no reason given")
        kind = kind_of(error)
        known = self._kinds.get(kind)
        if known is not None:
            self._kinds[kind] = replace(known, count=known.count + 1)
            return
        self._kinds[kind] = Failure(error, 1, event["trial_id"], event.get("traceback") or "", event.get("log") or "")

    def all(self) -> tuple[Failure, ...]:
        """All kinds, the most frequent first."""
        return tuple(sorted(self._kinds.values(), key=lambda failure: -failure.count))


def to_ledger(failures: Iterable[Failure]) -> list[dict[str, Any]]:
    """The failures in the form of `provenance.json`."""
    return [asdict(failure) for failure in failures]


def from_ledger(rows: Iterable[Mapping[str, Any]]) -> tuple[Failure, ...]:
    return tuple(Failure(**row) for row in rows)
