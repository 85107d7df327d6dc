"""The buttons of a report, pressed in a real browser: what is copied, and what is saved."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest

from hypertune.report.html import render
from tests.comparison.synthetic import make_records

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]


def test_configurations_and_captions_are_copied_and_figures_are_saved(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    file = tmp_path / "report.html"
    file.write_text(render([make_records(seeds=3, strategies=["random", "asha"])]), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto(file.as_uri())

        def copied(name: str) -> str:
            button = page.get_by_role("button", name=name).first
            button.click()
            page.get_by_text("Copied").first.wait_for()
            page.get_by_role("button", name=name).first.wait_for()  # its own label is back
            return str(page.evaluate("navigator.clipboard.readText()"))

        config = tomllib.loads(copied("Copy as TOML"))
        assert config
        namespace: dict[str, object] = {}
        exec(copied("Copy as Python"), namespace)
        assert any(isinstance(value, dict) and value.items() & _flat(config).items() for value in namespace.values())
        caption = copied("Copy caption")
        assert caption == page.locator("figcaption").first.text_content()
        for name, begin in (("SVG", b"<svg"), ("PNG for a paper", b"\x89PNG"), ("PNG for a slide", b"\x89PNG")):
            with page.expect_download() as download:
                page.get_by_role("button", name=name, exact=True).first.click()
            saved = tmp_path / download.value.suggested_filename
            download.value.save_as(saved)
            assert re.fullmatch(r"[a-z_]+\.(svg|png)", saved.name)
            assert saved.read_bytes().startswith(begin)
        browser.close()


def _flat(table: dict[str, object]) -> dict[str, object]:
    return {
        key: value
        for name, inner in table.items()
        for key, value in (_flat(inner).items() if isinstance(inner, dict) else [(name, inner)])
    }
