"""The report of a design: heatmaps of full trainings only, figures, tables, and the pages to hand in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hypertune.api import Result, write_outputs
from hypertune.records.records import Records
from hypertune.report.designs import by_level, heatmap
from hypertune.report.figures import figures
from hypertune.report.html import render
from hypertune.report.markdown import markdown_report
from tests.comparison.designed import design_study, designed
from tests.comparison.synthetic import make_records

SPACE: dict[str, Any] = {
    "lr": {"grid_search": [1e-4, 1e-3, 1e-2]},
    "width": {"grid_search": [1, 2, 4, 8]},
    "norm": {"grid_search": ["none", "batch"]},
}
HYPOTHESES = ["batch > none", "accuracy increases with width", "accuracy peaks inside lr"]


def value(config: dict[str, Any], epoch: int) -> float:
    return 0.5 + 0.02 * float(config["width"]) + 0.1 * float(config["norm"] == "batch") - 10 * float(config["lr"])


@pytest.fixture(scope="module")
def records() -> Records:
    return designed(design_study(SPACE, hypotheses=HYPOTHESES, seeds=3), value)


def test_a_heatmap_has_a_panel_per_level_of_the_third_factor(records: Records) -> None:
    chart = heatmap(records)
    assert [note.text for note in chart.layout.annotations] == ["norm = none", "norm = batch"]
    assert len(chart.data) == 2
    none, batch = chart.data
    assert (none.x, none.y) == (("1", "2", "4", "8"), ("1e-4", "1e-3", "0.01"))
    assert none.z[0][1] == pytest.approx(0.5 + 0.04 - 0.001, abs=0.005)
    assert batch.z[0][1] - none.z[0][1] == pytest.approx(0.1, abs=0.005)


def test_the_axes_of_a_heatmap_can_be_chosen(records: Records) -> None:
    chart = heatmap(records, "norm", "lr")
    assert len(chart.data) == 4
    with pytest.raises(ValueError, match="heatmap: 'depth' is not varied by the study; varied: lr, width, norm"):
        heatmap(records, "depth")


def test_a_heatmap_of_early_stopped_trials_is_refused_with_the_reason() -> None:
    stopped = make_records()
    count = (stopped.trials["status"] == "stopped").sum()
    assert count > 0
    with pytest.raises(ValueError, match=rf"refused, {count} of \d+ trials were stopped early, .* of 9 epochs"):
        heatmap(stopped)
    assert "No heatmap: refused" in render([stopped])
    with pytest.raises(ValueError, match=r"heatmap: needs a \[design\] in the study file"):
        heatmap(make_records(strategies=["random"]))


def test_every_factor_has_a_figure_and_learning_rates_lie_on_a_log_axis(records: Records) -> None:
    drawn = figures(records)
    assert list(drawn) == [
        "heatmap", "level-lr", "level-width", "level-norm", "cells", "trade_off", "learning", "timeline",
    ]  # fmt: skip
    places = by_level(records, "lr").layout.xaxis.tickvals
    assert places == pytest.approx((0, 1, 2))
    assert by_level(records, "lr").layout.xaxis.ticktext == ("1e-4", "1e-3", "0.01")


def test_the_html_report_of_a_design_says_its_findings(records: Records) -> None:
    page = render([records])
    heads = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert heads[:3] == ["What can be concluded", "The configurations", "Figures"]
    for said in ("design of experiments", "Of 3 hypotheses: 2 supported and 1 refuted.", "Two-way interactions"):
        assert said in page


def test_the_markdown_report_has_its_numbers_and_fits_on_three_pages() -> None:
    space = {name: {"grid_search": [2**i for i in range(11)]} for name in ("units1", "width")}
    study = design_study(space, seeds=3, hypotheses=["accuracy increases with units1"], training={"max_epochs": 1})
    text = markdown_report(designed(study, lambda config, epoch: 0.5 + 0.001 * config["units1"], noise=0.001))
    assert "| accuracy increases with units1 | supported |" in text
    assert "121 cells" in text or "363 runs" in text
    # A line of 110 characters, 50 lines on a page: table rows and paragraphs as they print.
    printed = sum(max(1, -(-len(line) // 110)) for line in text.splitlines())
    assert printed <= 150
    for head in ("## Findings", "## Effects", "## What was not tested", "## How it was run"):
        assert head in text


def test_the_markdown_report_of_a_comparison() -> None:
    text = markdown_report(make_records(hypotheses=["hyperopt > random"]))
    assert "| hyperopt > random |" in text
    assert "No heatmap: refused" in text
    assert "| strategy |" in text


def test_a_design_without_a_finished_seed_still_has_its_report(tmp_path: Path) -> None:
    study = design_study(SPACE, hypotheses=HYPOTHESES, seeds=1)
    nothing = designed(study, value, absent=(0,))
    write_outputs(nothing, tmp_path)
    for name in ("report.html", "report.md", "comparison.md", "experiment_summary.csv"):
        assert (tmp_path / name).stat().st_size > 0, name
    assert "no seed has run every cell" in (tmp_path / "report.md").read_text()


def test_the_python_interface_gives_the_heatmap(records: Records) -> None:
    result = Result(Path("unused"), records)
    assert len(result.heatmap("width", "lr").data) == 2
    assert [finding.verdict for finding in result.findings] == ["supported", "supported", "refuted"]
    assert result.summary["recommended"].sum() == 1
