"""Figures as picture files, and the report as PDF, really drawn by a browser."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from hypertune.commands.cli import main
from hypertune.records.records import Records
from hypertune.report import images
from hypertune.report.browser import NAMED_BY, find_browser, print_pdf
from hypertune.report.html import write_report
from tests.comparison.synthetic import make_records

needs_browser = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")


@pytest.fixture(scope="module")
def records() -> Records:
    return make_records(seeds=3, strategies=["random", "asha", "hyperopt"])


def test_without_a_browser_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("hypertune.report.browser.shutil.which", lambda name: None)
    with pytest.raises(ValueError, match=r"--pdf: needs Chromium or Chrome, and none is on the PATH; install one"):
        find_browser("--pdf")
    monkeypatch.setenv(NAMED_BY, "/no/such/browser")
    with pytest.raises(ValueError, match=f"{NAMED_BY}: /no/such/browser is no program"):
        find_browser("--pdf")


def test_the_size_of_no_pictures_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path), "--size", "slide"]) == 2
    assert "--size: is of the pictures" in capsys.readouterr().err


@needs_browser
def test_every_figure_becomes_a_picture_of_the_size_asked_for(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    two = dict(list(images.figures(records).items())[:2])
    monkeypatch.setattr(images, "figures", lambda records: two)
    paths = images.write_images(records, tmp_path / "figures", "svg")
    assert [path.stem for path in paths] == list(two)
    assert all(path.read_text().startswith("<svg") and 'width="700"' in path.read_text() for path in paths)
    assert (tmp_path / "figures" / "captions.md").read_text().count("**") == 2 * len(two)
    slides = images.write_images(records, tmp_path / "slides", "png", "slide")
    assert Image.open(io.BytesIO(slides[0].read_bytes())).size == (1920, 1080)


@needs_browser
@pytest.mark.slow
def test_figures_as_pdf_are_one_page_each(records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pypdfium2

    one = dict(list(images.figures(records).items())[:1])
    monkeypatch.setattr(images, "figures", lambda records: one)
    (path,) = images.write_images(records, tmp_path, "pdf")
    document = pypdfium2.PdfDocument(path)
    assert len(document) == 1
    assert document[0].get_width() == pytest.approx(700 * 0.75, abs=1)


@needs_browser
@pytest.mark.slow
def test_the_printed_report_has_whole_figures_and_is_small(records: Records, tmp_path: Path) -> None:
    import numpy as np
    import pypdfium2

    page, pdf = tmp_path / "report.html", tmp_path / "report.pdf"
    write_report([records], page)
    print_pdf(page, pdf, "--pdf")
    assert pdf.stat().st_size < 2_000_000
    document = pypdfium2.PdfDocument(pdf)
    texts = [document[i].get_textpage().get_text_range() for i in range(len(document))]
    heads = ["What can be concluded", "Figures", "How it was run"]
    assert [next(i for i, text in enumerate(texts) if head in text) for head in heads] == sorted(
        {next(i for i, text in enumerate(texts) if head in text) for head in heads}
    ), "each of these sections begins a page of its own"
    # Nothing is drawn in the margins: a figure that is cut reaches the edge of the sheet.
    for i in range(len(document)):
        ink = np.asarray(document[i].render(scale=1, grayscale=True).to_pil())
        edge = round(12 * 72 / 25.4)
        assert ink[:, :edge].min() > 250, i
        assert ink[:, -edge:].min() > 250, i
    assert any("epochs spent by the sweep" in text for text in texts)
