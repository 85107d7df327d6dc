"""The picture of a running study in a notebook."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from hypertune.report.live_curve import LiveCurve
from hypertune.study.file import Budget
from hypertune.study.study import Study

Events = list[dict[str, Any]]


def study(**changes: Any) -> Study:
    changes = {
        "strategies": ("random", "asha"),
        "seeds": (0,),
        "budget": Budget(epochs=4),
        "until_decided": False,
        **changes,
    }
    return Study.load("digits_cnn").replace(**changes)


def sweep(strategy: str, values: list[float], *, done: bool = True) -> Events:
    trial = f"{strategy}_1"
    events: Events = [
        {"event": "sweep", "strategy": strategy, "seed": 0, "workers": 1},
        {"event": "trial", "trial_id": trial, "strategy": strategy, "seed": 0},
    ]
    events += [
        {"event": "epoch", "trial_id": trial, "spent": 1, "wall_s": 2.0 * epoch, "metrics": {"valid_accuracy": value}}
        for epoch, value in enumerate(values, 1)
    ]
    return events + [{"event": "done"}] * done


def drawn(events: Events, **changes: Any) -> ElementTree.Element:
    curve = LiveCurve(study(**changes))
    for event in events:
        curve(event)
    return ElementTree.fromstring(curve.svg())


def curves(svg: ElementTree.Element) -> dict[str, ElementTree.Element]:
    titled = [(path.find("title"), path) for path in svg.iter("path")]
    return {str(title.text): path for title, path in titled if title is not None}


def test_there_is_nothing_to_see_before_the_first_value() -> None:
    assert LiveCurve(study()).svg() == ""


def test_each_sweep_is_a_staircase_of_its_improvements() -> None:
    found = curves(drawn(sweep("random", [0.2, 0.1, 0.6, 0.6]) + sweep("asha", [0.5], done=False)))
    assert set(found) == {"random, seed 0", "asha, seed 0"}
    ended, running = found["random, seed 0"], found["asha, seed 0"]
    assert len(re.findall("H", ended.attrib["d"])) == 2  # one improvement, and on to the end
    assert len(re.findall("H", running.attrib["d"])) == 1
    assert float(running.attrib["stroke-width"]) > float(ended.attrib["stroke-width"])
    assert running.attrib["stroke"] != ended.attrib["stroke"]


def test_better_is_higher_only_where_the_metric_is_maximised() -> None:
    best = [0.9, 0.5, 0.2]
    falling = curves(drawn(sweep("random", best, done=False), mode="min"))["random, seed 0"].attrib["d"]
    flat = curves(drawn(sweep("random", best, done=False)))["random, seed 0"].attrib["d"]
    assert (falling.count("V"), flat.count("V")) == (2, 0)


def test_a_strategy_with_a_hostile_name_is_only_text() -> None:
    name = "<script>alert(1)</script>"
    svg = drawn(sweep("random", [0.5, 0.6]))
    assert svg.attrib["role"] == "img"
    curve = LiveCurve(study())
    curve._styles[name] = curve._styles["random"]
    for event in sweep(name, [0.4]):
        curve(event)
    assert "<script" not in curve.svg()
    ElementTree.fromstring(curve.svg())


def test_one_value_alone_has_a_scale() -> None:
    texts = [text.text for text in drawn(sweep("random", [0.5], done=False)).iter("text")]
    assert "0.4750" in texts
    assert "100 %" in texts
