"""Hypotheses against records whose truth is known, and against pure noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from hypertune.comparison.effects import estimate
from hypertune.comparison.findings import REFUTED, SUPPORTED, UNDECIDED, findings
from hypertune.comparison.narrative import finding_sentence
from hypertune.comparison.verdict import conclusion
from tests.comparison.designed import design_study, designed
from tests.comparison.synthetic import make_records

SPACE: dict[str, Any] = {
    "lr": {"grid_search": [1e-4, 1e-3, 1e-2]},
    "norm": {"grid_search": ["none", "batch"]},
    "width": {"grid_search": [1, 2, 4, 8, 16]},
}


def truth(config: dict[str, Any], epoch: int) -> float:
    """Best at lr 1e-3; lr 1e-2 costs 0.2 without normalisation and 0.02 with it; width helps up to 4."""
    rate = {1e-4: 0.05, 1e-3: 0.0, 1e-2: 0.2 if config["norm"] == "none" else 0.02}[config["lr"]]
    return 0.9 - rate + 0.05 * min(math.log2(config["width"]), 2) - 0.1 / epoch


def verdicts(*texts: str, **changes: Any) -> list[str]:
    study = design_study(SPACE, hypotheses=list(texts), design={"epochs": [1, 2]}, **changes)
    return [finding.verdict for finding in findings(designed(study, truth))]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("accuracy increases with width", SUPPORTED),
        ("accuracy decreases with width", REFUTED),
        ("accuracy increases with lr", REFUTED),  # it rises first: the clear fall at the end refutes it
        ("accuracy increases with epochs", SUPPORTED),
        ("time increases with width", SUPPORTED),
        ("size decreases with width", REFUTED),
        ("batch > none", SUPPORTED),
        ("none > batch", REFUTED),
        ("batch > none by 0.2", REFUTED),
        ("norm = none, lr = 0.001 > norm = none, lr = 0.01 by 0.1", SUPPORTED),
        ("width = 8 equals width = 16 within 0.01", SUPPORTED),
        ("width = 1 equals width = 2 within 0.01", REFUTED),
        ("batch norm is more robust to lr than none", SUPPORTED),
        ("none is more robust to lr than batch", REFUTED),
        ("accuracy peaks inside lr", SUPPORTED),
        ("accuracy peaks inside width", UNDECIDED),  # the last three are equal
        ("no gain from width within 0.005", REFUTED),
        ("no gain from norm within 0.2", SUPPORTED),
        ("flat in width beyond 4 within 0.01", SUPPORTED),
        ("flat in width beyond 1 within 0.01", REFUTED),
        ("accuracy at norm = none, lr = 0.01 is below 0.8", SUPPORTED),
        ("accuracy at norm = none, lr = 0.01 is above 0.8", REFUTED),
    ],
)
def test_what_is_true_is_supported_and_what_is_false_refuted(text: str, verdict: str) -> None:
    assert verdicts(text) == [verdict]


def test_a_range_that_is_only_noise_is_no_lack_of_robustness() -> None:
    """Every seed's range over lr is far larger without normalisation; the means are the same."""
    study = design_study({key: SPACE[key] for key in ("lr", "norm")}, seeds=10,
                         hypotheses=["batch norm is more robust to lr than none"])  # fmt: skip
    random = np.random.default_rng(0)
    records = designed(study, lambda config, epoch: 0.5 + random.normal(0, 0.1 * (config["norm"] == "none")))
    assert findings(records)[0].verdict == UNDECIDED


@pytest.mark.parametrize(("within", "verdict"), [("", REFUTED), (" within 0.05", SUPPORTED)])
def test_a_trend_may_fall_within_its_margin_only(within: str, verdict: str) -> None:
    """The first level is bad, then it falls by 0.01 each time."""
    levels = {1: 0.1, 2: 0.9, 4: 0.89, 8: 0.88, 16: 0.87}
    study = design_study({"width": SPACE["width"]}, hypotheses=["accuracy increases with width" + within], seeds=10)
    (finding,) = findings(designed(study, lambda config, epoch: levels[config["width"]]))
    assert finding.verdict == verdict
    assert finding.evidence.meaning == "change from 1 to 16"


def test_a_trend_takes_the_margin_of_the_study() -> None:
    levels = {1: 0.1, 2: 0.9, 4: 0.89}
    study = design_study({"width": {"grid_search": [1, 2, 4]}}, hypotheses=["accuracy increases with width"],
                         margin=0.05, seeds=10)  # fmt: skip
    (finding,) = findings(designed(study, lambda config, epoch: levels[config["width"]]))
    assert finding.verdict == SUPPORTED


def test_what_the_noise_hides_stays_undecided() -> None:
    study = design_study(SPACE, hypotheses=["width = 16 > width = 8", "no gain from width within 0.1"])
    records = designed(study, lambda config, epoch: 0.5 + 0.0001 * config["width"], noise=0.05)
    assert findings(records)[0].verdict == UNDECIDED


def test_better_follows_the_mode_and_increases_the_number() -> None:
    study = design_study({"width": {"grid_search": [1, 2]}}, metric="valid_loss", mode="min",
                         hypotheses=["width = 1 > width = 2", "loss increases with width"])  # fmt: skip
    records = designed(study, lambda config, epoch: 0.3 * config["width"])
    assert [finding.verdict for finding in findings(records)] == [SUPPORTED, SUPPORTED]


def test_with_two_seeds_nothing_is_decided_and_the_reason_is_said() -> None:
    study = design_study(SPACE, hypotheses=["batch > none"], seeds=2)
    (finding,) = findings(designed(study, truth))
    assert finding.verdict == UNDECIDED
    assert finding_sentence(finding).endswith("A test needs 3 seeds.")


def test_a_finding_says_effect_interval_runs_and_figure() -> None:
    study = design_study(SPACE, hypotheses=["batch > none", "batch is more robust to lr than none"])
    one, two = findings(designed(study, truth))
    assert one.evidence.effect.effect == pytest.approx(0.06, abs=0.002)
    assert one.evidence.effect.low < one.evidence.effect.effect < one.evidence.effect.high
    assert (one.evidence.runs, one.evidence.figure) == (150, "level-norm")
    assert two.evidence.figure == "heatmap"
    assert finding_sentence(one).startswith('"batch > none": supported. Norm = batch less norm = none: +0.06')
    assert "(5 seeds, 150 runs, corrected p < 0.001)" in finding_sentence(one)


def test_strategies_are_compared_by_their_sweeps_and_trends_by_random_search_alone() -> None:
    texts = ["hyperopt > random", "random > hyperopt", "accuracy increases with filters"]
    records = make_records(hypotheses=texts, seeds=8, trials=16)
    records.retrained.loc[records.retrained["strategy"] == "random", "test_accuracy"] -= 0.03
    better, worse, trend = findings(records)
    assert (better.verdict, worse.verdict) == (SUPPORTED, REFUTED)
    assert trend.evidence.outcome == "rank correlation"
    assert trend.evidence.runs <= 8 * 16
    assert -1 <= trend.evidence.effect.low <= trend.evidence.effect.high
    assert '"hyperopt > random": supported.' in conclusion(records)


def test_strategies_are_compared_by_their_test_scores_where_there_are_any() -> None:
    """The incumbents of one strategy look better only because it looked at more of them."""
    records = make_records(hypotheses=["hyperopt > random"], seeds=8, retrain=1)
    lucky = records.trials["strategy"] == "hyperopt"
    records.trials.loc[lucky, "valid_accuracy"] += 0.2
    scores = np.random.default_rng(1).normal(0.9, 0.01, len(records.retrained))
    records.retrained["test_accuracy"] = scores
    (finding,) = findings(records)
    assert finding.verdict == UNDECIDED
    assert finding.evidence.meaning.endswith(", test_accuracy")


@pytest.mark.parametrize(
    ("step", "verdict"), [(0.01, SUPPORTED), (-0.01, REFUTED)], ids=["bad, then rising", "bad, then falling"]
)
def test_a_trend_of_trials_may_not_fall_either(step: float, verdict: str) -> None:
    records = make_records(hypotheses=["accuracy increases with filters"], seeds=12, trials=24)
    filters = records.trials["config/filters"].to_numpy(dtype=float)
    noise = np.random.default_rng(0).normal(0, 1e-4, len(filters))
    records.trials["valid_accuracy"] = np.where(filters <= 12, 0.1, 0.6 + step * filters) + noise
    (finding,) = findings(records)
    assert finding.verdict == verdict


def test_equal_levels_are_seldom_told_apart() -> None:
    """Of noise with three seeds and three hypotheses, a false finding comes up in about 5 % of studies at most."""
    texts = ["adam > sgd", "sgd > rmsprop", "adam > rmsprop"]
    study = design_study({"optimizer": {"grid_search": ["adam", "sgd", "rmsprop"]}}, seeds=[0], hypotheses=texts,
                         training={"max_epochs": 1})  # fmt: skip
    false, studies = 0, 40
    for number in range(studies):
        seeds = tuple(range(3 * number, 3 * number + 3))
        records = designed(study.replace(seeds=seeds), lambda config, epoch: 0.5, noise=0.01)
        false += any(finding.verdict != UNDECIDED for finding in findings(records))
    assert false / studies <= 0.1


def test_t_intervals_cover_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    inside = [(own := estimate(random.normal(0, 1, 3))).low <= 0 <= own.high for _ in range(2000)]
    assert 0.935 <= np.mean(inside) <= 0.965
