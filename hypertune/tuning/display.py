"""Shows a study's progress: live in a terminal or notebook, as plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Protocol

from rich.console import RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hypertune.records.records import Event, handle
from hypertune.study.study import Study
from hypertune.tuning.notebook import Cell, NotebookScreen
from hypertune.tuning.progress import Page, StudyProgress, SweepProgress
from hypertune.tuning.reading import reading_line
from hypertune.tuning.terminal import Terminal

FAILURES_TOLD = 2
"""Maximal number of failed trials per sweep, and of failed retrainings, that are reported one by one."""
PLAIN_SECONDS = 10.0
"""Minimal seconds between two plain progress lines."""
PLAIN_SHARE = 0.02
"""Minimal share of the elapsed time between them, so that a day's log does not have thousands."""
BAR = 16
"""Width of a bar, in columns."""


class Screen(Protocol):
    """Where progress is shown."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def tell(self, line: str, style: str) -> None:
        """Shows a permanent line."""

    def update(self, page: Callable[[], Page | None], waiting: str) -> None:
        """Updates the display: `page` returns what to show now; where it is None, `waiting` is shown."""


class Picture(Protocol):
    """Draws a study that is running."""

    def __call__(self, event: Event) -> None:
        """Called with every event."""

    def svg(self) -> str:
        """The picture as it is now; empty if there is nothing to see."""


class Progress:
    """Follows a study's events and shows them; a context manager and an observer of `driver.run`.

    If the terminal, or the reader of a pipe, goes away, the study continues without a display.

    Args:
        target: where to show progress; a console that is not a terminal gets plain lines.
        title: the first line, shown when the study begins.
        clock: seconds since some fixed moment.
        now: the time of day.
        picture: drawn below the progress in a notebook.
    """

    def __init__(
        self,
        study: Study,
        target: Terminal | Cell,
        *,
        title: str = "",
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
        picture: Picture | None = None,
    ) -> None:
        self.state = StudyProgress(study, clock=clock, now=now)
        self._title, self._waiting = title, "starting Ray ..."
        self._lost_jobs = 0
        self._workers = 0
        self._width = max(len(name) for name in study.strategies)
        self._screen: Screen | None = _screen(target, clock, picture)
        self._picture = picture

    def __enter__(self) -> Progress:
        self._show(lambda screen: screen.start())
        self._update()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._show(lambda screen: screen.stop())

    def __call__(self, event: Event) -> None:
        past = self.state.time_left.past
        self.state(event)
        if self._picture is not None:
            self._picture(event)
        if past > 1:
            return
        if past:
            self._tell_past()
        else:
            handle(self, event)
        self._update()

    def tell(self, line: str, style: str = "") -> None:
        """Shows a permanent line."""
        self._show(lambda screen: screen.tell(line, style))

    def _update(self) -> None:
        self._show(lambda screen: screen.update(self.state.page, self._waiting))

    def _show(self, show: Callable[[Screen], None]) -> None:
        if self._screen is not None:
            try:
                show(self._screen)
            except OSError:
                self._screen = None

    # Events ------------------------------------------------------------------------------------------------------

    def _on_reading(self, event: Event) -> None:
        self._waiting = reading_line(event)

    def _on_connected(self, event: Event) -> None:
        if self._title:
            self.tell(self._title, "bold")
        for note in event.get("notes", ()):
            self.tell(f"Note: {note}")
        place = f"dashboard {event['dashboard']}" if event["dashboard"] else "no dashboard on this cluster"
        self._workers = event["workers"]
        told = event.get("sharing") or event.get("few")
        self.tell(f"Ray is up: {self._workers} trials at a time{f' ({told})' if told else ''}, {place}")
        self._waiting = "starting workers ..."

    def _on_waiting(self, event: Event) -> None:
        self.tell(event["told"])
        self._waiting = "waiting for a node ..."

    def _on_workers(self, event: Event) -> None:
        if event["workers"] != self._workers:
            self._workers = event["workers"]
            now = f"{self._workers} trials at a time now" if self._workers else "no node can run a trial now"
            self.tell(f"  {now}")

    _on_sweep = _on_workers  # the cluster may have grown since the last one

    def _tell_past(self) -> None:
        """Shows how much of a resumed study is already done."""
        state = self.state
        words = f"{state.finished} of {state.total} sweeps are done"
        if state.retraining is not None:
            words += f", and {state.retraining[0]} retrainings"
        elif state.current is not None:
            words += f", and {state.current.share(state.study):.0%} of {state.current.strategy} "
            words += f"seed {state.current.seed}"
        self.tell(f"Resuming: {words}")

    def _on_end(self, event: Event) -> None:
        sweep = self.state.current
        if event["status"] == "failed" and sweep is not None:
            self._tell_failure(sweep, event)

    def _tell_failure(self, sweep: SweepProgress, event: Event) -> None:
        """Reports the first failures of a sweep one by one; its last line has their total."""
        if sweep.count("failed") <= FAILURES_TOLD:
            self.tell(f"  {event['trial_id']} failed: {event.get('error', '')}", "red")

    def _on_done(self, event: Event) -> None:
        state, sweep = self.state, self.state.last
        if sweep is not None:
            self.tell(
                f"  [{state.finished}/{state.total}] {sweep.strategy:<{self._width}} seed {sweep.seed}: "
                f"{sweep.outcome()}, {event['wall_s']:.1f} s"
            )

    def _on_look(self, event: Event) -> None:
        self.tell(f"  {event['told']}")

    def _on_retraining(self, event: Event) -> None:
        self._lost_jobs = 0
        jobs = f"{event['jobs']} retraining{'s' * (event['jobs'] != 1)}"
        self.tell(f"  {jobs} of the incumbents, to score them on the test split")

    def _on_retrained(self, event: Event) -> None:
        if event.get("status") == "failed":
            self._lost_jobs += 1
            if self._lost_jobs <= FAILURES_TOLD:
                self.tell(f"  retraining of {event['trial_id']} failed: {event.get('error', '')}", "red")


def target_here() -> Terminal | Cell:
    """Where to show the progress of a call from Python: the notebook's cell, else stderr.

    stdout is left to the caller, so that it can be piped.
    """
    return Cell() if Cell.is_here() else Terminal(stderr=True, force_jupyter=False)


def _screen(target: Terminal | Cell, clock: Callable[[], float], picture: Picture | None) -> Screen:
    if isinstance(target, Cell):
        return NotebookScreen(target, clock, picture.svg if picture is not None else str)
    return TerminalScreen(target) if target.is_terminal else PlainScreen(target, clock)


class TerminalScreen:
    """Bars at the bottom of the terminal, permanent lines above them."""

    def __init__(self, console: Terminal) -> None:
        self._console = console
        self._page: Callable[[], Page | None] = lambda: None
        self._waiting = ""
        # Other output must go above the bars, but piped output must not be redirected to the terminal.
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=4, transient=True,
            redirect_stdout=sys.stdout.isatty(), redirect_stderr=sys.stderr.isatty(),
        )  # fmt: skip

    def start(self) -> None:
        self._live.start()

    def stop(self) -> None:
        self._live.stop()

    def tell(self, line: str, style: str) -> None:
        _print(self._console, line, style)

    def update(self, page: Callable[[], Page | None], waiting: str) -> None:
        """Stores the page; the display renders it four times a second."""
        self._page, self._waiting = page, waiting

    def _render(self) -> RenderableType:
        page = self._page()
        if page is None:
            return Text(self._waiting)
        table = Table.grid(padding=(0, 1))
        table.add_column()
        table.add_column(no_wrap=True, overflow="ellipsis")
        for share, words in page.bars:
            table.add_row(ProgressBar(total=1, completed=share, width=BAR), Text(words))
        return table


class PlainScreen:
    """Plain lines for a log: permanent lines and, now and then, a progress line."""

    def __init__(self, console: Terminal, clock: Callable[[], float]) -> None:
        self._console, self._clock = console, clock
        self._began, self._due = clock(), 0.0
        self._left_known = False

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def tell(self, line: str, style: str) -> None:
        _print(self._console, line, style)

    def update(self, page: Callable[[], Page | None], waiting: str) -> None:
        now = self._clock()
        if now < self._due and self._left_known:
            return
        shown = page()
        if shown is None and not waiting.endswith("...") and now >= self._due:  # the reading of many images
            self._due = now + PLAIN_SECONDS
            _print(self._console, f"  {waiting}", "")
        if shown is None or not shown.known:
            return
        self._due = now + max(PLAIN_SECONDS, PLAIN_SHARE * (now - self._began))
        self._left_known = True
        _print(self._console, f"  {shown.doing}, {shown.left}", "")


def _print(console: Terminal, line: str, style: str) -> None:
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
