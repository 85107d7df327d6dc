"""Figures as picture files."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from hypertune.report import images
from tests.comparison.synthetic import make_records


def test_without_the_extra_the_remedy_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs kaleido to draw pictures; `.*(--extra figures|kaleido)"):
        images.write_images(make_records(), tmp_path, "svg")


@pytest.mark.skipif(find_spec("kaleido") is None, reason="needs the extra `figures`")
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_every_figure_becomes_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = dict(list(images.figures(make_records()).items())[:2])
    monkeypatch.setattr(images, "figures", lambda records: two)
    paths = images.write_images(make_records(), tmp_path / "figures", "svg")
    assert [path.stem for path in paths] == list(two)
    assert all(path.read_text().startswith("<svg") for path in paths)
