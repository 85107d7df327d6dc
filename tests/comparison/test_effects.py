"""Runs, effects, interactions, variation, the summary and its front, against numbers worked out by hand."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from hypertune.comparison.effects import interactions, main_effects, variation
from hypertune.comparison.narrative import design_sentences, epoch_note, not_tested
from hypertune.comparison.runs import runs
from hypertune.comparison.summary import experiment_summary, pareto
from tests.comparison.designed import design_study, designed
from tests.comparison.synthetic import make_records

TWO = {"a": {"grid_search": [1, 2]}, "b": {"grid_search": ["x", "y"]}}
TABLE = {(1, "x"): 0.5, (1, "y"): 0.6, (2, "x"): 0.6, (2, "y"): 0.9}


def truth(config: dict[str, Any], epoch: int) -> float:
    return TABLE[config["a"], config["b"]] * epoch / 2


def test_main_effects_and_interactions_of_two_by_two() -> None:
    facts = runs(designed(design_study(TWO), truth, noise=1e-6))
    main = main_effects(facts).set_index(["factor", "level"])
    assert main.loc[("a", 2), "mean"] == pytest.approx(0.75, abs=1e-4)
    assert main.loc[("a", 2), "effect"] == pytest.approx(0.1, abs=1e-4)
    assert main.loc[("b", "x"), "effect"] == pytest.approx(-0.1, abs=1e-4)
    assert (main["low"] <= main["effect"]).all()
    assert (main["effect"] <= main["high"]).all()
    beyond = interactions(facts)
    # 0.9 - 0.75 - 0.75 + 0.65
    assert beyond["effect"].abs().tolist() == pytest.approx([0.05] * 4, abs=1e-4)
    both = beyond[(beyond["level"] == 2) & (beyond["other_level"] == "y")]
    assert both["effect"].iloc[0] == pytest.approx(0.05, abs=1e-4)


def test_shares_of_the_variation_add_up() -> None:
    shares = variation(runs(designed(design_study(TWO), truth, noise=1e-6))).set_index("term")["share"]
    # Sums of squares 4 x (0.1^2, 0.1^2, 0.05^2) per seed.
    assert shares["a"] == pytest.approx(0.01 / 0.0225, abs=1e-3)
    assert shares["a x b"] == pytest.approx(0.0025 / 0.0225, abs=1e-3)
    assert shares.sum() == pytest.approx(1)
    three = design_study({**TWO, "c": {"grid_search": [1, 2, 3]}})
    shares = variation(runs(designed(three, lambda c, e: truth(c, e) * c["c"]))).set_index("term")["share"]
    assert shares.sum() == pytest.approx(1)
    assert shares["higher interactions"] > 0


def test_a_value_is_that_of_the_last_epoch_not_the_best() -> None:
    records = designed(design_study(TWO), lambda config, epoch: 0.9 if epoch == 1 else 0.5, noise=0.0)
    assert (runs(records).table["value"] == 0.5).all()
    assert (records.trials["valid_accuracy"] == 0.9).all()


def test_epochs_are_a_factor_read_off_the_curves() -> None:
    study = design_study({"a": {"grid_search": [1, 2]}}, design={"epochs": [1, 2, 4]}, training={"max_epochs": 4})
    facts = runs(designed(study, lambda config, epoch: 0.1 * epoch, noise=0.0))
    assert [factor.name for factor in facts.factors] == ["a", "epochs"]
    assert facts.at((("epochs", 2),)).tolist() == pytest.approx([0.2] * 5)
    assert facts.at((("epochs", 4),), "seconds").tolist() == pytest.approx([4.0] * 5)


def test_a_diverged_run_counts_as_the_worst_not_by_its_broken_weights() -> None:
    records = designed(design_study(TWO), lambda c, e: math.nan if c == {"a": 1, "b": "x"} else truth(c, e), noise=0.0)
    facts = runs(records)
    assert facts.at((("a", 1), ("b", "x"))).tolist() == pytest.approx([0.6] * 5)
    assert facts.table["lost"].sum() == 5
    summary = experiment_summary(records)
    lost = summary[summary["lost"] > 0].iloc[0]
    assert (lost["lost"], lost["on_front"], lost["recommended"]) == (5, False, False)
    assert any("5 diverged of 20 runs; they count as the worst" in said for said in design_sentences(records))


def test_seeds_that_did_not_run_every_cell_are_left_out_and_named() -> None:
    records = designed(design_study(TWO), truth, absent=(3,))
    assert runs(records).seeds == (0, 1, 2, 4)
    assert "Left out, since not every cell has been run: seed 3." in design_sentences(records)


def test_one_at_a_time_compares_with_its_baseline() -> None:
    space = {"a": {"grid_search": [1, 2, 3]}, "b": {"grid_search": ["x", "y"]}}
    study = design_study(space, design={"kind": "one_at_a_time", "baseline": {"a": 2, "b": "x"}})
    records = designed(study, lambda c, e: 0.5 + 0.1 * c["a"] + 0.05 * (c["b"] == "y"), noise=1e-6)
    assert len(records.trials) == 5 * 4
    facts = runs(records)
    main = main_effects(facts).set_index(["factor", "level"])["effect"]
    assert main["a", 3] == pytest.approx(0.1, abs=1e-4)
    assert main["b", "y"] == pytest.approx(0.05, abs=1e-4)
    assert main["a", 2] == 0
    assert interactions(facts).empty
    assert variation(facts).empty
    assert any(said.startswith("Interactions:") for said in not_tested(records))


def test_tables_without_a_journal_give_the_same_runs(tmp_path: Any) -> None:
    """Configurations other than the incumbents' then come from the columns of trials.csv."""
    from hypertune.comparison.export import write_tables
    from hypertune.records.provenance import write_provenance
    from hypertune.records.records import read

    space = {"lr": {"loguniform": [1e-4, 1e-2]}, "on": {"grid_search": [True, False]}, "n": {"grid_search": ["1", 2]}}
    study = design_study(space, design={"points": 3})
    records = designed(study, lambda c, e: 0.5 + 10 * c["lr"] + 0.1 * c["on"])
    (tmp_path / "study.toml").write_text(study.to_toml())
    write_tables(records, tmp_path)
    write_provenance(tmp_path, {}, records)
    again = read(tmp_path)
    assert main_effects(runs(again)).to_string() == main_effects(runs(records)).to_string()


def test_the_summary_has_a_row_per_cell_and_recommends_the_cheapest_of_the_best() -> None:
    study = design_study({"width": {"grid_search": [1, 2, 4]}})
    records = designed(study, lambda c, e: {1: 0.5, 2: 0.9, 4: 0.9001}[c["width"]], noise=0.01)
    summary = experiment_summary(records).set_index("width")
    assert summary["runs"].tolist() == [5, 5, 5]
    assert summary.loc[2, "recommended"]
    assert summary["recommended"].sum() == 1
    assert summary.loc[1, "on_front"]
    assert summary.loc[4, "seconds"] == 8
    assert summary.loc[4, "parameters"] == 400


def test_the_summary_of_a_comparison_has_a_row_per_trial() -> None:
    records = make_records()
    summary = experiment_summary(records)
    assert len(summary) == len(records.trials)
    best = summary[summary["recommended"]].iloc[0]
    assert best["valid_accuracy"] == records.trials["valid_accuracy"].max()


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_the_front_is_what_no_other_row_dominates(columns: int) -> None:
    points = np.random.default_rng(columns).integers(0, 6, (60, columns)).astype(float)
    usable = np.arange(60) % 7 != 0
    for i, on in enumerate(pareto(points, usable)):
        beaten = any(
            (points[j] <= points[i]).all() and (points[j] < points[i]).any() for j in np.flatnonzero(usable)
        )  # fmt: skip
        assert on == (usable[i] and not beaten)


def test_the_front_does_without_a_cost_nobody_reports() -> None:
    points = np.array([[1.0, np.nan], [2.0, np.nan]])
    assert pareto(points, np.array([True, True])).tolist() == [True, False]


def test_an_epoch_of_a_few_batches_is_explained() -> None:
    space = {"batch_size": {"grid_search": [4, 128]}}
    records = designed(design_study(space, training={"steps_per_epoch": 100}), lambda c, e: 0.5)
    assert "With batch_size 4 an epoch has 400 images, with 128 it has 12,800" in epoch_note(records)
    assert epoch_note(designed(design_study(space), lambda c, e: 0.5)) == ""


def test_what_was_not_tested_names_constants_and_ranges() -> None:
    study = design_study({"width": {"grid_search": [1, 2]}}, training={"config": {"lr": 0.001}}, seeds=2)
    said = " ".join(not_tested(designed(study, lambda c, e: 0.5)))
    for words in ("lr = 1e-3", "width 1 to 2", "digits", "more than 2 epochs", "test split", "with 2 seed(s)"):
        assert words in said


def test_a_grid_of_three_factors_averages_over_the_third() -> None:
    space = {name: {"grid_search": [0, 1]} for name in "abc"}
    facts = runs(designed(design_study(space), lambda c, e: 0.1 * c["a"] + 0.2 * c["b"] * c["c"], noise=0.0))
    cells = facts.cells()
    assert cells.shape == (2, 2, 2, 5)
    for a, b, c in itertools.product((0, 1), repeat=3):
        assert cells[a, b, c] == pytest.approx([0.1 * a + 0.2 * b * c] * 5)
    strongest = interactions(facts).iloc[0]
    assert {strongest["factor"], strongest["other"]} == {"b", "c"}
    assert abs(strongest["effect"]) == pytest.approx(0.05)
