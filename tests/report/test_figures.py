"""Figures: what they show, and that early-stopped trials never pass for finished ones."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from hypertune.comparison.encoding import encoded
from hypertune.report.figures import figures
from hypertune.report.hyperparameters import pair, parallel
from hypertune.report.payload import figure_json, script_json
from hypertune.report.style import COLOURS, GREY, styles
from hypertune.report.trials import timeline
from tests.comparison.edges import edge
from tests.comparison.synthetic import make_records

NAMES = [
    "anytime_epochs", "anytime_seconds", "final", "cost", "timeline", "tried", "learning", "parallel", "pair",
    "rank_correlation", "importance", "scatter", "trade_off",
]  # fmt: skip


def test_a_study_has_all_figures() -> None:
    drawn = figures(make_records(seeds=3))
    assert list(drawn) == NAMES
    assert all(isinstance(chart, go.Figure) for chart in drawn.values())


@pytest.mark.parametrize("name", ["all trials failed", "no finished sweep", "one epoch", "one hyperparameter"])
def test_figures_without_facts_are_left_out(name: str) -> None:
    drawn = figures(edge(name))
    assert set(drawn) <= set(NAMES)
    assert "timeline" in drawn
    if name == "all trials failed":
        assert not {"anytime_epochs", "final", "learning", "parallel", "importance"} & set(drawn)


def test_early_stopped_trials_have_no_part_in_the_heatmap() -> None:
    records = make_records(seeds=3, strategies=["random", "asha"])
    chart = pair(records, ("lr", "filters"))
    assert chart is not None
    heatmap = next(trace for trace in chart.data if trace.type == "heatmap")
    completed = records.trials[records.trials["status"] == "completed"]
    numbers = encoded(records).loc[completed["trial_id"]]
    counts, _, _ = np.histogram2d(numbers["filters"], numbers["lr"], bins=(heatmap.y, heatmap.x))
    assert (np.isfinite(np.array(heatmap.z, dtype=float)) == (counts > 0)).all()
    assert np.nanmin(np.array(heatmap.z, dtype=float)) >= completed["valid_accuracy"].min()
    traces = {trace.name: trace for trace in chart.data if trace.type == "scatter"}
    assert len(traces["completed"].x) == len(completed)
    assert traces["stopped"].marker.color == GREY
    assert len(traces["stopped"].x) == (records.trials["status"] == "stopped").sum()


def test_the_pair_can_be_chosen_and_is_checked() -> None:
    records = make_records(seeds=2)
    chart = figures(records, pair=("norm", "lr"))["pair"]
    assert chart.layout.xaxis.title.text == "norm"
    assert list(chart.layout.xaxis.ticktext) == ["none", "batch"]
    with pytest.raises(ValueError, match="'depth' is not in the space"):
        figures(records, pair=("lr", "depth"))


def test_every_trial_is_on_the_timeline_of_its_seed() -> None:
    records = make_records(seeds=2, failing=0.2)
    chart = timeline(records, styles(records.study.strategies))
    assert chart is not None
    shown = sum(len(trace.y) for trace in chart.data if trace.visible)
    assert shown == (records.trials["seed"] == 0).sum()
    assert [button.label for button in chart.layout.updatemenus[0].buttons] == ["seed 0", "seed 1"]


def test_a_large_cluster_shows_how_many_workers_are_busy() -> None:
    records = make_records(seeds=1, workers=100, trials=120, max_epochs=2)
    chart = timeline(records, styles(records.study.strategies))
    assert chart is not None
    assert {trace.name: max(trace.y) for trace in chart.data}["random"] == 100


def test_strategies_differ_by_more_than_colour() -> None:
    chosen = styles(["random", *(f"s{i}" for i in range(18))])
    assert chosen["random"].colour == GREY
    looks = [(style.colour, style.dash, style.symbol) for name, style in chosen.items() if name != "random+fifo"]
    assert len(set(looks)) == len(looks)
    assert {colour for colour, _, _ in looks[1:]} <= {*COLOURS, GREY}


def test_a_strategy_looks_the_same_in_every_study() -> None:
    one = styles(["random", "asha", "hyperopt"])
    other = styles(["hyperopt+asha", "bayes", "asha", "mine", "hyperopt"])
    assert all(one[name] == other[name] for name in ("random", "asha", "hyperopt"))
    assert other["hyperopt+asha"].colour == other["hyperopt"].colour
    assert other["hyperopt+asha"].dash == other["asha"].dash != other["hyperopt"].dash
    assert styles(["mine"])["mine"] == styles(["random", "mine"])["mine"]


def test_every_built_in_strategy_has_a_look_of_its_own() -> None:
    from hypertune.strategies.registry import schedulers, searchers

    names = [*searchers(), *(name for name in schedulers() if name != "fifo")]
    looks = styles(names)
    assert len({looks[name] for name in names}) == len(names)


def test_only_the_leader_and_the_recommended_strategy_have_bands_at_first() -> None:
    records = make_records(seeds=4, strategies=["random", "asha", "hyperopt", "bayes"])
    chart = figures(records)["anytime_epochs"]
    bands = {trace.meta["band"]: trace.visible for trace in chart.data if trace.meta}
    assert set(bands) == set(records.study.strategies)
    assert 1 <= sum(bands.values()) <= 2


def test_the_trade_off_is_between_full_trainings_and_joins_nothing() -> None:
    records = make_records(seeds=3, strategies=["random", "asha"])
    assert (records.trials["status"] == "stopped").any()
    chart = figures(records)["trade_off"]
    full = (records.trials["epochs"] == records.study.training.max_epochs).sum()
    assert sum(len(trace.x) for trace in chart.data) == full
    assert {trace.mode for trace in chart.data} == {"markers"}


def test_figure_json_is_rounded_and_cannot_end_its_tag() -> None:
    chart = go.Figure(go.Scatter(x=np.array([1 / 3, np.nan]), y=[1.0, 2.0], name="</script><!--"))
    text = figure_json(chart)
    assert "<" not in text
    tree: dict[str, Any] = json.loads(text)
    assert tree["data"][0]["x"] == [0.333333, None]
    assert tree["data"][0]["name"] == "</script><!--"
    assert "template" not in tree["layout"]
    assert script_json({"a": "&<>"}) == '{"a":"\\u0026\\u003c\\u003e"}'


def test_arrays_of_two_dimensions_keep_their_shape() -> None:
    tree = json.loads(figure_json(go.Figure(go.Heatmap(z=np.array([[1.0, 2.0], [3.0, 4.5]])))))
    assert tree["data"][0]["z"] == [[1, 2], [3, 4.5]]


def test_titles_of_all_hyperparameters_are_never_hidden_and_values_have_room() -> None:
    records = make_records(space={"a_long_first_name": {"uniform": [0.0, 1.0]}, "b": {"uniform": [0.0, 1.0]}})
    chart = parallel(records)
    assert chart is not None
    assert chart.layout.xaxis.ticklabeloverflow == "allow"
    assert all(angle <= 0 for angle in chart.layout.xaxis.autotickangles)  # slanting to the right, into the figure
    last = [note.text for note in chart.layout.annotations if note.x == 2]
    assert chart.layout.margin.r >= 7 * max(map(len, last))


def test_of_hundreds_of_hyperparameters_the_most_important_ones_are_drawn() -> None:
    import numpy as np

    from hypertune.records.records import Book
    from hypertune.report.hyperparameters import MOST_AXES
    from hypertune.space.space import Space
    from hypertune.strategies.random import draw
    from tests.sweep.scripted import make_study

    space = Space.parse({f"h{i:03d}": {"uniform": [0.0, 1.0]} for i in range(300)})
    study = make_study(space=space)
    book, rng = Book(study), np.random.default_rng(0)
    book.apply({"event": "sweep", "strategy": study.strategies[0], "seed": 0, "workers": 2})
    who = {"strategy": study.strategies[0], "seed": 0}
    for i in range(60):
        config, trial = draw(space, rng), {"trial_id": f"t{i}", "at": "2026-01-01T00:00:00+00:00", "wall_s": float(i)}
        book.apply({"event": "trial", **who, **trial, "config": config})
        epoch = {"epoch": 1, "metrics": {study.metric: config["h299"]}, "elapsed_s": 1.0, "spent": 1}
        book.apply({"event": "epoch", **trial, **epoch, "node": None, "device": None})
        book.apply({"event": "end", **trial, "status": "completed"})
    chart = parallel(book.records())
    assert chart is not None
    titles = chart.layout.xaxis.ticktext
    assert len(titles) == MOST_AXES + 1
    assert "h299" in titles


def test_of_hundreds_of_hyperparameters_a_table_has_all() -> None:
    from hypertune.report.hyperparameters import MOST_AXES
    from hypertune.report.tables import hyperparameters_table
    from tests.comparison.synthetic import make_records

    many = make_records(space={f"h{i:02d}": {"uniform": [0.0, 1.0]} for i in range(MOST_AXES + 1)}, trials=20)
    table = hyperparameters_table(many, {f"h{i:02d}": 0.5 for i in range(MOST_AXES + 1)})
    assert table is not None
    assert sorted(row[0] for row in table.rows) == [f"h{i:02d}" for i in range(MOST_AXES + 1)]
    assert all(row[1] == "uniform 0, 1" and row[2].endswith("%") and row[3] == "0.5" for row in table.rows)
    assert hyperparameters_table(make_records(), None) is None
