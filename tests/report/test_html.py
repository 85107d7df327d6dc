"""The report as a file: self-contained, safe against what users call things, and silent in a browser."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hypertune.records.records import Records
from hypertune.report.html import render, write_report
from hypertune.report.markdown import markdown_report
from tests.comparison.synthetic import make_records

ATTACK = "<script>document.title='pwned'</script>"
HOSTILE = {
    ATTACK: {"choice": ["</script>" + ATTACK, "<b>bold</b>", [1, 2], "a|b"]},
    "<img src=x onerror=document.title='pwned'>": {"loguniform": [1e-4, 1e-1]},
    "rate": {"uniform": [0.0, 1.0]},
}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
    "--virtual-time-budget=20000", "--window-size=1280,2000",
)  # fmt: skip


class Tags(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


@pytest.fixture(scope="module")
def hostile() -> Records:
    return make_records(space=HOSTILE, seeds=2, strategies=["random", "asha"])


@pytest.fixture(scope="module")
def page(hostile: Records) -> str:
    return render([hostile])


def test_the_conclusion_comes_first_and_every_part_is_there(page: str) -> None:
    heads = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert heads == [
        "What can be concluded", "The strategies", "Figures", "Every trial", "What was not tested", "How it was run",
    ]  # fmt: skip
    assert "hypertune compare synthetic.toml" in page
    assert "ray 2.60.0" in page
    assert "strategies = [" in page


def test_what_users_call_things_stays_text(page: str) -> None:
    tags = Tags(page)
    figures = page.count("data-figure=")
    assert tags.tags.count("script") == figures + 3
    assert not {"img", "b", "iframe"} & set(tags.tags)
    assert not tags.handlers
    assert ATTACK not in page


def test_nothing_is_asked_of_the_network(page: str) -> None:
    assert all(link.startswith(("#", "data:")) for link in Tags(page).links)
    assert "default-src 'none'" in page


def test_no_figure_is_embedded_twice(page: str) -> None:
    names = re.findall(r'data-figure="([^"]+)"', page)
    assert len(names) == len(set(names))
    payloads = re.findall(r'data-figure="[^"]+">(.*?)</script>', page, flags=re.DOTALL)
    assert len(payloads) == len(set(payloads))


def test_five_hundred_trials_take_less_than_five_megabytes(tmp_path: Path) -> None:
    records = make_records(seeds=6, trials=28, retrain=0)
    assert len(records.trials) >= 500
    write_report([records], tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 3_000_000


def test_the_same_records_make_the_same_file(hostile: Records, page: str) -> None:
    assert render([hostile]) == page


def test_both_reports_say_who_used_the_prior() -> None:
    note = "Prior, guesses for lr: used by priorband, ignored by random."
    records = make_records(seeds=2, trials=4, retrain=0)
    told = dataclasses.replace(records, provenance={**records.provenance, "prior": note})
    assert note in render([told])
    assert note in markdown_report(told)
    assert "guesses for" not in render([records])


def test_several_studies_are_ranked_together() -> None:
    studies = [make_records(name=f"study-{i}", seeds=[i, i + 5], trials=4, retrain=0) for i in range(2)]
    text = render(studies)
    assert "Over all studies" in text
    assert "Friedman chi-square" in text
    assert 'data-figure="all-critical-difference"' in text
    assert [f'<article id="s{i}">' in text for i in range(2)] == [True] * 2


def test_a_report_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one study"):
        write_report([], tmp_path / "report.html")


CHOOSE = """
const wait = setInterval(() => {
  if (document.documentElement.dataset.drawn !== "yes") return;
  clearInterval(wait);
  const select = document.querySelector("select[data-axis=x]");
  select.value = "2";
  select.dispatchEvent(new Event("change"));
  document.querySelector("table.sortable th:nth-child(2)").click();
  const chart = document.getElementById("s0-pair");
  document.documentElement.dataset.chosen = chart.layout.xaxis.title.text;
  document.documentElement.dataset.plots = document.querySelectorAll(".plot .main-svg").length;
}, 50);
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_draws_everything_without_a_word_on_its_console(page: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page.replace("</body>", f"<script>{CHOOSE}</script></body>"), encoding="utf-8")
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", f"file://{file}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    words = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert words == []
    root = re.search(r"<html[^>]*>", done.stdout)
    assert root is not None
    assert 'data-drawn="yes"' in root[0]
    assert 'data-chosen="rate"' in root[0]
    assert "<title>synthetic" in done.stdout
    assert done.stdout.count("main-svg") >= page.count("data-figure=")
