"""Shows a study's progress in a notebook as one cell output that is updated in place; nothing has to be installed.

IPython's displays work in Jupyter, VS Code and Colab, and leave one output in the saved notebook. Widgets would need a
package and an extension.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from html import escape
from typing import Any

from hypertune.tuning.progress import Page

EVERY_S = 0.5
"""Minimal seconds between two updates."""


class Cell:
    """An output of the running notebook cell, created when it is first shown and then replaced."""

    def __init__(self) -> None:
        self._handle: Any = None

    @staticmethod
    def is_here() -> bool:
        """Whether this code runs in a notebook's kernel."""
        # Code in a kernel has imported IPython already; elsewhere the slow import is avoided.
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None else None
        return getattr(shell, "kernel", None) is not None

    def show(self, html: str, text: str) -> None:
        from IPython.display import display

        content = {"text/html": html, "text/plain": text}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


class NotebookScreen:
    """Permanent lines with bars below them, in the notebook's own colours.

    Args:
        picture: draws what has been found so far, as HTML.
    """

    def __init__(self, cell: Cell, clock: Callable[[], float], picture: Callable[[], str] = str) -> None:
        self._cell, self._clock, self._picture = cell, clock, picture
        self._lines: list[tuple[str, str]] = []
        self._bars: list[tuple[float, str]] = []
        self._waiting = ""
        self._due = 0.0

    def start(self) -> None: ...

    def stop(self) -> None:
        self._bars, self._waiting = [], ""
        self._cell.show(self._html(), self._text())

    def tell(self, line: str, style: str) -> None:
        self._lines.append((line, style))

    def update(self, page: Callable[[], Page | None], waiting: str) -> None:
        now = self._clock()
        if now < self._due:
            return
        self._due, self._waiting = now + EVERY_S, waiting
        shown = page()
        self._bars = shown.bars if shown is not None else []
        self._cell.show(self._html(), self._text())

    def _html(self) -> str:
        lines = "".join(f"<div{_STYLES.get(style, '')}>{linked(line)}</div>" for line, style in self._lines)
        bars = "".join(
            f'<div><progress value="{share:.4f}" style="vertical-align: middle"></progress> {escape(words)}</div>'
            for share, words in self._bars
        )
        below = bars or f"<div>{escape(self._waiting)}</div>"
        box = "max-height: 24em; overflow-y: auto; white-space: pre-wrap"
        return f'<div style="font-family: monospace"><div style="{box}">{lines}</div>{below}</div>{self._picture()}'

    def _text(self) -> str:
        return "\n".join([*(line for line, _ in self._lines), *(words for _, words in self._bars)])


_STYLES = {"red": ' style="color: #d33"', "bold": ' style="font-weight: bold"'}


def linked(line: str) -> str:
    """The line as HTML, with its web addresses as links."""
    parts = re.split(r"(https?://[^\s<>\"']+)", line)
    return "".join(
        f'<a href="{escape(part)}" target="_blank" rel="noopener">{escape(part)}</a>' if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )
