"""Surrogates of YAHPO Gym (Pfisterer et al., AutoML-Conf 2022) as tables of learning curves.

A surrogate is a neural network in ONNX that predicts the metrics of a configuration after a number of epochs. It
predicts whole curves of random configurations of the study's space, which a simulation reads as recorded ones.
The files are those of https://github.com/slds-lmu/yahpo_data: `lcbench/model_v2.onnx`, with `encoding.json` beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.installed import install_hint
from hypertune.simulation.columns import CONFIG
from hypertune.simulation.published import metric_name
from hypertune.space.space import flatten
from hypertune.strategies.random import draw
from hypertune.study.study import Study

ENDING = ".onnx"
CONFIGS = 2000
"""Number of random configurations; LCBench recorded as many for each data set."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """The inputs and outputs of a family's surrogate, in its own order.

    Attributes:
        numeric, categorical: inputs, `epoch` first; the first categorical one selects the data set.
        outputs: the predicted quantities.
        seconds: the output that is the training time so far.
        fixed: inputs that are not hyperparameters.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    outputs: tuple[str, ...]
    seconds: str
    fixed: Mapping[str, float] = field(default_factory=dict)

    @property
    def hyperparameters(self) -> set[str]:
        return {*self.numeric[1:], *self.categorical[1:]} - set(self.fixed)


SCENARIOS = {
    "lcbench": Scenario(
        numeric=(
            "epoch", "batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units",
            "max_dropout",
        ),
        categorical=("OpenML_task_id",),
        outputs=(
            "time", "val_accuracy", "val_cross_entropy", "val_balanced_accuracy", "test_cross_entropy",
            "test_balanced_accuracy",
        ),
        seconds="time",
    ),
    "fcnet": Scenario(
        numeric=("epoch", "replication", "batch_size", "dropout_1", "dropout_2", "init_lr", "n_units_1", "n_units_2"),
        categorical=("task", "activation_fn_1", "activation_fn_2", "lr_schedule"),
        outputs=("valid_loss", "valid_mse", "runtime", "n_params"),
        seconds="runtime",
        fixed={"replication": 1.0},
    ),
}  # fmt: skip
"""The families whose fidelity is the epoch, by the name of their folder."""


def read_onnx(path: Path, dataset: str | None, study: Study) -> pd.DataFrame:
    """Predicted curves of `CONFIGS` configurations of the study's space, long form, for all its epochs.

    Args:
        path: the surrogate, in a folder with the scenario's name.
        dataset: one of its data sets, e.g. an OpenML task.

    Raises:
        ValueError: one line naming the file, what is wrong, and the remedy.
    """
    scenario = SCENARIOS.get(path.parent.name)
    if scenario is None:
        raise ValueError(
            f"--curves {path}: its folder must have the name of a YAHPO Gym scenario, one of {', '.join(SCENARIOS)}"
        )
    encoding = _encoding(path)
    task = _code(encoding, scenario.categorical[0], dataset, f"--curves {path}#NAME: ")
    rng = np.random.default_rng(0)
    configs = [flatten(draw(study.space, rng)) for _ in range(CONFIGS)]
    _check_space(configs[0], scenario, path)
    epochs = study.training.max_epochs
    numeric, categorical = _inputs(configs, scenario, encoding, task, epochs)
    predicted = _predict(path, categorical, numeric, len(scenario.outputs))
    return _table(configs, predicted.reshape(CONFIGS, epochs, -1), scenario)


def _encoding(path: Path) -> Mapping[str, Mapping[str, int]]:
    """Category to code for each categorical input; later versions of a model have their own file."""
    own = path.with_name(path.stem.replace("model", "encoding") + ".json")
    file = own if own.is_file() else path.with_name("encoding.json")
    try:
        encoding: Mapping[str, Mapping[str, int]] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ValueError(f"--curves {path}: its {file.name} cannot be read ({reason}); copy it there") from None
    return encoding


def _code(encoding: Mapping[str, Mapping[str, int]], name: str, value: Any, where: str) -> int:
    known = encoding.get(name, {})
    if str(value) not in known:
        options = ", ".join(option for option in known if not option.startswith("#"))
        raise ValueError(f"{where}{name} must be one of {options or 'nothing'}, got {value!r}")
    return known[str(value)]


def _check_space(config: Mapping[str, Any], scenario: Scenario, path: Path) -> None:
    unknown, missing = sorted(set(config) - scenario.hyperparameters), sorted(scenario.hyperparameters - set(config))
    if unknown or missing:
        fault = f"has no {', '.join(unknown)}" if unknown else f"needs {', '.join(missing)}"
        names = ", ".join(sorted(scenario.hyperparameters))
        raise ValueError(f"study.space: {path.parent.name} {fault}; its hyperparameters are {names}")


def _inputs(
    configs: Sequence[Mapping[str, Any]],
    scenario: Scenario,
    encoding: Mapping[str, Mapping[str, int]],
    task: int,
    epochs: int,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """One row per configuration and epoch: numbers, shape (K * E, numeric), and codes, shape (K * E, categorical)."""
    settings = [{**config, **scenario.fixed} for config in configs]
    numbers = np.array([[float(config[name]) for name in scenario.numeric[1:]] for config in settings], np.float32)
    codes = [
        [task, *(_code(encoding, name, config[name], "study.space.") for name in scenario.categorical[1:])]
        for config in settings
    ]
    epoch = np.tile(np.arange(1, epochs + 1, dtype=np.float32), len(configs))
    numeric = np.column_stack([epoch, np.repeat(numbers, epochs, axis=0)])
    return numeric, np.repeat(np.array(codes, np.int32), epochs, axis=0)


def _predict(
    path: Path, categorical: NDArray[np.int32], numeric: NDArray[np.float32], outputs: int
) -> NDArray[np.float64]:
    """The surrogate's predictions, shape (rows, outputs)."""
    try:
        import onnxruntime
    except ImportError:
        raise ValueError(f"--curves {path}: needs onnxruntime; {install_hint('yahpo')}") from None
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        first, second = (one.name for one in session.get_inputs())
        predicted = np.asarray(session.run(None, {first: categorical, second: numeric})[0], dtype=np.float64)
    except Exception as error:  # noqa: BLE001 -- onnxruntime's errors have no common class of their own
        raise ValueError(f"--curves {path}: not a surrogate of YAHPO Gym ({str(error).splitlines()[0]})") from None
    if predicted.shape != (len(numeric), outputs):
        raise ValueError(
            f"--curves {path}: predicts {predicted.shape[-1]} numbers instead of the {outputs} of {path.parent.name}"
        )
    return predicted


def _table(configs: list[dict[str, Any]], predicted: NDArray[np.float64], scenario: Scenario) -> pd.DataFrame:
    """The long form of predictions of shape (K, E, outputs)."""
    count, epochs, _ = predicted.shape
    columns = dict(zip(scenario.outputs, np.moveaxis(predicted, 2, 0), strict=True))
    # Predictions of neighbouring epochs are independent, but the time so far must not decrease.
    elapsed_s = np.maximum.accumulate(np.maximum(columns.pop(scenario.seconds), 0.0), axis=1)
    frame = pd.DataFrame({metric_name(name): values.ravel() for name, values in columns.items()})
    settings = pd.DataFrame(configs).add_prefix(CONFIG)
    frame = frame.assign(
        config_id=np.repeat(np.arange(count), epochs), epoch=np.tile(np.arange(1, epochs + 1), count),
        elapsed_s=elapsed_s.ravel(),
    )  # fmt: skip
    return frame.join(settings.loc[settings.index.repeat(epochs)].reset_index(drop=True))
