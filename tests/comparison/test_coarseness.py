"""What is said of a validation split so small that its images can be counted in the metric."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hypertune.api import write_outputs
from hypertune.comparison.coarseness import validation_images
from hypertune.comparison.verdict import conclusion
from hypertune.records import records
from hypertune.records.provenance import write_provenance
from hypertune.records.records import Records
from hypertune.report.markdown import markdown_report
from tests.comparison.designed import design_study, designed
from tests.comparison.synthetic import make_records

SENTENCE = (
    "The validation split has 57 images: one image is 0.0175 of valid_accuracy, the least by which two trainings can "
    "differ."
)


def judged_on(images: Any, facts: Records | None = None, **options: Any) -> Records:
    facts = facts or make_records(**options)
    return replace(facts, provenance={**facts.provenance, "images": images})


@pytest.mark.parametrize("options", [{}, {"seeds": 1}, {"strategies": ["hyperopt"]}], ids=["several", "seed", "one"])
def test_with_fewer_than_100_images_the_conclusion_says_how_coarse_the_metric_is(options: dict[str, Any]) -> None:
    assert SENTENCE in conclusion(judged_on({"train": 500, "valid": 57, "test": 60}, **options))


def test_so_does_that_of_a_design() -> None:
    assert SENTENCE in conclusion(
        judged_on(
            {"valid": 57},
            designed(design_study({"norm": {"grid_search": ["none", "batch"]}}), lambda config, epoch: 0.5),
        )
    )


def test_with_100_or_more_only_the_report_does(tmp_path: Path) -> None:
    facts = judged_on({"train": 1150, "valid": 287, "test": 360})
    assert "validation split has" not in conclusion(facts)
    write_outputs(facts, tmp_path)
    assert "The validation split has 287 images: one image is 0.00348 of" in (tmp_path / "report.html").read_text()
    assert "on 287 images held out for validation" in markdown_report(facts)


def test_nothing_is_said_where_the_size_is_not_recorded() -> None:
    facts = make_records()
    assert "validation split has" not in conclusion(facts)
    assert "10 % of the training data held out for validation" in markdown_report(facts)
    for images in (None, {}, {"valid": None}, {"valid": 0}, {"valid": "57"}, [57]):
        assert validation_images(judged_on(images, facts)) is None


def test_nothing_is_said_of_other_metrics() -> None:
    facts = judged_on({"valid": 57}, metric="valid_loss", mode="min")
    assert "validation split has" not in conclusion(facts)


def test_sizes_are_read_from_the_folder(tmp_path: Path) -> None:
    facts = judged_on({"train": 500, "valid": 57, "test": 60})
    (tmp_path / "study.toml").write_text(facts.study.to_toml())
    facts.trials.to_csv(tmp_path / "trials.csv", index=False)
    facts.curves.to_parquet(tmp_path / "curves.parquet", index=False)
    write_provenance(tmp_path, facts.provenance, facts)
    assert SENTENCE in conclusion(records.read(tmp_path))
