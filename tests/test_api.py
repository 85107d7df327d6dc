"""`hypertune.compare`, `load` and `Result` as a user meets them, before Ray starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from ray import tune

import hypertune
from hypertune import Study, compare, load
from hypertune.asked import study_of
from hypertune.result import Result
from hypertune.storage.files import JOURNAL, LOCK
from hypertune.storage.lease import Lease
from hypertune.storage.storage import Storage, upload
from hypertune.study.file import Budget
from tests.sweep.scripted import Runner, make_study

SPACE = {"lr": tune.loguniform(1e-4, 1e-1)}


def train(config: dict[str, Any]) -> None:
    raise AssertionError("never run")


class Plain:
    """No trainable of Ray's."""


def refused(*arguments: Any, **options: Any) -> str:
    """What is said of wrong arguments: one line, and no Ray was started for it."""
    import ray

    was = ray.is_initialized()
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the message is what the caller looks at
        compare(*arguments, **options)
    assert ray.is_initialized() == was
    assert "\n" not in str(error.value)
    return str(error.value)


RIGHT: dict[str, Any] = {"trainable": train, "space": SPACE, "metric": "loss", "mode": "min"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"budget": {"epoch": 10}}, "did you mean epochs?"),
        ({"budget": 100}, 'budget: give {"epochs": 200}, {"trials": 20} or {"seconds": 600}'),
        ({"budget": {}}, "budget: "),
        ({"strategies": "random,ashaa"}, "did you mean asha?"),
        ({"strategies": []}, "strategies: "),
        ({"space": {"lr": (1e-3, 1)}}, "tune.loguniform(0.001, 1)"),
        ({"space": {"lr": 0.1}}, "space: only constants, nothing to search"),
        ({"space": [1]}, "space: "),
        ({"seeds": 0}, "seeds: "),
        ({"seeds": "3"}, "seeds: "),
        ({"seeds": True}, "seeds: "),
        ({"max_epochs": 0}, "max_epochs: "),
        ({"give_up_after": -1}, "give_up_after: "),
        ({"mode": "maximum"}, "mode: "),
        ({"metric": 3}, "metric: "),
        ({"resources": {"cpu": 1}}, "cpus_per_trial"),
        ({"options": {"asha": {"grace": 1}}, "strategies": ["asha"]}, "grace_period"),
        ({"progress": "loud"}, "progress: "),
        ({"observers": print}, "observers: "),
        ({"data_dir": "/no/such/folder"}, "data_dir: "),
        ({"trainable": 3}, "trainable: "),
        ({"trainable": Plain}, "must be derived from ray.tune.Trainable"),
        ({"trainable": lambda: None}, "def train(config)"),
        ({"trainable": "cnn"}, "a study that names its data"),
        ({"out": __file__}, "is a file; give a folder"),
        ({"out": Path(__file__).parent}, "or continue it by resume=True"),
        ({"resume": True}, "resume: of which study?"),
        ({"resume": True, "out": "/no/such/folder"}, "holds no study to resume"),
    ],
    ids=(f"case {number}" for number in range(1000)),
)
def test_a_wrong_argument_is_refused_in_one_line_with_the_remedy(wrong: dict[str, Any], said: str) -> None:
    assert said in refused(**{**RIGHT, **wrong})


def test_a_trainable_in_the_place_of_the_study_and_what_is_missing() -> None:
    assert "compare(trainable=train," in refused(train)
    assert "metric and mode are missing" in refused(trainable=train, space=SPACE)
    assert "digits_cnn" in refused()
    assert "did you mean digits_cnn?" in refused("digits_cn")


def test_an_argument_that_is_called_otherwise_here() -> None:
    with pytest.raises(TypeError, match=r"num_samples; write budget=\{\"trials\": 20\}"):
        compare(**RIGHT, num_samples=3)  # type: ignore[call-arg]


def test_what_is_given_besides_a_study_takes_the_place_of_what_it_says() -> None:
    study = study_of("digits_cnn", None, None, {"strategies": "random,asha", "seeds": 2, "budget": "epochs=20"})
    assert study.strategies == ("random", "asha")
    assert study.seeds == (0, 1)
    assert study.budget == Budget(epochs=20)


def test_an_argument_that_a_design_decides_is_refused_by_its_name() -> None:
    assert "leave out strategies and budget" in refused("week1_units", strategies="random")


def test_a_range_among_domains_stays_a_constant_as_for_ray_and_is_warned_of() -> None:
    given = {"metric": "loss", "mode": "min"}
    with pytest.warns(UserWarning, match=r"tune.loguniform\(0.1, 0.9\)"):
        study = study_of(None, train, {**SPACE, "betas": (0.1, 0.9)}, given)
    assert study.space.entries["betas"] == (0.1, 0.9)
    assert [parameter.name for parameter in study.space.parameters()] == ["lr"]


def test_a_resumed_study_is_the_stored_one_and_another_is_refused(folder: Path) -> None:
    assert "seeds: " in refused(out=folder, resume=True, seeds=1)
    assert "strategies: the study has asha too" in refused(out=folder, resume=True, strategies="random")
    assert "write +bohb" in refused(out=folder, resume=True, strategies="bohb")
    assert "metric: " in refused(out=folder, resume=True, metric="other")


def test_the_public_names_are_those_that_dir_lists() -> None:
    assert dir(hypertune) == sorted(hypertune.__all__)
    assert set(hypertune.__all__) >= {"Result", "Study", "compare", "load", "load_model"}
    for name in hypertune.__all__:
        assert getattr(hypertune, name) is not None
        if callable(getattr(hypertune, name)):
            assert getattr(hypertune, name).__doc__
    code = "import hypertune, sys; assert not {'ray', 'torch', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study of two strategies and two seeds, of which one sweep is missing."""
    study = make_study(name="half")
    (tmp_path / "study.toml").write_text(study.to_toml())
    (tmp_path / JOURNAL).parent.mkdir()
    events = [
        event
        for strategy, seed in (("random", 0), ("asha", 0), ("random", 1))
        for event in Runner(study, strategy, seed).run().events
    ]
    (tmp_path / JOURNAL).write_text("".join(json.dumps(event) + "\n" for event in events))
    return tmp_path


def test_a_folder_is_loaded_and_described_in_short(folder: Path) -> None:
    result = load(folder)
    assert (result.state, result.interrupted, result.running) == ("interrupted", True, False)
    assert len(result.trials) > 0
    assert list(result.table["strategy"]) == ["random", "asha"]
    told = repr(result)
    assert len(told) < 400
    assert "half" in told
    assert "interrupted with 3 of 4 sweeps done" in told
    assert len(repr(result.best)) < 300


def test_a_study_at_a_url_is_loaded(folder: Path, bucket: str) -> None:
    storage = Storage(f"{bucket}/half")
    upload(folder, storage, {})
    assert load(storage.url).state == "interrupted"
    with Lease(storage):
        result = load(storage.url)
        assert result.state == "running"
    assert len(result.trials) == len(load(folder).trials)
    assert f"in {storage.url}" in repr(result)
    with pytest.raises(ValueError, match=r"nothing: not an output folder"):
        load(f"{bucket}/nothing")


def test_a_study_that_somebody_writes_is_running(folder: Path) -> None:
    lock = FileLock(folder / LOCK)
    with lock:
        assert load(folder).state == "running"
    assert load(str(folder)).state == "interrupted"


def test_a_place_that_holds_no_study_is_refused(tmp_path: Path) -> None:
    for place, said in ((tmp_path / "none", "no such folder"), (tmp_path, "not an output folder")):
        with pytest.raises(ValueError, match=said):
            load(place)
    with pytest.raises(ValueError, match="place: "):
        load(3)  # type: ignore[arg-type]


def test_a_notebook_is_given_conclusion_table_and_report(folder: Path) -> None:
    (folder / "report.html").write_text("<html></html>")
    result = load(folder)
    html = result._repr_html_()
    assert result.conclusion.split(".")[0].split("<")[0][:40] in html
    assert "<table" in html
    assert "report.html" in html
    assert "<script" not in html


def test_text_from_a_study_is_escaped_in_a_notebook(folder: Path) -> None:
    result = load(folder)
    hostile = Result(result.folder, result.records, place="<script>alert(1)</script>")
    assert "<script>" not in hostile._repr_html_()


def test_studies_show_themselves_in_short() -> None:
    assert len(repr(Study.load("digits_cnn"))) < 2000


def test_a_resume_with_another_study_is_refused_naming_the_difference(folder: Path) -> None:
    space = {"lr": tune.loguniform(1e-4, 0.5), "width": tune.randint(1, 21)}
    assert "space: differs from the study" in refused(out=folder, resume=True, space=space)
    assert "budget: is " in refused(out=folder, resume=True, budget="trials=3")
    assert "not 3 trials" in refused(out=folder, resume=True, budget="trials=3")
    assert "mode: is max in the study, not min" in refused(out=folder, resume=True, mode="min")
