"""Hyperparameters: defaults, strict types and ranges, unknown keys."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypertune.training.hyperparameters import CNNHyperparameters, Hyperparameters, MLPHyperparameters

KINDS = (CNNHyperparameters, MLPHyperparameters)
WHOLE = ("batch_size", "units1", "units2", "filters", "blocks", "depth")
REAL = ("lr", "weight_decay", "momentum", "dropout")
CHOICES = {
    "optimizer": ("adam", "adamw", "sgd", "rmsprop"),
    "lr_schedule": ("none", "cosine", "step"),
    "norm": ("none", "batch", "layer"),
    "precision": ("auto", "fp32", "bf16"),
    "device": ("auto", "cpu", "cuda", "mps"),
}

valid = st.fixed_dictionaries(
    {},
    optional={
        "optimizer": st.sampled_from(["adam", "Adam", "SGD", "AdamW", "RMSprop"]),
        "lr": st.floats(1e-9, 10) | st.integers(1, 3) | st.floats(1e-9, 10).map(np.float64),
        "batch_size": st.integers(2, 4096) | st.integers(2, 4096).map(np.int64),
        "weight_decay": st.floats(0, 1),
        "dropout": st.floats(0, 1, exclude_max=True),
        "momentum": st.floats(0, 1, exclude_max=True),
        "units1": st.integers(1, 4096),
        "norm": st.sampled_from(["none", "batch", "Layer"]),
        "lr_schedule": st.sampled_from(["none", "cosine", "step"]),
        "hypertune": st.just({"seed": 3}),
    },
)
anything = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.lists(st.integers(), max_size=2)
)


@given(config=valid, kind=st.sampled_from(KINDS))
def test_what_is_valid_is_read_as_plain_values(config: dict[str, Any], kind: type[Hyperparameters]) -> None:
    read = asdict(kind.from_config(config))
    for key, value in config.items():
        if key != "hypertune":
            assert read[key] == (value.lower() if isinstance(value, str) else value)
            assert type(read[key]) in (int, float, str)
    assert kind.from_config(read) == kind.from_config(config)


@given(key=st.sampled_from([*WHOLE, *REAL, *CHOICES]), value=anything)
def test_what_is_not_allowed_is_named_in_one_line(key: str, value: Any) -> None:
    kind = next(kind for kind in KINDS if key in {entry.name for entry in fields(kind)})
    if key in WHOLE:
        allowed = type(value) is int and value >= 1
    elif key in REAL:
        allowed = type(value) in (int, float) and math.isfinite(value) and value >= 0
        allowed = allowed and (value > 0 if key == "lr" else key == "weight_decay" or value < 1)
    else:
        allowed = isinstance(value, str) and value.lower() in CHOICES[key]
    if allowed:
        assert getattr(kind.from_config({key: value}), key) == value
    else:
        with pytest.raises(ValueError, match=f"hyperparameter {key} = ") as caught:
            kind.from_config({key: value})
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", [True, 3.0, "3", np.float64(4), None, 0, -1])
def test_a_whole_number_must_be_one(value: Any) -> None:
    with pytest.raises(ValueError, match=r"hyperparameter filters = .*: must be a whole number of at least 1"):
        CNNHyperparameters.from_config({"filters": value})


@pytest.mark.parametrize("value", [True, "0.1", 0, -0.1, math.nan, math.inf, None])
def test_a_learning_rate_must_be_positive_and_finite(value: Any) -> None:
    with pytest.raises(ValueError, match=r"hyperparameter lr = .*: must be a number above 0"):
        MLPHyperparameters.from_config({"lr": value})


def test_unknown_keys_list_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match="unknown hyperparameter 'filter': did you mean filters.* known are batch_size"
    ):
        CNNHyperparameters.from_config({"filter": 3})
    with pytest.raises(ValueError, match="unknown hyperparameter 'filters'"):
        MLPHyperparameters.from_config({"filters": 3})


def test_batch_normalisation_needs_more_than_one_image() -> None:
    with pytest.raises(ValueError, match="batch_size = 1: must be at least 2"):
        CNNHyperparameters.from_config({"norm": "batch", "batch_size": 1})
    assert CNNHyperparameters.from_config({"batch_size": 1}).batch_size == 1
