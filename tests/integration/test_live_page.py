"""The live page in a real browser: it follows a real study, says when it was killed, and shows its end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")]
WAIT_MS = 240_000


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hypertune", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    out = tmp_path / "study"
    process = _start("compare", "--strategies", "random,asha", "--seeds", "4", "--yes", "--quiet", "--out", str(out))
    yield process, out
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_the_page_follows_a_study_through_a_kill_to_its_end(study: tuple[subprocess.Popen[str], Path]) -> None:
    from playwright.sync_api import expect, sync_playwright

    process, out = study
    journal = out / "sweeps" / "journal.jsonl"
    while not journal.exists():
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
    server = _start("top", str(out), "--web")
    try:
        assert server.stdout is not None
        link = server.stdout.readline().strip()
        assert link.startswith("http://127.0.0.1:")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(link.split("?")[0])
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page()
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(link)
            assert "token" not in page.url
            moment = page.locator("#moment")
            expect(moment).to_contain_text("trials running", timeout=WAIT_MS)
            expect(page.locator("#s0-anytime_epochs .main-svg").first).to_be_visible(timeout=WAIT_MS)
            expect(moment).to_contain_text("left, if the others take as long", timeout=WAIT_MS)
            os.killpg(process.pid, signal.SIGKILL)
            expect(moment).to_contain_text(f"resume with: hypertune compare --resume {out}", timeout=WAIT_MS)
            again = _start("compare", "--resume", str(out), "--quiet")
            assert again.wait(timeout=400) == 0
            expect(moment).to_contain_text("Finished: 8 of 8 sweeps done.", timeout=WAIT_MS)
            expect(page.locator("table.sortable tbody tr").first).to_be_visible()
            assert errors == []
            browser.close()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
