"""Configuration files, TensorBoard logs and MLflow runs, read back and held against the records."""

from __future__ import annotations

import importlib.util
import struct
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hypertune.records.records import Book, Event
from hypertune.study.study import Logging, Study
from hypertune.tracking.tracker import Tracker, check
from tests.comparison.synthetic import make_events, make_study

ON = Logging(configs=True, tensorboard=True, mlflow=True)
HAS_MLFLOW = importlib.util.find_spec("mlflow") is not None


def follow(study: Study, events: list[Event], out: Path, *, already: int = 0) -> Book:
    """A tracker hears of the events after the first `already`, which only the book knows, as after a resume."""
    book = Book(study)
    tracker = Tracker(study, out, book)
    for number, event in enumerate(events):
        book.apply(event)
        if number >= already:
            tracker(event)
    tracker.close()
    return book


def made(seeds: int = 1, **options: Any) -> tuple[Study, list[Event]]:
    study = make_study(strategies=["random", "asha"], seeds=seeds)
    return study, make_events(study, trials=4, **options)


def logged(folder: Path) -> dict[tuple[str, int], float]:
    """The scalars in a folder's TensorBoard files, by name and step."""
    from tensorboardX.proto.event_pb2 import Event as Record

    found = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for data in _records(path.read_bytes()):
            record = Record.FromString(data)
            for value in record.summary.value:
                if value.HasField("simple_value"):
                    found[value.tag, record.step] = value.simple_value
    return found


def _records(content: bytes) -> Iterator[bytes]:
    """TensorFlow's record format: length, checksum, data, checksum."""
    at = 0
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        yield content[at + 12 : at + 12 + length]
        at += length + 16


def test_every_trial_has_its_configuration_with_time_stamps(tmp_path: Path) -> None:
    study, events = made(failing=0.3)
    study = study.replace(logging=Logging(configs=True))
    book = follow(study, events, tmp_path)
    files = {path.stem: tomllib.loads(path.read_text()) for path in (tmp_path / "configs").glob("*.toml")}
    assert files.keys() == book.trials.keys()
    for trial_id, facts in files.items():
        assert facts["config"] == book.configs[trial_id]
        assert facts["status"] == book.trials[trial_id]["status"]
        assert datetime.fromisoformat(facts["started_at"]) < datetime.fromisoformat(facts["ended_at"])
    assert {"failed"} < {facts["status"] for facts in files.values()}
    assert all("valid_accuracy" not in facts for facts in files.values() if facts["status"] == "failed")


def test_tensorboard_holds_every_reported_number(tmp_path: Path) -> None:
    study, events = made()
    book = follow(study.replace(logging=Logging(tensorboard=True)), events, tmp_path)
    curves = book.curves_table()
    for trial_id, rows in curves.groupby("trial_id"):
        scalars = logged(tmp_path / "tensorboard" / str(trial_id))
        for row in rows.to_dict("records"):
            for name in ("valid_accuracy", "valid_loss", "train_loss"):
                assert scalars[name, row["epoch"]] == pytest.approx(row[name], rel=1e-6)
        best = book.trials[str(trial_id)]
        assert scalars["best/valid_accuracy", best["best_epoch"]] == pytest.approx(best["valid_accuracy"], rel=1e-6)


@pytest.mark.skipif(not HAS_MLFLOW, reason="mlflow is not installed")
def test_mlflow_holds_every_trial_once_also_over_an_interruption(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    study, events = made(failing=0.3)
    study = study.replace(logging=Logging(mlflow=True))
    # Cut in the midst of a trial's epochs, as a Ctrl-C does; the second attempt knows the past from the journal.
    cut = next(i for i, event in enumerate(events) if event["event"] == "epoch" and event["epoch"] == 3) + 1
    follow(study, events[:cut], tmp_path)
    book = follow(study, events, tmp_path, already=cut)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(study.name)
    assert experiment is not None
    runs = {run.data.tags["trial_id"]: run for run in client.search_runs([experiment.experiment_id])}
    assert len(client.search_runs([experiment.experiment_id])) == len(runs) == len(book.trials)
    curves = book.curves_table()
    for trial_id, run in runs.items():
        config = {name: str(value) for name, value in book.configs[trial_id].items()}
        assert config.items() <= run.data.params.items()
        assert (run.info.status == "FAILED") == (book.trials[trial_id]["status"] == "failed")
        history = client.get_metric_history(run.info.run_id, "valid_accuracy")
        wanted = curves[curves["trial_id"] == trial_id].set_index("epoch")["valid_accuracy"]
        assert {point.step: point.value for point in history} == pytest.approx(wanted.to_dict())


def test_a_resumed_trial_goes_on_in_its_tensorboard_folder(tmp_path: Path) -> None:
    study, events = made()
    study = study.replace(logging=Logging(tensorboard=True))
    cut = next(i for i, event in enumerate(events) if event["event"] == "epoch" and event["epoch"] == 3) + 1
    follow(study, events[:cut], tmp_path)
    follow(study, events, tmp_path, already=cut)
    trial_id = events[cut - 1]["trial_id"]
    steps = [step for name, step in logged(tmp_path / "tensorboard" / trial_id) if name == "valid_accuracy"]
    assert sorted(steps) == list(range(1, 10))


def test_a_sink_that_fails_is_left_out_with_a_warning_and_the_others_go_on(tmp_path: Path) -> None:
    study, events = made()
    (tmp_path / "tensorboard").write_text("a file in the way of the folder")
    with pytest.warns(RuntimeWarning, match=r"logging.tensorboard: disabled, since it failed \(.*Error"):
        book = follow(study.replace(logging=Logging(configs=True, tensorboard=True)), events, tmp_path)
    assert len(list((tmp_path / "configs").iterdir())) == len(book.trials)


@pytest.mark.parametrize(("switch", "module"), [("tensorboard", "tensorboardX"), ("mlflow", "mlflow")])
def test_a_missing_package_is_named(switch: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name == module else find(name, *rest))
    study = make_study()
    check(study)
    logging = msgspec.structs.replace(Logging(), **{switch: True})
    with pytest.raises(ValueError, match=rf"logging.{switch}: needs a package .*(pip install|uv sync)"):
        check(study.replace(logging=logging))


def test_nothing_is_kept_unless_switched_on(tmp_path: Path) -> None:
    study, events = made()
    follow(study, events, tmp_path)
    assert not list(tmp_path.iterdir())
    assert not any(msgspec.to_builtins(study.logging).values())
    assert msgspec.to_builtins(ON) == {"configs": True, "tensorboard": True, "mlflow": True}
