"""A study's prior: read, checked, written back, and what of it may not change."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from ray import tune

from hypertune import compare
from hypertune.strategies.checks import prior_note
from hypertune.study.prior import Guess, read_prior
from hypertune.study.rules import changed, rules
from hypertune.study.study import Study
from tests.sweep.scripted import make_study

FILE = """
[study]
name = "s"
strategies = ["random", "priorband", "mine"]
budget = { epochs = 20 }
metric = "acc"
mode = "max"
[training]
trainable = "cnn"
dataset = "digits"
[space]
lr = { loguniform = [1e-4, 1e-1] }
width = { qrandint = [2, 16, 2] }
optimizer = { choice = ["sgd", { kind = "adam", eps = { uniform = [0.0, 1.0] } }] }
[strategies.mine]
command = ["python", "mine.py"]
[prior]
"""


def study(prior: str) -> Study:
    return Study.parse(tomllib.loads(FILE + prior))


def test_guesses_survive_the_way_to_toml_and_back() -> None:
    read = study(
        'lr = { guess = 1e-3, confidence = "high" }\n"optimizer[1]/eps" = { guess = 1 }\noptimizer = { guess = "sgd" }'
    )
    assert read.prior == {
        "lr": Guess(guess=1e-3, confidence="high"), "optimizer[1]/eps": Guess(guess=1), "optimizer": Guess(guess="sgd"),
    }  # fmt: skip
    assert read.prior["optimizer"].confidence == "medium"
    assert Study.parse(tomllib.loads(read.to_toml())) == read


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ("lrr = { guess = 1e-3 }", "prior.lrr: no hyperparameter of [space] has this name; did you mean lr?"),
        ("lr = { guess = 1.0 }", "prior.lr.guess: 1.0 lies outside of 0.0001 to 0.1"),
        ("lr = { guess = nan }", "prior.lr.guess: nan lies outside of 0.0001 to 0.1"),
        ('lr = { guess = "1e-3" }', "prior.lr.guess: expected a number, got '1e-3'"),
        ("lr = { guess = true }", "prior.lr.guess: expected a number, got True"),
        ("width = { guess = 5 }", "prior.width.guess: 5 is no value of qrandint; the nearest is 4"),
        ('optimizer = { guess = "rmsprop" }', "prior.optimizer.guess: 'rmsprop' is not one of the options"),
        (
            "lr = 1e-3",
            'prior.lr: expected a guess and a confidence, e.g. { guess = 1e-3, confidence = "high" }, got 0.001',
        ),
        ('lr = { confidence = "low" }', "prior.lr: expected a guess and a confidence"),
        ('lr = { guess = 1e-3, confidence = "sure" }', "prior.lr.confidence: expected low, medium or high, got 'sure'"),
        ("lr = { guess = 1e-3, confidence = 1 }", "prior.lr.confidence: expected low, medium or high, got 1"),
        ("lr = { guess = 1e-3, sure = 1 }", "prior.lr.sure: unknown key; known: guess, confidence"),
    ],
)
def test_a_wrong_prior_is_one_line(prior: str, message: str) -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011
        study(prior)
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)


def test_a_prior_that_is_no_table_is_one_line() -> None:
    tables = {**tomllib.loads(FILE), "prior": 3}
    with pytest.raises(ValueError, match="^prior: expected `object`, got `int`$"):
        Study.parse(tables)


def test_a_prior_belongs_to_what_a_study_cannot_change() -> None:
    before = make_study()
    asked = before.replace(prior=read_prior({"lr": {"guess": 0.01}}))
    assert changed(rules(asked), rules(before)) == "prior: differs from the study"
    assert changed(rules(asked), rules(asked)) is None


def test_who_uses_it_is_said() -> None:
    assert prior_note(study("")) is None
    assert prior_note(study("lr = { guess = 1e-3 }")) == (
        "Prior, guesses for lr: used by priorband, mine, ignored by random."
    )


@pytest.mark.parametrize("prior", [3, {"lr": 1}, {"nothing": {"guess": 1}}])
def test_a_wrong_prior_in_python_is_one_line(prior: Any) -> None:
    with pytest.raises(ValueError, match="^prior"):
        compare(trainable="cnn", space={"lr": tune.uniform(0.0, 2.0)}, metric="a", mode="min", prior=prior)
