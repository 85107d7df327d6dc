"""Hypotheses: every form is read, and what cannot be checked is refused in one line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypertune.study.design import Factor
from hypertune.study.hypotheses import (
    EXAMPLES,
    Better,
    Bound,
    Claim,
    Equal,
    Flat,
    NoGain,
    Parser,
    Peak,
    Robust,
    Trend,
)

FACTORS = (
    Factor("lr", (1e-5, 1e-3, 1e-2)),
    Factor("norm", ("none", "batch")),
    Factor("optimizer", ("sgd", "adam", "adamw")),
    Factor("units1", (2, 4, 512, 1024)),
    Factor("depth", (1, 2, 3)),
    Factor("filters", (2, 4, 512)),
    Factor("batch_size", (4, 128)),
)
WITHIN = 0.004
DESIGN = Parser(FACTORS, (), "valid_accuracy", WITHIN)


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("accuracy increases with filters", Trend("value", "filters", True, WITHIN)),
        ("valid_accuracy decreases with lr", Trend("value", "lr", False, WITHIN)),
        ("accuracy increases with filters within 0.02", Trend("value", "filters", True, 0.02)),
        ("Training time increases  with units1", Trend("seconds", "units1", True)),
        ("model size increases with depth", Trend("parameters", "depth", True)),
        ("adam > sgd", Better((("optimizer", "adam"),), (("optimizer", "sgd"),))),
        ("sgd < adam by 0.01", Better((("optimizer", "adam"),), (("optimizer", "sgd"),), 0.01)),
        ("units1 = 4 > units1 = 2", Better((("units1", 4),), (("units1", 2),))),
        (
            "lr = 0.001, none > lr=1e-2, none",
            Better((("lr", 1e-3), ("norm", "none")), (("lr", 1e-2), ("norm", "none"))),
        ),
        ("adam equals adamw within 0.01", Equal((("optimizer", "adam"),), (("optimizer", "adamw"),), 0.01)),
        ("batch norm is more robust to lr than none", Robust((("norm", "batch"),), (("norm", "none"),), "lr")),
        ("accuracy peaks inside lr", Peak("lr")),
        ("no gain from depth", NoGain("depth", WITHIN)),
        ("no gain from depth alone within 0.01", NoGain("depth", 0.01)),
        ("flat in units1 beyond 512", Flat("units1", 512, WITHIN)),
        ("accuracy is flat in units1 beyond 4 within 0.02", Flat("units1", 4, 0.02)),
        ("accuracy at units1 = 2 is below 0.3", Bound("value", (("units1", 2),), False, 0.3)),
        ("time at none, lr = 0.01 is above 20", Bound("seconds", (("norm", "none"), ("lr", 1e-2)), True, 20)),
    ],
)
def test_every_form_is_read(text: str, claim: Claim) -> None:
    assert DESIGN.parse(text).claim == claim


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_in_the_message_are_themselves_readable(text: str) -> None:
    assert DESIGN.parse(text).text == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wider is better", "'wider is better': not a form that can be checked; examples"),
        ("accuracy increases with width", "'width': not varied by the study; varied: lr, norm"),
        ("accuracy increases with norm", "norm: its levels are not numbers"),
        ("speed increases with lr", "'speed': unknown outcome; known: valid_accuracy, time, size"),
        ("adam > adagrad", "'adagrad': is no level of any factor; write FACTOR = LEVEL"),
        ("2 > 1", "'2': is a level of both units1 and depth and filters"),
        ("units1 = 3 > units1 = 2", "units1 = 3: no such level; there are 2, 4, 512, 1024"),
        ("adam > sgd by much", "'much': must be a number"),
        ("adam > sgd by nan", "'nan': must be a number"),
        ("adam > sgd by -1", "by -1: must be 0 or more"),
        ("adam equals sgd within -0.1", "within -0.1: must be 0 or more"),
        ("lr = 0.01, lr = 0.001 > lr = 1e-5", "'lr = 0.01, lr = 0.001': names a factor twice"),
        ("flat beyond 512", "flat beyond 512: name the factor"),
        ("flat in units1 beyond 1024", "units1 = 1024: is the last level"),
        ("accuracy peaks inside batch_size", "batch_size: has no inner level"),
        ("time peaks inside lr", "'time': this form takes valid_accuracy only"),
    ],
)
def test_what_cannot_be_checked_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        DESIGN.parse(text)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_a_margin_has_a_default_for_accuracies_only() -> None:
    with pytest.raises(ValueError, match="say which difference in valid_loss counts as none"):
        Parser(FACTORS, (), "valid_loss").parse("no gain from depth")


def test_strategies_are_compared_and_their_trials_give_trends_only() -> None:
    parser = Parser([Factor("filters", ())], ("random", "hyperopt+asha"), "valid_accuracy", WITHIN)
    better = Better((("strategy", "hyperopt+asha"),), (("strategy", "random"),), 0.01)
    assert parser.parse("hyperopt+asha > random by 0.01").claim == better
    assert parser.parse("accuracy increases with filters").claim == Trend("value", "filters", True)
    with pytest.raises(ValueError, match="judged by the ranks of trials there; leave out within"):
        parser.parse("accuracy increases with filters within 0.01")
    with pytest.raises(ValueError, match=r"needs a \[design\]"):
        parser.parse("no gain from filters")
    with pytest.raises(ValueError, match="'bayes': not a strategy of the study"):
        parser.parse("bayes > random")


words = st.sampled_from(
    ["accuracy", "increases", "with", "lr", ">", "<", "by", "0.1", "=", ",", "flat", "beyond", "512", "is", "at",
     "none", "no", "gain", "from", "depth", "within", "peaks", "inside", "above", "more", "robust", "to", "than",
     "equals", ""]
)  # fmt: skip


@given(st.lists(words, max_size=9).map(" ".join) | st.text(max_size=30))
def test_any_text_is_read_or_refused_in_one_line(text: Any) -> None:
    for parser in (DESIGN, Parser([Factor("lr", ())], ("random", "bayes"), "valid_accuracy")):
        try:
            assert parser.parse(text).text
        except ValueError as error:
            assert "\n" not in str(error).strip()
