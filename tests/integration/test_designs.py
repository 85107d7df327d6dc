"""A design on a real local Ray: every cell with every seed, in full, with what is kept of every trial."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hypertune import Study, compare

STUDY = """
[study]
name = "designed"
seeds = 3
metric = "score"
mode = "max"
hypotheses = ["score increases with width", "width = 8 > width = 1 by 0.01", "score peaks inside lr"]
[training]
trainable = "tests.integration.trainables:objective"
max_epochs = 9
[space]
lr = { grid_search = [1e-3, 1e-2, 1e-1] }
width = { grid_search = [1, 2, 8] }
[design]
kind = "grid"
epochs = [3, 9]
[logging]
configs = true
tensorboard = true
"""

pytestmark = pytest.mark.usefixtures("local_ray")


def test_a_grid_runs_every_cell_in_full_with_every_seed(tmp_path: Path) -> None:
    result = compare(Study.parse(tomllib.loads(STUDY)), out=tmp_path / "out")
    assert set(result.trials["status"]) == {"completed"}
    assert (result.trials["epochs"] == 9).all()
    cells = result.trials.groupby(["seed", "config/lr", "config/width"]).size()
    assert len(cells) == 3 * 9
    assert (cells == 1).all()
    orders = result.trials.groupby("seed")["config/lr"].apply(tuple)
    assert orders.nunique() > 1, "every seed runs the cells in the same order"
    # A trainable without randomness: equal for all seeds, so that whatever is true is certain.
    assert [finding.verdict for finding in result.findings] == ["supported"] * 3
    assert len(result.summary) == 9 * 2
    assert set(result.figures()) >= {"heatmap", "level-lr", "level-width", "level-epochs", "trade_off"}
    for name in ("report.html", "report.md", "experiment_summary.csv"):
        assert (tmp_path / "out" / name).stat().st_size > 0, name
    assert len(list((tmp_path / "out" / "configs").glob("*.toml"))) == 27
    assert len(list((tmp_path / "out" / "tensorboard").glob("*/events.*"))) == 27
