"""Shows a study's progress: a live display in a terminal or a notebook, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hypertune.records.records import Event, handle
from hypertune.study.study import Study
from hypertune.tuning.notebook import Cell, NotebookScreen
from hypertune.tuning.progress import Page, StudyProgress, SweepProgress
from hypertune.tuning.reading import reading_line

FAILURES_TOLD = 2
"""Failed trials of one sweep, and failed retrainings, that are told one by one."""
PLAIN_SECONDS = 10.0
"""Least seconds between two plain lines about what is under way."""
PLAIN_SHARE = 0.02
"""And least share of the time so far, so that the log of a day has no thousands of them."""
BAR = 16
"""Columns of a bar."""


class Screen(Protocol):
    """Where progress is shown."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def tell(self, line: str, style: str) -> None:
        """A line that stays."""

    def update(self, page: Callable[[], Page | None], waiting: str) -> None:
        """Something has happened; `page` says what there is to show now, `waiting` what to show where it is None."""


class Progress:
    """Follows a study's events and shows them; a context manager and an observer of `driver.run`.

    A terminal that is gone, or the reader of a pipe, does not end the study: it goes on unseen.

    Args:
        target: where to show it; a console that is no terminal gets plain lines.
        title: a line to begin with, once the study begins.
        clock: seconds since some fixed moment.
        now: the time of day.
    """

    def __init__(
        self,
        study: Study,
        target: Console | Cell,
        *,
        title: str = "",
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.state = StudyProgress(study, clock=clock, now=now)
        self._title, self._waiting = title, "starting Ray ..."
        self._lost_jobs = 0
        self._width = max(len(name) for name in study.strategies)
        self._screen: Screen | None = _screen(target, clock)

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
        if past > 1:
            return
        if past:
            self._tell_past()
        else:
            handle(self, event)
        self._update()

    def tell(self, line: str, style: str = "") -> None:
        """Shows a line that stays."""
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
        self.tell(f"Ray is up: {event['workers']} trials at a time, {place}")
        self._waiting = "starting workers ..."

    def _tell_past(self) -> None:
        """What a resumed study has behind it."""
        state = self.state
        words = f"{state.finished} of {state.total} sweeps are done"
        if state.retraining is not None:
            words += f", and {state.retraining[0]} retrainings"
        elif state.current is not None:
            words += f", and {state.current.share(state.study):.0%} of {state.current.strategy} "
            words += f"seed {state.current.seed}"
        self.tell(f"Going on where it was: {words}")

    def _on_end(self, event: Event) -> None:
        sweep = self.state.current
        if event["status"] == "failed" and sweep is not None:
            self._tell_failure(sweep, event)

    def _tell_failure(self, sweep: SweepProgress, event: Event) -> None:
        """The first failures of a sweep are told one by one; the count of all stands in its last line."""
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
        self.tell(f"  {event['jobs']} retrainings of the incumbents, to score them on the test split")

    def _on_retrained(self, event: Event) -> None:
        if event.get("status") == "failed":
            self._lost_jobs += 1
            if self._lost_jobs <= FAILURES_TOLD:
                self.tell(f"  retraining of {event['trial_id']} failed: {event.get('error', '')}", "red")


def target_here() -> Console | Cell:
    """Where the progress of a call from Python belongs: the notebook's cell, else stderr.

    What the caller prints to stdout stays the caller's own, so that it can be piped.
    """
    return Cell() if Cell.is_here() else Console(stderr=True, highlight=False, force_jupyter=False)


def _screen(target: Console | Cell, clock: Callable[[], float]) -> Screen:
    if isinstance(target, Cell):
        return NotebookScreen(target, clock)
    # rich would end the program, and close its stdout, when the reader of a pipe has gone.
    target.on_broken_pipe = _raise  # type: ignore[method-assign]
    return TerminalScreen(target) if target.is_terminal else PlainScreen(target, clock)


def _raise() -> None:
    """Raises the error that is being handled."""
    raise


class TerminalScreen:
    """Bars at the bottom of the terminal, the lines that stay above them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._page: Callable[[], Page | None] = lambda: None
        self._waiting = ""
        # What others print has to go above the bars, but not from a pipe to the terminal.
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
        """The display asks four times a second by itself."""
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
    """Lines, for a log: what stays, and now and then how far the study is."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
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


def _print(console: Console, line: str, style: str) -> None:
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
