"""The journal's lines: numbered, so that a line that is missing, there twice or out of its place is noticed."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Event = dict[str, Any]
"""One line of the journal; `event` names its kind: sweep, resumed, trial, epoch, pause, unpause, checkpoint, end,
closed, done, retrained. `n` counts them from 1; journals of version 0.1 have no numbers."""

NUMBER = "n"
REMEDY = "restore the file from a copy, or remove the folder sweeps/ to read the tables in its place"


class Lines:
    """Reads lines one after another, in as many goes as it takes.

    Args:
        path: what messages call the file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.events, self._line = path, 0, 0
        self._last: bytes | None = None
        self._hashes = array("q")
        """Of each event's line, to tell a repeat from another event under its number."""

    def event(self, line: bytes) -> Event | None:
        """The event on the next line; None where it repeats one that has been read.

        Raises:
            ValueError: one line that names the line of the file, if it is damaged or not the one that has to come.
        """
        self._line += 1
        try:
            event: Event = json.loads(line)
            number, _ = event.pop(NUMBER, None), event["event"].lower()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise self.fault("is damaged") from None
        told, repeated = hash(line), line == self._last
        self._last = line
        if number is None:
            if self._hashes:
                raise self.fault("has no number, and those before it have one")
            self.events += not repeated
            return None if repeated else event
        if isinstance(number, int) and 0 < number <= self.events:
            before = self.events - len(self._hashes)
            if number > before and self._hashes[number - before - 1] == told:
                return None
            raise self.fault(f"is event {number}, which has come before")
        if number != self.events + 1:
            raise self.fault(f"is event {number}, and event {self.events + 1} is missing or stands elsewhere")
        self.events += 1
        self._hashes.append(told)
        return event

    def fault(self, what: str) -> ValueError:
        """What is wrong with the line that was read last."""
        return ValueError(f"{self.path}: line {self._line} {what}; {REMEDY}")


def read_journal(path: Path, apply: Callable[[Event], object] | None = None) -> Iterator[Event]:
    """The events of a journal in order; a last line cut off by a kill is left out.

    Args:
        apply: is given each event, too.

    Raises:
        ValueError: if a line other than the last is damaged, missing, or does not fit to those before it.
    """
    lines = Lines(path)
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            event = lines.event(line)
            if event is not None:
                take_in(lines, event, apply)
                yield event


def take_in(lines: Lines, event: Event, apply: Callable[[Event], object] | None) -> None:
    """Hands an event on.

    Raises:
        ValueError: if what is told does not fit to what was told before.
    """
    try:
        if apply is not None:
            apply(event)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise lines.fault(f"does not fit to what comes before it ({reason[:80]})") from None
