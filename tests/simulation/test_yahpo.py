"""Surrogates of YAHPO Gym as learning curves; the network here is made up, with the published inputs and outputs."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hypertune.commands.cli import main
from hypertune.simulation.recordings import read
from hypertune.simulation.yahpo import SCENARIOS
from hypertune.study.study import Study

ENCODING = {"OpenML_task_id": {"#na#": 0, "189906": 1, "3945": 2}}
WEIGHTS = np.zeros((9, 6), np.float32)
WEIGHTS[1, 0] = 2.0  # time: two seconds an epoch
WEIGHTS[0, 1] = 10.0  # val_accuracy: ten times the task's code, plus the epoch, plus ten times the dropout
WEIGHTS[1, 1] = 1.0
WEIGHTS[8, 1] = 10.0
WEIGHTS[3, 4] = 1.0  # test_cross_entropy: the learning rate


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "lcbench"
    folder.mkdir()
    (folder / "encoding.json").write_text(json.dumps(ENCODING))
    write(folder / "model_v2.onnx", WEIGHTS)
    return folder / "model_v2.onnx"


def write(path: Path, weights: Any) -> None:
    """A linear network on the code and the numbers."""
    tensor, real, code = helper.make_tensor_value_info, TensorProto.FLOAT, TensorProto.INT32
    nodes = [
        helper.make_node("Cast", ["cat"], ["codes"], to=real),
        helper.make_node("Concat", ["codes", "cont"], ["all"], axis=1),
        helper.make_node("MatMul", ["all", "weights"], ["out"]),
    ]
    inputs = [tensor("cat", code, ["n", 1]), tensor("cont", real, ["n", 8])]
    outputs = [tensor("out", real, ["n", weights.shape[1]])]
    graph = helper.make_graph(nodes, "surrogate", inputs, outputs, [numpy_helper.from_array(weights, "weights")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    path.write_bytes(made.SerializeToString())
    onnx.checker.check_model(made)


def study(**changes: Any) -> Study:
    return Study.load("lcbench_fashion_mnist").replace(**changes)


def test_curves_are_what_the_network_says_of_configurations_of_the_space(model: Path) -> None:
    found = read(Path(f"{model}#189906"), study())
    assert found.values.shape == (2000, 50, len(found.names))
    assert set(found.names) == {
        "valid_accuracy", "valid_loss", "valid_balanced_accuracy", "test_loss", "test_balanced_accuracy",
    }  # fmt: skip
    accuracy = found.values[:, :, found.names.index("valid_accuracy")]
    dropout = np.array([config["max_dropout"] for config in found.configs])
    assert accuracy == pytest.approx(10 + np.arange(1, 51) + 10 * dropout[:, None], rel=1e-4)
    assert found.seconds == pytest.approx(np.full((2000, 50), 2.0))
    rates = [config["learning_rate"] for config in found.configs]
    assert found.values[:, 0, found.names.index("test_loss")] == pytest.approx(rates, rel=1e-4)


def test_time_never_runs_backwards(model: Path) -> None:
    weights = WEIGHTS.copy()
    weights[1, 0] = -1.0
    write(model, weights)
    assert (read(Path(f"{model}#3945"), study()).seconds >= 0).all()


def test_a_simulation_runs_on_a_surrogate(model: Path, capsys: Any) -> None:
    options = ["--strategies", "random,asha", "--seeds", "2", "--budget", "epochs=300", "--processes", "1"]
    curves = f"{model}#189906"
    out = model.parent / "out"
    assert main(["simulate", "lcbench_fashion_mnist", "--curves", curves, *options, "--out", str(out)]) == 0
    assert json.loads((out / "provenance.json").read_text())["simulation"]["curves"] == curves


@pytest.mark.parametrize(
    ("task", "changes", "said"),
    [
        ("", {}, "OpenML_task_id must be one of 189906, 3945, got None"),
        ("#7", {}, "OpenML_task_id must be one of 189906, 3945, got '7'"),
        ("#3945", {"space": {"lr": 1}}, "study.space: lcbench has no lr; its hyperparameters are batch_size, "),
        ("#3945", {"space": "less"}, "study.space: lcbench needs momentum; its hyperparameters are batch_size, "),
    ],
)
def test_what_does_not_fit_is_named(model: Path, task: str, changes: dict[str, Any], said: str) -> None:
    asked = study()
    if changes:
        table = asked.space.to_toml()
        if changes["space"] == "less":
            del table["momentum"]
        else:
            table = {"lr": {"uniform": [0.0, 1.0]}}
        asked = asked.replace(space=type(asked.space).parse(table))
    with pytest.raises(ValueError, match="study.space|OpenML") as error:
        read(Path(f"{model}{task}"), asked)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_damaged_and_missing_files_are_one_line(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curves = Path(f"{model}#3945")
    write(model, WEIGHTS[:, :3])
    with pytest.raises(ValueError, match="predicts 3 numbers instead of the 6 of lcbench"):
        read(curves, study())
    model.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"--curves .*: not a surrogate of YAHPO Gym \("):
        read(curves, study())
    real = builtins.__import__

    def without(name: str, *rest: Any, **others: Any) -> Any:
        if name == "onnxruntime":
            raise ImportError(name)
        return real(name, *rest, **others)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", without)
        with pytest.raises(ValueError, match=r"needs onnxruntime; `uv (sync --extra yahpo|pip install)|pip install"):
            read(curves, study())
    (model.parent / "encoding.json").unlink()
    with pytest.raises(ValueError, match=r"its encoding.json cannot be read"):
        read(curves, study())
    with pytest.raises(ValueError, match=f"one of {', '.join(SCENARIOS)}"):
        read(Path("elsewhere/model.onnx#1"), study())
