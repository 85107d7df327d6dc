"""Values of every kind: what trials are given, what is recorded of it, and what is read back from files and tables."""

from __future__ import annotations

import enum
import io
import json
import math
import random
import tomllib
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tomli_w
from ray import tune

from hypertune.records.curves import config_columns
from hypertune.space.cells import Cells, missing
from hypertune.space.from_ray import from_ray
from hypertune.space.space import Categorical, Space
from hypertune.space.values import Named, from_toml, to_toml
from hypertune.strategies.random import draw


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Block:
    pass


SPACES: dict[str, dict[Any, Any]] = {
    "none": {"max_depth": tune.choice([None, 3])},
    "none as text": {"a": tune.choice([None, "None", "null", "", "nan", "1", 1, "True", True])},
    "text that looks like numbers": {"a": tune.choice(["1", "2", "None", ""])},
    "mixed": {"max_features": tune.choice([None, "sqrt", 0.5, 2, False])},
    "booleans": {"a": tune.choice([True, False]), "b": True},
    "numbers alike": {"a": tune.choice([1, True, 1.0, "1"]), "b": tune.choice([0.1234567, 0.1234568])},
    "not a number": {"missing": tune.choice([math.nan, 0, -1])},
    "tuples": {"a": tune.choice([(1, 2), (3, (4, None))]), "b": (5, 6, "c"), "c": tune.choice([[1], [2, 3]])},
    "enums": {"a": tune.choice([Colour.RED, Colour.BLUE, Level.LOW, 1]), "b": Colour.RED},
    "classes": {"a": tune.choice([Block, dict]), "b": tune.choice([np.mean, math.sin]), "c": Block},
    "no names": {
        "a": tune.choice([lambda x: x, lambda x: 2 * x]),
        "b": tune.choice([partial(max, 1), partial(max, 2)]),
    },
    "numpy": {
        "a": tune.choice([*np.arange(8, 65, 8)]),
        "b": np.float32(0.5),
        "c": tune.choice([np.True_, np.str_("x")]),
    },
    "arrays": {"a": tune.choice([np.arange(2), np.arange(3.0)]), "b": np.eye(2), "c": [np.int64(1), np.arange(2)]},
    "keys": {"a": {1: tune.uniform(0, 1), "2": "b"}, 3: tune.uniform(0, 1), "b": {2: "x", None: 1}},
    "domains in lists": {
        "z": tune.uniform(0, 1),
        "x": [tune.randint(1, 9), tune.randint(1, 9)],
        "y": (tune.uniform(0, 1), "a", None),
    },
    "domains among options": {"d": tune.choice([0.0, tune.uniform(0.1, 0.5), [tune.randint(1, 3), 7], None, [1, 2]])},
    "options": {
        "o": tune.choice([{"n": None, "lr": tune.loguniform(1e-3, 1)}, {"n": 1, "k": tune.choice([None, 2])}])
    },
    "constants that look like domains": {
        "x": tune.uniform(0, 1),
        "a": {"betas": [0.9, 0.999]},
        "b": {"choice": ["a", "b"]},
        "c": [{"uniform": [0, 1]}],
        "d": {"uniform": 3, "literal": "x"},
        "e": {"choice": tune.choice([1, 2])},
    },
    "bounds": {
        "a": tune.qrandint(1, 10, 3), "b": tune.qlograndint(1, 1000, 10), "c": tune.choice([1, 1, 2]),
        "d": tune.uniform(1, 1), "e": tune.randint(3, 4), "f": tune.loguniform(2, 2), "g": tune.qrandint(1, 4, 1),
    },
}  # fmt: skip


def _same(one: Any, other: Any) -> bool:
    """Equal in value and type, arrays and NaN included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return bool(one == other) or (one != one and other != other)


@pytest.fixture(params=SPACES)
def space(request: pytest.FixtureRequest) -> Space:
    return from_ray(SPACES[request.param])


@pytest.fixture
def configs(space: Space) -> list[Any]:
    return [draw(space, np.random.default_rng(seed)) for seed in range(40)]


def test_a_study_file_holds_the_space(space: Space) -> None:
    again = Space.parse(tomllib.loads(tomli_w.dumps(space.to_toml())))
    assert again == space
    assert json.dumps(again.to_toml(), sort_keys=True) == json.dumps(space.to_toml(), sort_keys=True)
    assert [p.key for p in again.parameters()] == [p.key for p in space.parameters()]


def test_the_journal_holds_every_configuration(space: Space, configs: list[Any]) -> None:
    for config in configs:
        told = json.loads(json.dumps(space.recorded(config)))
        assert space.contains(config)
        assert space.contains(told)
        assert space.encode(told) == space.encode(config)
        assert _same(space.original(told), config)
        assert json.dumps(space.recorded(space.original(told))) == json.dumps(told)


def test_tables_hold_every_configuration(space: Space, configs: list[Any]) -> None:
    frame = config_columns([space.recorded(config) for config in configs], space)
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    text = io.StringIO(frame.to_csv(index=False))
    stored = pd.read_csv(text, dtype=Cells(space).dtypes(), keep_default_na=False, na_values=[""])
    for table in (frame, pd.read_parquet(buffer), stored):
        for row, config in zip(table.to_dict("records"), configs, strict=True):
            cells = {str(name).removeprefix("config/"): cell for name, cell in row.items() if not missing(cell)}
            assert space.encode(Cells(space).config(cells)) == space.encode(config), cells


def test_none_is_written_out_and_an_inactive_hyperparameter_is_empty() -> None:
    space = Space.parse(
        {"depth": {"choice": [{"literal": "None"}, 3]}, "x": {"choice": [{"y": {"choice": [1, 2]}}, 0]}}
    )
    frame = config_columns([{"depth": None, "x": 0}, {"depth": 3, "x": {"y": 1}}], space)
    assert frame["config/depth"].tolist() == ["None", "3"]
    assert frame["config/x/y"].isna().tolist() == [True, False]


def test_domains_in_lists_are_hyperparameters_by_their_place() -> None:
    space = from_ray(SPACES["domains in lists"])
    assert [p.name for p in space.parameters()] == ["z", "x/0", "x/1", "y/0"]
    choice = from_ray(SPACES["domains among options"]).parameters()
    assert [(p.name, p.key, p.parents) for p in choice[:2]] == [("d", "d", ()), ("d", "d[1]/value", (("d", 1),))]
    written = Space.parse({"d": {"choice": [0.0, {"uniform": [0.1, 0.5]}]}})
    assert [p.key for p in written.parameters()] == ["d", "d[1]/value"]


def test_an_object_is_found_where_its_module_is_loaded_and_is_a_name_elsewhere() -> None:
    space = Space.parse({"a": {"choice": [{"object": f"{__name__}:Colour.RED"}, {"object": "not_there:Thing"}]}})
    assert space.original({"a": f"{__name__}:Colour.RED"}) == {"a": Colour.RED}
    assert space.original({"a": "not_there:Thing"}) == {"a": Named("not_there:Thing")}
    with pytest.raises(ValueError, match=r"space\.a: not_there:Thing cannot be imported"):
        space.alive()
    space = Space.parse({"a": {"choice": [{"object": f"{__name__}:Colour.RED"}]}, "b": {"object": "math:sin"}})
    assert space.alive().resolve(lambda parameter: 0) == {"a": Colour.RED, "b": math.sin}


def test_a_large_array_is_known_by_its_digest() -> None:
    told = to_toml(np.arange(5000))
    assert told["object"].startswith("array of shape (5000,), int64, ")
    assert to_toml(np.arange(5001)) != told


def test_a_spelling_that_is_none_of_pythons_is_refused() -> None:
    assert from_toml({"literal": "(1, None)"}) == (1, None)
    with pytest.raises(ValueError, match="literal: "):
        from_toml({"literal": "__import__('os')"})
    with pytest.raises(ValueError, match="literal: "):
        from_toml({"literal": "{[]}"})


def test_dates_are_kept_as_toml_has_them() -> None:
    moments = [date(2020, 1, 1), time(10), datetime(2022, 2, 2, 10, tzinfo=UTC)]
    space = Space.parse({"since": {"choice": moments}, "lr": {"uniform": [0, 1]}})
    again = Space.parse(tomllib.loads(tomli_w.dumps(space.to_toml())))
    assert again == space == again.alive()
    assert again.entries["since"].options == tuple(moments)


def test_what_a_function_draws_is_the_same_again_and_no_hyperparameter_of_a_model() -> None:
    space = from_ray({"x": tune.uniform(0, 1), "y": tune.sample_from(lambda config: np.random.randint(10**6))})
    assert [p.name for p in space.parameters()] == ["x"]
    assert space.sampled() == ("y",)
    before = repr(np.random.get_state())
    drawn = [draw(space, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert repr(np.random.get_state()) == before
    assert drawn[0] == drawn[1] != drawn[2]
    written = Space.parse({"y": {"sample_from": "random:random"}}).alive()
    assert written.entries["y"].function is random.random


def test_two_entries_of_one_name_are_refused() -> None:
    for table in ({"a/b": tune.uniform(0, 1), "a": {"b": tune.uniform(0, 1)}}, {1: tune.uniform(0, 1), "1": 2}):
        with pytest.raises(ValueError, match="two entries are called"):
            from_ray(table)


def test_options_are_found_at_once_however_many() -> None:
    domain = Categorical(tuple(range(200_000)))
    assert [domain.index(option) for option in range(0, 200_000, 1000)] == list(range(0, 200_000, 1000))
    with pytest.raises(ValueError, match="200,000 in all"):
        domain.index(-1)
