"""The terminal: text is shown as it is, with control characters made visible."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from hypertune.storage.printable import printable

PIPE_WIDTH = 120
"""Columns of a table where the output is not a terminal."""


class Terminal(Console):
    """rich's console, in which no text is markup and none steers the terminal.

    Names of hyperparameters and options, and errors of trainables, may hold square brackets and escape characters.
    """

    def __init__(self, *, highlight: bool = False, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=highlight, **options)

    def on_broken_pipe(self) -> None:
        """Re-raises the BrokenPipeError; rich would end the program, with exit code 1."""
        raise

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def wide_terminal() -> Terminal:
    """A terminal for a table of results; a pipe, whose width nobody knows, has `PIPE_WIDTH` columns instead of 80."""
    console = Terminal()
    return console if console.is_terminal else Terminal(width=PIPE_WIDTH)
