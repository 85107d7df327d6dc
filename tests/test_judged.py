"""`hypertune.judge` and `hypertune judge`: anybody's tables."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import hypertune
from hypertune.commands.cli import main, parser
from hypertune.foreign.reading import read


def frame(values: NDArray[np.float64]) -> pd.DataFrame:
    """A row per seed and strategy."""
    rows = [
        {"strategy": f"s{i}", "seed": seed, "value": value}
        for seed, row in enumerate(values)
        for i, value in enumerate(row)
    ]
    return pd.DataFrame(rows)


def clear(seeds: int = 12) -> pd.DataFrame:
    return frame(np.random.default_rng(0).standard_normal((seeds, 3)) * 0.1 + np.array([0.0, 2.0, 0.5]))


def test_a_clear_table_names_what_to_take() -> None:
    judgment = hypertune.judge(clear(), mode="max", margin=0.1, until_decided=True)
    assert judgment.verdicts["s1"] == "best"
    assert judgment.conclusion.startswith("Take s1: its mean value, 2.")
    assert judgment.decided
    assert max(judgment.seeds_used.values()) < 12
    assert judgment.table["strategy"].tolist() == ["s0", "s1", "s2"]
    assert {"mean", "low", "high", "seeds", "verdict"} <= set(judgment.table)
    assert list(judgment.figures()) == ["values", "differences"]
    assert judgment.recommended == "s1"
    assert "Take s1" in repr(judgment)


def test_without_until_decided_all_seeds_count() -> None:
    judgment = hypertune.judge(clear(), mode="min")
    assert judgment.seeds_used == {"s0": 12, "s1": 12, "s2": 12}
    assert judgment.decided is None
    assert judgment.verdicts["s0"] == "best"
    assert hypertune.judge(clear(), max_seeds=4).seeds_used["s0"] == 4


def test_a_failed_sweep_counts_as_the_worst() -> None:
    table = clear()
    table.loc[table["strategy"] == "s1", "value"] = np.nan
    judgment = hypertune.judge(table)
    assert judgment.verdicts["s1"] == "worse"
    assert "12 sweeps have no finite value and count as the worst one." in judgment.conclusion


def test_a_strategy_that_only_fails_is_not_the_one_to_take() -> None:
    rows = [(name, seed, 0.9 + 0.001 * (seed % 3)) for name in ("works", "fails") for seed in range(8)]
    table = pd.DataFrame(rows, columns=["strategy", "seed", "value"])
    table["seconds"] = np.where(table["strategy"] == "fails", 1.0, 10.0)
    table.loc[table["strategy"] == "fails", "value"] = np.nan
    judgment = hypertune.judge(table, margin=0.01)
    assert judgment.recommended == "works"
    assert judgment.conclusion.startswith("Take works: ")
    assert hypertune.judge(table, margin=0.01, until_decided=True).recommended == "works"


def test_times_of_zero_are_no_obstacle() -> None:
    assert hypertune.judge(clear().assign(seconds=0.0), margin=0.01).recommended == hypertune.judge(clear()).recommended


def test_a_missing_row_is_no_sweep() -> None:
    table = clear()
    judgment = hypertune.judge(table[(table["strategy"] != "s0") | (table["seed"] < 5)])
    assert judgment.seeds_used == {"s0": 5, "s1": 12, "s2": 12}


def independent(table: pd.DataFrame) -> pd.DataFrame:
    """The same without common seeds."""
    return table.assign(seed=table["strategy"] + "-" + table["seed"].astype(str))


def test_strategies_without_common_seeds_are_independent_samples() -> None:
    judgment = hypertune.judge(independent(clear()), margin=0.1)
    assert judgment.verdicts["s1"] == "best"
    assert "share no seeds" in judgment.conclusion
    assert judgment.pairs["seeds"].tolist() == [12, 12, 12]
    assert {"values", "differences"} == set(judgment.figures())
    assert hypertune.judge(independent(clear()), max_seeds=4).seeds_used == {"s0": 4, "s1": 4, "s2": 4}


@pytest.mark.parametrize("options", [{}, {"max_seeds": 5}, {"until_decided": True}], ids=str)
def test_the_order_of_independent_samples_does_not_matter(options: dict[str, Any]) -> None:
    generator = np.random.default_rng(3)
    table = independent(frame(np.round(generator.standard_normal((14, 3)) + np.array([0.0, 1.6, 0.4]), 1)))
    table = table.drop(index=[4, 10, 13])
    table.loc[7, "value"] = np.nan
    first = hypertune.judge(table, margin=0.5, **options)
    for other in (table.sort_values("value"), table.sample(frac=1, random_state=0), table[::-1]):
        again = hypertune.judge(other, margin=0.5, **options)
        assert (again.verdicts, again.recommended) == (first.verdicts, first.recommended)
        assert again.seeds_used == first.seeds_used


@pytest.mark.parametrize("until_decided", [False, True])
def test_equal_strategies_sorted_by_value_are_seldom_told_apart(until_decided: bool) -> None:
    """Matched in the order of such a table, every third would get a verdict."""
    generator, false = np.random.default_rng(0), 0
    for _ in range(60):
        values = np.sort(generator.standard_normal((30, 2)), axis=0)
        judgment = hypertune.judge(independent(frame(values)), until_decided=until_decided)
        false += set(judgment.verdicts.values()) != {"undecided"}
    assert false <= 7


def test_curves_are_judged_by_their_last_point_and_drawn() -> None:
    last = clear()
    table = pd.concat([last.assign(epoch=2), last.assign(epoch=1, value=0.0)])
    judgment = hypertune.judge(table)
    assert judgment.verdicts == hypertune.judge(last).verdicts
    assert "anytime" in judgment.figures()


def test_seconds_make_the_cheapest_of_equals_the_recommendation() -> None:
    table = frame(np.random.default_rng(1).standard_normal((30, 2)) * 0.1)
    table["seconds"] = table["strategy"].map({"s0": 9.0, "s1": 3.0})
    judgment = hypertune.judge(table, margin=1.0)
    assert judgment.recommended == "s1"
    assert "Take s1" in judgment.conclusion
    assert judgment.table["seconds"].tolist() == [9.0, 3.0]


def test_several_tasks_are_compared_by_rank() -> None:
    table = frame(np.random.default_rng(2).standard_normal((30, 3)) * 0.1 + np.array([0.0, 2.0, 1.0]))
    table["task"], table["seed"] = table["seed"] % 15, table["seed"] // 15
    judgment = hypertune.judge(table)
    assert judgment.verdicts["s1"] == "best"
    assert judgment.conclusion.startswith("Take s1: it has the best mean rank over 15 tasks, 1.00 of 3")
    assert set(judgment.figures()) == {"critical_difference", "performance_profile"}
    for option, value in {"until_decided": True, "max_seeds": 3, "margin": 0.1}.items():
        with pytest.raises(ValueError, match=f"table: has several tasks, .* leave out {option}$"):
            hypertune.judge(table, **{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"strategy": ["a"], "seed": [0]}), "lacks the column value"),
        (pd.DataFrame({"strategy": [], "seed": [], "value": []}), "no rows"),
        (clear().assign(value="high"), "row 1, column value is 'high'"),
        (clear().assign(strategy="a"), "has only the strategy a"),
        (pd.concat([clear(), clear()]), "strategy s0, seed 0 appears twice"),
        (clear().assign(seed=None), "row 1 has no seed"),
        (clear().assign(value=np.inf), "no finite number"),
    ],
)
def test_a_wrong_table_gets_one_line(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        hypertune.judge(table)
    assert "\n" not in str(caught.value)


def test_figures_say_what_the_values_are() -> None:
    rows = [
        (strategy, seed, epoch, 0.5 / epoch + place + seed / 1000)
        for seed in range(6)
        for place, strategy in enumerate(("a", "b"))
        for epoch in (1, 2)
    ]
    table = pd.DataFrame(rows, columns=["strategy", "seed", "epoch", "value"])
    charts = hypertune.judge(table, mode="min", metric="valid <loss>").figures()
    assert charts["values"].layout.xaxis.title.text == "valid &lt;loss&gt;"
    assert charts["differences"].layout.xaxis.title.text == "valid &lt;loss&gt;: better by"
    assert charts["anytime"].layout.yaxis.title.text == "mean valid &lt;loss&gt;"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"mode": "up"}, "mode: max or min"), ({"margin": -1}, "margin: "), ({"max_seeds": 0}, "max_seeds: ")],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hypertune.judge(clear(), **options)  # type: ignore[arg-type]


def test_what_the_messages_of_reading_ask_for_can_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.csv"
    table = clear().rename(columns={"strategy": "sampler", "value": "accuracy"})
    table.assign(method="same", other=1).to_csv(path, index=False)
    assert main(["judge", str(path)]) == 2
    assert "two.csv: sampler, method could each be the strategy; give strategy: one of" in capsys.readouterr().err
    assert main(["judge", str(path), "--strategy", "sampler"]) == 2
    assert "two.csv: has no column value; give metric: one of accuracy, other" in capsys.readouterr().err
    assert main(["judge", str(path), "--strategy", "sampler", "--metric", "accuracy", "--kind", "table"]) == 0
    assert "Take s1" in capsys.readouterr().out
    judged = hypertune.judge(path, strategy="sampler", metric="accuracy", kind="table", mode="max")
    assert judged.conclusion == hypertune.judge(clear(), metric="accuracy").conclusion
    with pytest.raises(ValueError, match=r"^strategy: is for results read from a path or URL; rename the table's col"):
        hypertune.judge(table, strategy="sampler")


def test_every_option_of_reading_is_one_of_judging() -> None:
    """Its messages say "give metric: ..." to whoever calls it, the command included."""
    options = set(inspect.signature(read).parameters) - {"source"}
    assert options == {"kind", "metric", "mode", "strategy"}
    assert options <= set(inspect.signature(hypertune.judge).parameters)
    asked = [part for name in options for part in (f"--{name}", "min")]
    given = vars(parser().parse_args(["judge", "x.csv", *asked]))
    assert {name: given[name] for name in options} == dict.fromkeys(options, "min")


def test_it_needs_neither_ray_nor_torch(tmp_path: Path) -> None:
    clear().to_csv(tmp_path / "table.csv", index=False)
    code = (
        "import sys, pandas as pd, hypertune; "
        f"print(hypertune.judge(pd.read_csv({str(tmp_path / 'table.csv')!r})).recommended); "
        "print('ray' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.split() == ["s1", "False", "False"]


def test_the_command_names_the_files_that_it_has_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, several = clear(), clear()
    several["task"], several["seed"] = several["seed"] % 4, several["seed"] // 4
    for name, table in (("one", one), ("several", several)):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        out = tmp_path / name
        assert main(["judge", str(tmp_path / f"{name}.csv"), "--out", str(out)]) == 0
        folder, _, told = capsys.readouterr().out.splitlines()[-1].partition(": ")
        assert folder == str(out)
        assert set(told.replace(" and ", ", ").split(", ")) == {path.name for path in out.iterdir()}
        assert ("pairs.csv" in told) == (name == "one")


def test_the_command_prints_and_writes_the_judgement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clear().to_csv(tmp_path / "table.csv", index=False)
    out = tmp_path / "judged"
    assert main(["judge", str(tmp_path / "table.csv"), "--margin", "0.1", "--until-decided", "--out", str(out)]) == 0
    assert "Take s1" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} >= {"judgement.csv", "pairs.csv", "values.html", "conclusion.txt"}
    assert main(["judge", str(tmp_path / "none.csv")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
