"""Published tables in JSON become the long-form table of the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hypertune.simulation.published import read_json
from hypertune.simulation.recordings import read
from tests.sweep.scripted import make_study


def lcbench_run(lr: float) -> dict[str, Any]:
    """A run as LCBench logs it: before training, three epochs, and the last one once more."""
    return {
        "config": {"lr": lr, "width": 4, "optimizer": "sgd", "cosine_annealing_T_max": 50},
        "results": {"final_val_accuracy": 70.0},
        "log": {
            "epoch": [0, 1, 2, 3, 3],
            "time": [0.5, 2.0, 4.0, 6.0, 6.5],
            "Train/loss": [2.0, 1.0, 0.5, 0.4, 0.4],
            "Train/val_accuracy": [10.0, 50.0, 60.0, 70.0, 70.0],
            "Train/val_cross_entropy": [2.0, 1.0, 0.9, 0.8, 0.8],
            "Train/test_result": [10.0, 49.0, 59.0, 69.0, 69.0],
            "Train/layer_wise/gradient_mean": [0.0] * 5,
        },
    }


TASKSET = [
    {"hp": {"lr": 0.01 * n, "width": n}, **{s: {"loss": [3.0, 2.0, 1.0]} for s in ("train", "valid", "test")}}
    for n in (1, 2)
]


def write(folder: Path, content: Any) -> Path:
    path = folder / "table.json"
    path.write_text(json.dumps(content))
    return path


def test_lcbench_without_its_first_and_its_repeated_row(tmp_path: Path) -> None:
    frame = read_json(write(tmp_path, {"Fashion-MNIST": {"0": lcbench_run(0.01), "7": lcbench_run(0.02)}}), None)
    assert frame["config_id"].tolist() == [0, 0, 0, 7, 7, 7]
    assert frame["epoch"].tolist() == [1, 2, 3] * 2
    assert frame["elapsed_s"].tolist() == [2.0, 4.0, 6.0] * 2
    assert frame["valid_accuracy"].tolist() == [50.0, 60.0, 70.0] * 2
    assert {"loss", "valid_loss", "test_accuracy", "config/lr", "config/optimizer"} <= set(frame)


def test_a_study_reads_one_of_several_data_sets(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": {"0": lcbench_run(0.01)}, "b": {"0": lcbench_run(0.02), "1": lcbench_run(0.03)}})
    study = make_study(metric="valid_accuracy")
    study = study.replace(training=type(study.training)(trainable="recorded", max_epochs=3))
    table = read(Path(f"{path}#b"), study)
    assert table.configs == [{"lr": 0.02, "width": 4}, {"lr": 0.03, "width": 4}]
    assert table.seconds.tolist() == [[2.0, 2.0, 2.0]] * 2
    with pytest.raises(ValueError, match=r"holds several data sets; give --curves .*#NAME with one of a, b"):
        read(path, study)
    with pytest.raises(ValueError, match=r"has no data set 'c'; give"):
        read(Path(f"{path}#c"), study)


def test_taskset_counts_every_evaluation_as_a_second(tmp_path: Path) -> None:
    frame = read_json(write(tmp_path, TASKSET), None)
    assert frame["elapsed_s"].tolist() == [1.0, 2.0, 3.0] * 2
    assert frame["valid_loss"].tolist() == [3.0, 2.0, 1.0] * 2
    assert frame["config/width"].tolist() == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("content", ["nonsense", 3, {"a": {"0": {"log": {}}}}, [{"hp": {}}], {"a": 3}])
def test_other_json_is_refused_in_one_line(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ValueError, match=r"--curves .*table.json: neither LCBench's JSON") as error:
        read_json(write(tmp_path, content), None)
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "table.json").write_text("{")
    with pytest.raises(ValueError, match=r"table.json: cannot be read as JSON"):
        read_json(tmp_path / "table.json", None)
