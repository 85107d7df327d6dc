"""Situations from public bug reports, each tried for real; `situations.md` lists them with their sources."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import functools
import json
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from ray import tune

from hypertune.space.space import Space
from tests.integration import brought

pytestmark = pytest.mark.usefixtures("local_ray")
PAGE = Path(__file__).parent / "situations.md"


study = functools.partial(brought.study, max_epochs=3, budget={"trials": 2})


def test_the_page_lists_tests_that_exist_and_sources() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(rows) >= 30
    folder = Path(__file__).parent
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert cells[0] == str(number)
        assert re.search(r"[\w.-]+/[\w.-]+#\d+", cells[2]), row
        file, _, test = cells[4].strip("` |").partition("::")
        name, _, case = test.partition("[")
        text = (folder / file).read_text()
        assert f"def {name}(" in text, row
        assert not case or f'"{case.rstrip("]")}"' in text or f"def {case.rstrip(']')}(" in text, row


# One study for all that a single trial can do ---------------------------------------------------------------------


def returns_a_dictionary(config: dict[str, Any]) -> Any:
    return {"loss": 0.5, "note": 3}


def reports_best_before_last(config: dict[str, Any]) -> None:
    for value in (3.0, 1.0, 2.0):
        tune.report({"loss": value})


def exits(config: dict[str, Any]) -> None:
    sys.exit(1)


def cannot_build_its_model(config: dict[str, Any]) -> None:
    raise ValueError("negative dimension\ncaused by subtracting 2 from 1")


def parses_the_command_line(config: dict[str, Any]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--needed", required=True)
    parser.parse_args()


def returns_an_object(config: dict[str, Any]) -> Any:
    return object()


def opens_a_relative_path(config: dict[str, Any]) -> None:
    Path("data.txt").read_text()


def writes_a_relative_path(config: dict[str, Any]) -> None:
    assert not Path("mine.txt").exists(), "another trial's file"
    Path("mine.txt").write_text("x")
    tune.report({"loss": 0.5})


def loads_data_with_processes(config: dict[str, Any]) -> None:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch.arange(8.0)), batch_size=4, num_workers=2)
    tune.report({"loss": float(sum(batch[0].sum() for batch in loader))})


def spawns_processes(config: dict[str, Any]) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        tune.report({"loss": float(sum(pool.map(abs, [-1, 2])))})


def puts_objects(config: dict[str, Any]) -> None:
    tune.report({"loss": ray.get(ray.put(0.5))})


def changes_its_configuration(config: dict[str, Any]) -> None:
    config.pop("what")
    config["extra"] = 1
    tune.report({"loss": 0.5})


def reports_more_than_numbers(config: dict[str, Any]) -> None:
    tune.report({"loss": np.array([0.5]), "confusion": np.eye(3), "names": ["a"], "deep": {"er": {"n": 2}}})


def reports_by_keyword(config: dict[str, Any]) -> None:
    tune.report(loss=0.5)


def handles_signals(config: dict[str, Any]) -> None:
    signal.signal(signal.SIGUSR1, lambda *_: None)


def reports_through_train(config: dict[str, Any]) -> None:
    from ray import train

    train.report({"loss": 0.5})


def starts_tasks(config: dict[str, Any]) -> None:
    @ray.remote
    def score() -> float:
        return 0.5

    tune.report({"loss": ray.get(score.remote())})


EXPECTED: dict[Callable[[dict[str, Any]], Any], float | str] = {
    returns_a_dictionary: 0.5,
    reports_best_before_last: 1.0,
    exits: "SystemExit: 1",
    cannot_build_its_model: "ValueError: negative dimension | caused by subtracting 2 from 1",
    parses_the_command_line: "SystemExit: 2",
    returns_an_object: "ValueError: Invalid return or yield value",
    opens_a_relative_path: "data.txt' (a trial runs in a folder of its own: use an absolute path)",
    writes_a_relative_path: 0.5,
    loads_data_with_processes: 28.0,
    spawns_processes: 3.0,
    puts_objects: 0.5,
    changes_its_configuration: 0.5,
    reports_more_than_numbers: 0.5,
    reports_by_keyword: '(tune.report takes a dictionary: tune.report({"loss": loss}))',
    handles_signals: "(a function trains in a thread: set signal handlers in a class derived from tune.Trainable)",
    reports_through_train: "(use ray.tune's function of the same name, e.g. tune.report or tune.get_checkpoint)",
    starts_tasks: "no resources are reserved for the task score that the trial starts",
}
"""What a trial does, and the best loss that stands in the table, or what its error says."""
NAMES = {does.__name__: does for does in EXPECTED}


def do_it(config: dict[str, Any]) -> Any:
    return NAMES[config["what"]](config)


@pytest.fixture(scope="module")
def trials(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of each case a row of `trials.csv`; each is tried twice, the second time by a process that has run others."""
    space = {"what": tune.grid_search(list(NAMES)), "again": tune.grid_search([1, 2])}
    out = tmp_path_factory.mktemp("situations") / "out"
    result = study(out, do_it, space, strategies=["grid"], budget={"trials": 2 * len(NAMES)}, give_up_after=100)
    frame = result.records.trials
    return {what: frame[[result.records.configs[name]["what"] == what for name in frame["trial_id"]]] for what in NAMES}


@pytest.mark.parametrize("what", list(NAMES))
def test_a_trial_that(what: str, trials: dict[str, Any]) -> None:
    rows, expected = trials[what], EXPECTED[NAMES[what]]
    assert len(rows) == 2
    if isinstance(expected, str):
        assert rows["status"].tolist() == ["failed", "failed"]
        for error in rows["error"]:
            assert expected in error
            assert "\n" not in error
    else:
        assert rows["status"].tolist() == ["completed", "completed"]
        assert rows["loss"].tolist() == [expected, expected]


# What is passed to compare ----------------------------------------------------------------------------------------


@dataclasses.dataclass
class Base:
    depth: int = 2


@pytest.mark.slow
def test_objects_as_constants(tmp_path: Path) -> None:
    def train(config: dict[str, Any]) -> None:
        assert isinstance(config["arguments"], argparse.Namespace)
        tune.report({"loss": config["arguments"].width * config["base"].depth})

    space = {"lr": tune.uniform(0, 1), "arguments": argparse.Namespace(width=3), "base": Base()}
    result = study(tmp_path / "out", train, space)
    assert result.best.value == 6.0
    assert result.best.config["arguments"] == argparse.Namespace(width=3)


class Experiment:
    scale = 2

    def train(self, config: dict[str, Any]) -> None:
        tune.report({"loss": self.scale})

    def __call__(self, config: dict[str, Any]) -> None:
        self.train(config)


def scaled(config: dict[str, Any], scale: int, unused: int = 1) -> None:
    tune.report({"loss": scale})


def generates(config: dict[str, Any]) -> Iterator[dict[str, float]]:
    yield from ({"loss": value} for value in (4.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("trainable", "epochs"),
    [
        pytest.param(functools.partial(scaled, scale=2), 1, id="partial", marks=pytest.mark.slow),
        pytest.param(Experiment().train, 1, id="method", marks=pytest.mark.slow),
        pytest.param(Experiment(), 1, id="object", marks=pytest.mark.slow),
        pytest.param(lambda config: {"loss": 2}, 1, id="lambda", marks=pytest.mark.slow),
        pytest.param(generates, 3, id="generator"),
    ],
)
def test_whatever_can_be_called(trainable: Any, epochs: int, tmp_path: Path) -> None:
    result = study(tmp_path / "out", trainable)
    assert result.best.value == 2.0
    assert result.records.trials["epochs"].tolist() == [epochs, epochs]


@pytest.mark.parametrize("trainable", [lambda: None, lambda model, data: None], ids=["none", "two"])
def test_a_function_without_a_configuration_is_refused(trainable: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has to take one argument, the configuration"):
        study(tmp_path / "out", trainable)


def test_a_returned_number_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'returns a number: return \{"loss": number\} instead'):
        study(tmp_path / "out", lambda config: config["lr"])


class Summed(tune.Trainable):
    def setup(self, config: dict[str, Any], data: Any = None) -> None:
        self.total = float(data.sum()) * config["factor"]

    def step(self) -> dict[str, Any]:
        return {"loss": self.total, "done": self.iteration >= 1}


def test_a_class_with_parameters_ends_when_it_says_so(tmp_path: Path) -> None:
    trainable = tune.with_parameters(Summed, data=np.arange(3))
    result = study(tmp_path / "out", trainable, {"factor": tune.grid_search([1, 2])}, strategies=["grid"])
    assert result.best.value == 3.0
    assert result.records.trials["epochs"].tolist() == [2, 2]


class Counts(tune.Trainable):
    """Starts from what it finds: state that another trial has left would show."""

    def setup(self, config: dict[str, Any]) -> None:
        self.count = getattr(self, "count", 0)

    def step(self) -> dict[str, Any]:
        self.count += 1
        return {"loss": float(self.count)}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return False


@pytest.mark.slow
def test_a_class_that_cannot_be_reset_is_made_anew(tmp_path: Path) -> None:
    result = study(tmp_path / "out", Counts, budget={"trials": 4})
    assert result.records.trials["loss"].tolist() == [1.0] * 4


class Unmade(tune.Trainable):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        raise ValueError("no licence\nfor this machine")


@pytest.mark.slow
def test_a_class_whose_constructor_raises_says_why(tmp_path: Path) -> None:
    result = study(tmp_path / "out", Unmade, give_up_after=1)
    (failure,) = result.records.failures
    assert "for this machine" in failure.error
    assert "no licence" in failure.traceback


@pytest.mark.slow
def test_compare_in_a_thread_and_in_a_coroutine(tmp_path: Path) -> None:
    async def main() -> Any:
        return study(tmp_path / "coroutine", generates)

    results = [asyncio.run(main())]
    thread = threading.Thread(target=lambda: results.append(study(tmp_path / "thread", generates)))
    thread.start()
    thread.join(120)
    assert [result.best.value for result in results] == [2.0, 2.0]


@pytest.mark.slow
def test_options_of_several_types(tmp_path: Path) -> None:
    def train(config: dict[str, Any]) -> None:
        frozen = {None: 0.5, "feature_extractor": 1.0, -1: 2.0, -2: 3.0}[config["freeze"]]
        tune.report({"loss": frozen + sum(config["kernel"])})

    space = {"freeze": tune.choice([None, "feature_extractor", -1, -2]), "kernel": tune.choice([(1, 2), (1, 3), (4,)])}
    result = study(tmp_path / "out", train, space, strategies=["optuna"], budget={"trials": 20})
    assert result.best.config == {"freeze": None, "kernel": (1, 2)}


@pytest.mark.slow
def test_one_name_in_two_branches(tmp_path: Path) -> None:
    def train(config: dict[str, Any]) -> None:
        model = config["model"]
        assert model["network"] in {"a": ("small", "tiny"), "b": ("deep", "wide")}[model["kind"]]
        tune.report({"loss": float(len(model["network"]) + model.get("dropout", 0.5))})

    branches = [
        {"kind": "a", "network": tune.choice(["small", "tiny"])},
        {"kind": "b", "network": tune.choice(["deep", "wide"]), "dropout": tune.uniform(0, 0.4)},
    ]
    result = study(
        tmp_path / "out", train, {"model": tune.choice(branches)}, strategies=["hyperopt"], budget={"trials": 12}
    )
    assert result.records.trials["status"].eq("completed").all()


@pytest.mark.slow
def test_nested_parameters_in_a_grid(tmp_path: Path) -> None:
    def train(config: dict[str, Any]) -> None:
        tune.report({"loss": config["optimizer"]["lr"] * config["optimizer"]["momentum"]})

    space = {"optimizer": {"lr": tune.grid_search([0.01, 0.001]), "momentum": 0.9}}
    result = study(tmp_path / "out", train, space, strategies=["grid"])
    assert result.best.config == {"optimizer": {"lr": 0.001, "momentum": 0.9}}
    assert len(result.records.trials) == 2


def test_steps_without_rounding_tails() -> None:
    space = Space.parse({"x": {"quniform": [0.0, 1.0, 0.1]}})
    drawn = {space.resolve(lambda parameter, u=u / 40: parameter.domain.from_unit(u))["x"] for u in range(41)}  # type: ignore[misc]
    assert sorted(map(repr, drawn)) == [repr(i / 10) for i in range(11)]


def test_bounds_that_depend_on_another_value_are_refused(tmp_path: Path) -> None:
    space = {"a": tune.uniform(0, 1), "b": tune.sample_from(lambda spec: spec.config.a)}  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="space"):
        study(tmp_path / "out", generates, space)


def test_a_first_report_without_the_metric_is_one_line(tmp_path: Path) -> None:
    def train(config: dict[str, Any]) -> None:
        tune.report({"train_loss": 1.0})
        tune.report({"loss": 0.5})

    with pytest.raises(ValueError, match=r"study\.metric: 'loss' is not reported; .*the trainable reports train_loss"):
        study(tmp_path / "out", train)


@pytest.mark.slow
def test_checkpoints_of_a_function_that_hyperband_pauses(tmp_path: Path) -> None:
    def train(config: dict[str, Any]) -> None:
        first, checkpoint = 0, tune.get_checkpoint()
        if checkpoint:
            with checkpoint.as_directory() as folder:
                first = json.loads(Path(folder, "state.json").read_text()) + 1
        for epoch in range(first, 3):
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, "state.json").write_text(str(epoch))
                checkpoint = tune.Checkpoint.from_directory(folder)
                tune.report({"loss": config["lr"] / (epoch + 1), "at": epoch + 1}, checkpoint=checkpoint)

    result = study(tmp_path / "out", train, strategies=["hyperband"], budget={"epochs": 9})
    curves = result.records.curves
    assert (curves["at"] == curves["epoch"]).all()
    assert result.records.trials["epochs"].max() == 3


def test_two_studies_at_once_in_one_process(tmp_path: Path) -> None:
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda name=name: results.append(study(tmp_path / name, generates)))
        for name in ("first", "second")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert [result.best.value for result in results] == [2.0, 2.0]
    assert os.getcwd()
