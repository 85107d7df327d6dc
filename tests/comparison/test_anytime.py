"""Incumbent curves, and the time to a target."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hypertune.comparison.anytime import incumbents, on_grid, reached_between
from hypertune.comparison.assessment import assess
from hypertune.comparison.target import to_target
from hypertune.comparison.timeline import busy_spans
from hypertune.comparison.wording import sentences
from hypertune.records.records import Book, Records
from hypertune.study.warm_start import EarlierTrial, WarmStart
from tests.comparison.synthetic import make_records, make_study


def made(sweeps: dict[tuple[str, int], list[float]], mode: str = "max") -> Records:
    """One trial per sweep, one epoch a second, with the values given."""
    strategies = list(dict.fromkeys(name for name, _ in sweeps))
    seeds = sorted({seed for _, seed in sweeps})
    book = Book(make_study(strategies=strategies, seeds=seeds, mode=mode, metric="score"))
    for (strategy, seed), values in sweeps.items():
        trial = f"{strategy}_s{seed}_0001"
        book.apply({"event": "sweep", "strategy": strategy, "seed": seed, "workers": 1, "at": ""})
        config = {"filters": 4, "lr": 1e-3, "batch_size": 16, "norm": "none"}
        book.apply(
            {"event": "trial", "strategy": strategy, "seed": seed, "trial_id": trial, "config": config, "at": ""}
        )
        for epoch, value in enumerate(values, 1):
            book.apply(epoch_event(trial, epoch, value, float(epoch)))
        book.apply({"event": "end", "trial_id": trial, "status": "completed", "at": ""})
        book.apply(
            {"event": "done", "strategy": strategy, "seed": seed, "wall_s": len(values) + 1.0, "decision_s": 0.0}
        )
    return book.records()


def epoch_event(trial_id: str, epoch: int, value: float, wall_s: float) -> dict[str, Any]:
    return {
        "event": "epoch", "trial_id": trial_id, "epoch": epoch, "metrics": {"score": value}, "spent": 1,
        "elapsed_s": float(epoch), "wall_s": wall_s, "node": None, "device": None,
    }  # fmt: skip


def test_the_incumbent_only_improves_and_lasts_to_the_sweeps_end() -> None:
    curve = incumbents(made({("random", 0): [0.5, 0.4, 0.7, math.nan, 0.6]}))
    assert curve["value"].tolist() == [0.5, 0.7, 0.7]
    assert curve["epochs"].tolist() == [1, 3, 5]
    assert curve["wall_s"].tolist() == [1, 3, 6]
    lower = incumbents(made({("random", 0): [0.5, 0.4, 0.7]}, mode="min"))
    assert lower["value"].tolist() == [0.5, 0.4, 0.4]


def test_a_curve_begins_where_all_sweeps_have_an_incumbent_and_ends_at_the_tables_mean() -> None:
    records = made({("random", 0): [math.nan, 0.4, 0.6], ("random", 1): [0.2, 0.2, 0.8]})
    curve = on_grid(records, "epochs").set_index("epochs")
    assert curve["value"].isna().tolist() == [True, True, False, False]
    assert curve["value"][3] == pytest.approx(0.7)
    assert curve["low"][3] <= 0.7 <= curve["high"][3]


def test_a_sweep_that_found_nothing_is_left_out_of_the_curve_and_counted() -> None:
    records = made({("random", 0): [math.nan, math.nan], ("random", 1): [0.2, 0.8]})
    curve = on_grid(records, "epochs")
    assert curve["seeds"].unique().tolist() == [1]
    assert curve["value"].iloc[-1] == pytest.approx(0.8)
    assert curve["low"].isna().all()


@pytest.mark.parametrize("axis", ["epochs", "wall_s"])
@pytest.mark.parametrize("centre", ["mean", "iqm"])
def test_all_strategies_share_one_grid(axis: str, centre: str) -> None:
    curves = on_grid(make_records(seeds=5), axis, centre=centre)  # type: ignore[arg-type]
    grids = {tuple(curve[axis]) for _, curve in curves.groupby("strategy")}
    assert len(grids) == 1
    assert next(iter(grids))[0] == 0
    for _, curve in curves.groupby("strategy"):
        values = curve["value"].dropna()
        assert (np.diff(values) >= -1e-12).all()


def test_without_finished_sweeps_there_is_no_curve() -> None:
    assert on_grid(Book(make_study()).records()).empty
    assert to_target(Book(make_study()).records()) is None


def test_speed_is_measured_against_what_random_search_ends_at() -> None:
    slow, fast = [0.1, 0.2, 0.3, 0.8], [0.8, 0.9, 0.9, 0.9]
    records = made({("random", s): slow for s in range(7)} | {("bayes", s): fast for s in range(7)})
    target = to_target(records)
    assert target is not None
    assert target.reference == "random"
    assert target.value == pytest.approx(0.8)
    assert target.table["at"].to_dict() == {"random": 4, "bayes": 1}
    assert target.table["speedup"]["bayes"] == 4
    assert (target.table["low"]["bayes"], target.table["high"]["bayes"]) == (1, 1)


def test_a_speed_says_what_a_warm_start_had_cost_before() -> None:
    slow, fast = [0.1, 0.2, 0.3, 0.8], [0.8, 0.9, 0.9, 0.9]
    records = made({("random", s): slow for s in range(7)} | {("bayes", s): fast for s in range(7)})
    plain = next(sentence for sentence in sentences(assess(records)) if sentence.startswith("Speed: "))
    numbers = records.study.space.encode({"filters": 4, "lr": 1e-3, "batch_size": 16, "norm": "none"})
    known = WarmStart(study="first", place="first", trials=[EarlierTrial(numbers=numbers, epochs=40, value=0.8)])
    warm = replace(records, study=records.study.replace(warm_start=known))
    said = next(sentence for sentence in sentences(assess(warm)) if sentence.startswith("Speed: "))
    assert said == plain.replace("test).", "test; the 40 epochs of the warm start are not counted).")
    assert said != plain


def test_who_never_reaches_the_target_has_no_time_but_a_verdict() -> None:
    good, bad = [0.1, 0.9], [0.1, 0.2]
    target = to_target(made({("random", s): good for s in range(7)} | {("bayes", s): bad for s in range(7)}))
    assert target is not None
    assert math.isnan(target.table["at"]["bayes"])
    assert target.table["speedup"]["bayes"] == 0


def test_without_random_search_the_worst_final_mean_is_the_target() -> None:
    target = to_target(made({("asha", 0): [0.5, 0.6], ("bayes", 0): [0.7, 0.9]}))
    assert target is not None
    assert target.reference == "asha"
    assert target.value == pytest.approx(0.6)
    lower = to_target(made({("asha", 0): [0.5, 0.4], ("bayes", 0): [0.7, 0.6]}, mode="min"))
    assert lower is not None
    assert lower.reference == "bayes"
    assert lower.value == pytest.approx(0.6)


def test_the_band_of_an_accuracy_near_one_stays_below_it_whichever_way_is_better() -> None:
    for mode, values in (("max", (0.95, 0.999, 0.9)), ("min", (0.05, 0.001, 0.1))):
        curve = on_grid(made({("random", s): [value] for s, value in enumerate(values)}, mode=mode), "epochs")
        assert curve["value"].iloc[-1] == pytest.approx(np.mean(values))
        assert 0 < curve["low"].iloc[-1] < curve["value"].iloc[-1] < curve["high"].iloc[-1] < 1


def test_when_the_target_is_reached_has_an_interval_that_covers_it() -> None:
    """Sweeps that climb evenly to 1 in ten epochs, with noise: on average they are at 0.55 after between 5 and 6."""
    random, covered = np.random.default_rng(0), 0
    for _ in range(40):
        scores = np.linspace(0.1, 1, 10) + random.normal(0, 0.15, (8, 1))
        low, high = reached_between(scores, 0.55, np.arange(1.0, 11.0))
        covered += low <= 6 and high >= 5
    assert covered >= 36


def test_spans_fill_the_workers_without_overlap() -> None:
    spans = busy_spans(make_records(workers=3, failing=0.2))
    assert set(spans["worker"]) <= {0, 1, 2}
    for _, lane in spans.groupby(["strategy", "seed", "worker"]):
        ordered = lane.sort_values("start_s")
        assert (ordered["start_s"].iloc[1:].to_numpy() >= ordered["end_s"].iloc[:-1].to_numpy() - 1e-6).all()


def test_busy_spans_add_up_to_the_ledgers_busy_seconds() -> None:
    records = make_records()
    spans = busy_spans(records)
    busy = (spans["end_s"] - spans["start_s"]).groupby([spans["strategy"], spans["seed"]]).sum()
    ledger = records.sweeps.set_index(["strategy", "seed"])["busy_s"].astype(float)
    assert busy[ledger.index].to_numpy() == pytest.approx(ledger.to_numpy())


def test_a_paused_trial_has_several_spans() -> None:
    book = Book(make_study(strategies=["hyperband"], seeds=1, metric="score"))
    config = {"filters": 4, "lr": 1e-3, "batch_size": 16, "norm": "none"}
    book.apply({"event": "sweep", "strategy": "hyperband", "seed": 0, "workers": 1, "at": ""})
    book.apply({"event": "trial", "strategy": "hyperband", "seed": 0, "trial_id": "t", "config": config, "at": ""})
    for epoch, wall_s in ((1, 1.0), (2, 2.0), (3, 9.0)):
        book.apply(epoch_event("t", epoch, 0.5, wall_s))
    assert busy_spans(book.records())[["start_s", "end_s"]].to_numpy().tolist() == [[0, 2], [8, 9]]
