"""Study files: read, checked, written back; every wrong one gets one clear line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypertune.arguments import READERS
from hypertune.commands.options import parse_budget
from hypertune.study.shipped import shipped
from hypertune.study.study import Budget, Study

MINIMAL = """
[study]
name = "s"
strategies = ["random"]
seeds = 2
budget = { epochs = 20 }
metric = "acc"
mode = "max"
[training]
trainable = "cnn"
dataset = "digits"
[space]
lr = { loguniform = [1e-4, 1e-1] }
"""


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_studies_load_and_survive_the_way_to_toml_and_back(name: str) -> None:
    study = Study.load(name)
    assert study.name == name
    assert Study.parse(tomllib.loads(study.to_toml())) == study


def test_the_fashion_mnist_study_is_the_published_one() -> None:
    study = Study.load("fashion_mnist_cnn")
    assert study.space.to_toml() == {"filters": {"randint": [2, 16]}, "lr": {"loguniform": [1e-4, 3e-3]}}
    assert study.training.config == {"units1": 128, "units2": 64, "batch_size": 64, "optimizer": "adam"}
    assert study.training.max_epochs == 10


def test_seeds_are_a_number_or_a_list() -> None:
    assert Study.parse(tomllib.loads(MINIMAL)).seeds == (0, 1)
    assert Study.parse(tomllib.loads(MINIMAL.replace("seeds = 2", "seeds = [7, 3]"))).seeds == (7, 3)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds = 2", "sedes = 2", "study.sedes: unknown key; did you mean seeds?"),
        ("seeds = 2", 'seeds = "many"', "study.seeds: expected"),
        ("seeds = 2", "seeds = 0", "study.seeds: expected"),
        ("seeds = 2", "seeds = [1, 1]", "study.seeds: give each one once"),
        ('["random"]', '["random", " random"]', "study.strategies: give each one once"),
        ("[space]", "[strategies]\nrandom = 1\n[space]", "strategies.random: a table of options"),
        ("epochs = 20", "epochs = 0", "study.budget.epochs: expected"),
        ("epochs = 20", "seconds = inf", "study.budget.seconds: expected"),
        ("seeds = 2", "margin = inf", "study.margin: expected"),
        ("epochs = 20", "epochs = 2, trials = 3", "study.budget: give exactly one of"),
        ("epochs = 20", "", "study.budget: give exactly one of"),
        ("epochs = 20", "steps = 3", "study.budget.steps: unknown key; known: epochs, trials, seconds"),
        ('mode = "max"', 'mode = "up"', "study.mode: "),
        ('metric = "acc"', "", "study.metric: this key is missing"),
        ('name = "s"', 'name = "../s"', "study.name: letters"),
        ("[space]", "[spaces]", "spaces: unknown key; did you mean space?"),
        ("lr = { loguniform = [1e-4, 1e-1] }", "", "space: no hyperparameter to search"),
        ("[1e-4, 1e-1]", "[1e-1, 1e-4]", "space.lr: loguniform takes"),
        ('dataset = "digits"', "max_epochs = 1.5", "training.max_epochs: expected"),
        ('dataset = "digits"', "config = { lr = 1 }", "space.lr: also a constant in training.config"),
        ("[space]", "[resources]\ncpus_per_trial = 0\n[space]", "resources: a trial needs a CPU or a GPU"),
        ("[space]", "[resources]\nmax_workers = 0\n[space]", "resources.max_workers: expected"),
        ("[space]", '[resources]\nnode_labels = { team = "!a" }\n[space]', "resources: node_labels: letters"),
        ("[space]", "[resources]\nnode_labels = { team = 1 }\n[space]", "resources.node_labels"),
        ("[space]", "[strategies.asha]\nx = 1\n[space]", "strategies.asha: options of a strategy that is not"),
    ],
)
def test_a_wrong_study_file_gets_one_line_naming_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in MINIMAL
    path = tmp_path / "wrong.toml"
    path.write_text(MINIMAL.replace(old, new))
    with pytest.raises(ValueError, match="wrong.toml") as error:
        Study.load(path)
    assert str(error.value).startswith(f"{path}: {said}")
    assert "\n" not in str(error.value)


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(ValueError, match="did you mean digits_cnn"):
        Study.load("digit_cnn")


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KEYS = ["study", "training", "space", "resources", "strategies", "name", "seeds", "budget", "metric", "choice"]


def corrupted(tables: dict[str, Any], path: list[int], value: Any) -> dict[str, Any]:
    """`tables` with the entry at a path of positions replaced."""
    copy = dict(tables)
    key = sorted(copy)[path[0] % len(copy)]
    inner = copy[key]
    copy[key] = corrupted(inner, path[1:], value) if len(path) > 1 and isinstance(inner, dict) and inner else value
    return copy


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), json_like)
def test_fuzzed_tables_are_refused_in_one_line_or_make_a_study(path: list[int], value: Any) -> None:
    tables = corrupted(tomllib.loads(MINIMAL), path, value)
    try:
        study = Study.parse(tables)
    except ValueError as error:
        assert str(error)
        assert "\n" not in str(error).strip()
    else:
        assert Study.parse(study.to_tables()).space == study.space


@given(st.dictionaries(st.sampled_from(KEYS), json_like, max_size=5))
def test_arbitrary_tables_are_refused_in_one_line(tables: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="."):
        Study.parse(tables)


@given(content=st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "study.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="study.toml"):
        Study.load(path)


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(epochs=200), "200 epochs"),
        (Budget(epochs=1234567), "1,234,567 epochs"),
        (Budget(trials=2**62), "4,611,686,018,427,387,904 trials"),
        (Budget(seconds=3600.0), "3,600 seconds"),
        (Budget(seconds=0.5), "0.5 seconds"),
        (Budget(seconds=100000.4), "100,000.4 seconds"),
        (Budget(seconds=1e300), "1e+300 seconds"),
    ],
)
def test_a_budget_is_written_in_full(budget: Budget, said: str) -> None:
    assert str(budget) == said


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("epochs=200.0", Budget(epochs=200)),
        ("epochs=1e3", Budget(epochs=1000)),
        ("trials=3", Budget(trials=3)),
        ("seconds=1e3", Budget(seconds=1000.0)),
        ("seconds=0.5", Budget(seconds=0.5)),
    ],
)
def test_a_budget_may_be_a_whole_float(text: str, budget: Budget) -> None:
    """The same in Python as on the command line."""
    assert parse_budget(text) == READERS["budget"](text) == budget


@pytest.mark.parametrize(
    "text",
    ["epochs=1.5", "epochs=true", "epochs=0.0", "epochs=1e400", "epochs=1e30", "seconds=Infinity", "seconds=NaN",
     "steps=3", "epochs=" + "9" * 400, "seconds=" + "9" * 400, "epochs=[1]", "epochs"],
)  # fmt: skip
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^--budget: epochs=N"):
        parse_budget(text)
    with pytest.raises(ValueError, match=r"^budget: "):
        READERS["budget"](text)


def test_a_budget_knows_its_unit() -> None:
    assert (Budget(trials=3).unit, Budget(trials=3).amount, str(Budget(seconds=1.5))) == ("trials", 3, "1.5 seconds")


def test_replacing_strategies_drops_the_options_of_those_left_out() -> None:
    study = Study.parse(tomllib.loads(MINIMAL + "[strategies.random]\n"))
    assert study.replace(strategies=("sobol",)).options == {}


def test_a_file_from_windows_is_read(tmp_path: Path) -> None:
    text = Study.load("digits_cnn").to_toml().replace("digits_cnn", "größe", 0)
    (tmp_path / "s.toml").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert Study.load(tmp_path / "s.toml").to_toml() == text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds = [0]", "seeds = 99999999999999999999", "study.seeds: expected"),
        ("seeds = [0]", "seeds = 1000000000", "study.seeds: "),
        ("seeds = [0]", f"seeds = [{10**30}]", "study.seeds"),
        ('metric = "valid_accuracy"', 'metric = ""', "study.metric: "),
        ('metric = "valid_accuracy"', 'metric = "a\\nb"', "study.metric: "),
        ('name = "digits_cnn"', f'name = "{"x" * 10**6}"', "study.name: at most"),
        ("[space.lr]", f"[space.{'.'.join('a' * 2000)}]", "nested too deeply"),
    ],
)
def test_a_file_out_of_all_bounds_is_refused_in_a_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = Study.load("digits_cnn").replace(seeds=(0,)).to_toml().replace("seeds = [\n    0,\n]", "seeds = [0]")
    assert old in text
    (tmp_path / "s.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=said) as error:
        Study.load(tmp_path / "s.toml")
    assert "\n" not in str(error.value)
