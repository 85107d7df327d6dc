"""Chromium or Chrome on this machine: prints pages to PDF and draws figures, without a window."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
APPS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
NAMED_BY = "BROWSER_PATH"
"""Environment variable that names the browser, the one that kaleido reads, too."""
WAIT_MS = 60_000
"""Virtual milliseconds for a page to draw itself; they pass as fast as the page computes."""
TIMEOUT_S = 300
FLAGS = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=800,1200",
    f"--virtual-time-budget={WAIT_MS}",
)  # fmt: skip


def find_browser(option: str) -> str:
    """The browser's program.

    Args:
        option: the command's option that needs it, for the message.

    Raises:
        ValueError: one line with the remedy, if there is none.
    """
    named = os.environ.get(NAMED_BY)
    if named:
        if found := shutil.which(named):
            return found
        raise ValueError(f"{NAMED_BY}: {named} is no program; name Chromium or Chrome")
    programs = (shutil.which(name) for name in (*NAMES, *APPS))
    found = next((program for program in programs if program), None)
    if found is None:
        raise ValueError(
            f"{option}: needs Chromium or Chrome, and none is on the PATH; install one (Debian: `apt install "
            f"chromium`) or name its program in {NAMED_BY}; the report's page can also be printed, and its figures "
            "saved, in any browser"
        )
    return found


def print_pdf(page: Path, pdf: Path, option: str) -> None:
    """Prints an HTML file as a browser would.

    Raises:
        ValueError: if there is no browser, or it fails.
    """
    with tempfile.TemporaryDirectory(prefix="hypertune-") as folder:
        made = Path(folder) / "page.pdf"
        _run(page, option, "--no-pdf-header-footer", f"--print-to-pdf={made}")
        if not made.exists() or not made.read_bytes().startswith(b"%PDF"):
            raise ValueError(f"{option}: the browser printed nothing")
        shutil.move(made, pdf)


def content_of(page: Path, option: str) -> str:
    """What an HTML file's document consists of once its scripts have run, as HTML.

    Raises:
        ValueError: if there is no browser, or it fails.
    """
    return _run(page, option, "--dump-dom")


def _run(page: Path, option: str, *what: str) -> str:
    command = [find_browser(option), *FLAGS]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--no-sandbox")  # Chromium refuses to start its sandbox as root, as in containers
    with tempfile.TemporaryDirectory(prefix="hypertune-", ignore_cleanup_errors=True) as profile:
        command += [f"--user-data-dir={profile}", *what, page.resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, errors="replace")
        except subprocess.TimeoutExpired:
            raise ValueError(f"{option}: {command[0]} did not answer within {TIMEOUT_S} s") from None
        except OSError as error:
            raise ValueError(f"{option}: {command[0]} cannot be started ({error.strerror})") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise ValueError(f"{option}: {command[0]} failed ({lines[-1][:200]})")
    return done.stdout
