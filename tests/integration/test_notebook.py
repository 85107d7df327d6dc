"""A notebook really executed: the display that updates itself leaves one output, and the result shows itself."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

CODE = """
from ray import tune
from hypertune import compare

def train(config):
    if config["lr"] > 0.09:
        raise ValueError("too large")
    for epoch in range(3):
        tune.report({"loss": config["lr"] / (epoch + 1)})

result = compare(
    trainable=train, space={"lr": tune.loguniform(1e-4, 1e-1)}, strategies=["random", "asha"],
    metric="loss", mode="min", max_epochs=3, budget={"trials": 4}, seeds=2, out="study",
)
"""


@pytest.mark.slow
def test_a_study_in_a_notebook(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(CODE), nbformat.v4.new_code_cell("result")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=200, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    study, shown = (cell.outputs for cell in notebook.cells)
    displays = [output for output in study if output.output_type == "display_data"]
    assert len(displays) == 1, [output.output_type for output in study]
    text = displays[0]["data"]["text/plain"]
    for part in ("Ray is up: ", "dashboard http", "[4/4]", "Report: study/report.html"):
        assert part in text
    html = displays[0]["data"]["text/html"]
    assert "<svg" in html  # what was found, drawn as it came
    assert "<progress" not in html  # all is done, so that nothing is left to wait for
    assert 'href="http' in html
    (result,) = shown
    assert result.output_type == "execute_result"
    assert "Result of train, finished" in result["data"]["text/plain"]
    assert "<table" in result["data"]["text/html"]
