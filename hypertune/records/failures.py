"""Why trials failed: reasons that are alike counted together, with the first of each kind as the example."""

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
"""What differs between messages of one kind: addresses, paths and numbers."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure.

    Attributes:
        error: the reason of its first trial, in one line.
        count: how many trials and retrainings failed so.
        trial_id: the first of them.
        traceback: of that one; empty if there is none, as for a worker process that died.
        log: what that one had printed, as a path within the output folder; empty if it had printed nothing.
    """

    error: str
    count: int
    trial_id: str
    traceback: str = ""
    log: str = ""


def kind_of(error: str) -> str:
    """What messages have in common that differ in numbers, paths and addresses only."""
    for pattern, common in _VARYING:
        error = pattern.sub(common, error)
    return error


def one_line(text: str, most: int = 500) -> str:
    """A message of several lines as one, of at most so many characters."""
    line = " | ".join(part for raw in text.splitlines() if (part := " ".join(raw.split())))
    return line if len(line) <= most else f"{line[: most - 3]}..."


class Failures:
    """Counts failures by kind as the journal's events tell of them."""

    def __init__(self) -> None:
        self._kinds: dict[str, Failure] = {}

    def note(self, event: Mapping[str, Any]) -> None:
        """Takes in the event of a trial or retraining that failed."""
        error = str(event.get("error") or "no reason given")
        kind = kind_of(error)
        known = self._kinds.get(kind)
        if known is not None:
            self._kinds[kind] = replace(known, count=known.count + 1)
            return
        self._kinds[kind] = Failure(error, 1, event["trial_id"], event.get("traceback") or "", event.get("log") or "")

    def all(self) -> tuple[Failure, ...]:
        """Every kind, the most frequent first."""
        return tuple(sorted(self._kinds.values(), key=lambda failure: -failure.count))


def to_ledger(failures: Iterable[Failure]) -> list[dict[str, Any]]:
    """As `provenance.json` keeps them."""
    return [asdict(failure) for failure in failures]


def from_ledger(rows: Iterable[Mapping[str, Any]]) -> tuple[Failure, ...]:
    return tuple(Failure(**row) for row in rows)
