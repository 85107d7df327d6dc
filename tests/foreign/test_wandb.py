"""Exports of W&B. Written after its documented formats, since no server of theirs can be reached from a test.

The table of runs has the columns that the browser's export has in public repositories (Name, State, ..., then the
config's and the summary's entries under their plain names); the chart has `Step` and, for each run, `run - metric` with
its __MIN and __MAX; the third is what the example in W&B's guide to its API writes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from hypertune.foreign.reading import read

HEAD = '"Name","State","Notes","User","Tags","Created","Runtime","Sweep"'
END = '"finished","-","ann","","2026-11-13T09:48:11.000Z","9910",""'
TABLE = f"""{HEAD},"lr","seed","strategy","best_accuracy"
"fancy-frog-12",{END},"0.1","0","tpe","0.93"
"jolly-bird-11",{END},"0.2","0","random","0.91"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "wandb_export.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_of_runs(tmp_path: Path) -> None:
    table = read(written(tmp_path, TABLE), metric="best_accuracy", mode="max")
    assert table.to_dict("list") == {
        "strategy": ["tpe", "random"],
        "seed": [0, 0],
        "value": [0.93, 0.91],
        "seconds": [9910.0, 9910.0],
    }
    assert table.attrs == {"kind": "wandb", "metric": "best_accuracy", "mode": "max"}
    with pytest.raises(ValueError, match=r"several could be the result; give metric: one of lr, best_accuracy"):
        read(written(tmp_path, TABLE))


def test_groups_are_strategies_and_settings_may_have_a_prefix(tmp_path: Path) -> None:
    rows = f'"a-1",{END},"tpe","3","0.9"\n"b-2",{END},"","4","0.8"\n'
    path = written(tmp_path, f'{HEAD},"Group","config.seed","accuracy"\n{rows}')
    table = read(path)
    assert table[["strategy", "seed", "value"]].values.tolist() == [["tpe", 3, 0.9], ["b", 4, 0.8]]


def test_a_group_and_another_column_that_may_be_the_strategy(tmp_path: Path) -> None:
    path = written(tmp_path, f'{HEAD},"Group","optimizer","seed","accuracy"\n"a",{END},"tpe","adam","3","0.9"\n')
    with pytest.raises(
        ValueError, match=r"run 'a': Group and optimizer could each be the strategy; give strategy: Group or"
    ):
        read(path)
    assert read(path, strategy="Group")["strategy"].tolist() == ["tpe"]
    assert read(path, strategy="optimizer")["strategy"].tolist() == ["adam"]
    path = written(tmp_path, f'{HEAD},"Group","config.strategy","seed","accuracy"\n"a",{END},"x","asha","3","0.9"\n')
    assert read(path)["strategy"].tolist() == ["asha"]


def test_names_of_runs_say_both_unless_they_are_made_up(tmp_path: Path) -> None:
    def exported(*names: str) -> Path:
        return written(tmp_path, f'{HEAD},"accuracy"\n' + "".join(f'"{name}",{END},"0.9"\n' for name in names))

    assert read(exported("tpe-0", "tpe-1", "random-0"))["strategy"].tolist() == ["tpe", "tpe", "random"]
    with pytest.raises(ValueError, match=r"no two names of its runs, such as tpe-1 and tpe-2, share a prefix"):
        read(exported("fancy-frog-12", "jolly-bird-11", "major-sky-10"))
    with pytest.raises(
        ValueError, match=r"row 1, run 'baseline': nothing says its seed; record it under the name seed"
    ):
        read(exported("baseline"))


def test_a_run_that_has_not_finished(tmp_path: Path) -> None:
    text = TABLE + f'"x",{END.replace("finished", "crashed")},"0.2","1","random",""\n'
    with pytest.raises(
        ValueError, match=r"row 3, run 'x', column State: is crashed; export the finished runs alone, or"
    ):
        read(written(tmp_path, text), metric="best_accuracy")


def test_a_run_without_the_metric_is_one_that_failed(tmp_path: Path) -> None:
    text = TABLE + f'"x",{END},"0.2","1","random",""\n'
    assert read(written(tmp_path, text), metric="best_accuracy")["value"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize("cell", ["NaN", "-", "None"])
def test_a_metric_that_one_run_spells_as_missing_is_still_one(tmp_path: Path, cell: str) -> None:
    text = TABLE + f'"x",{END},"0.2","1","random","{cell}"\n'
    with pytest.raises(ValueError, match=r"several could be the result; give metric: one of lr, best_accuracy$"):
        read(written(tmp_path, text))
    text = text.replace('"lr"', '"config.lr"')
    assert read(written(tmp_path, text))["value"].isna().tolist() == [False, False, True]


def test_a_chart_has_the_curve_of_every_run(tmp_path: Path) -> None:
    def columns(run: str) -> str:
        return ",".join(f'"{run} - {metric}{end}"' for metric in ("_step", "acc") for end in ("", "__MIN", "__MAX"))

    text = f'"Step",{columns("tpe-0")},{columns("random-0")}\n0,0,0,0,.5,.5,.5,0,0,0,.4,.4,.4\n1,1,1,1,.6,.6,.6,,,,,,\n'
    table = read(written(tmp_path, text), mode="max")
    assert table[["strategy", "seed", "budget", "value"]].values.tolist() == [
        ["tpe", 0, 0, 0.5],
        ["tpe", 0, 1, 0.6],
        ["random", 0, 0, 0.4],
    ]
    assert table.attrs["metric"] == "acc"
    silent = read(written(tmp_path, text.replace(".4", "")), mode="max")
    assert silent[["strategy", "value"]].fillna(-1).values.tolist() == [["tpe", 0.5], ["tpe", 0.6], ["random", -1]]
    assert "epoch" in read(written(tmp_path, text.replace('"Step"', '"epoch"')))
    with pytest.raises(ValueError, match=r"run 'Group: tpe-0': nothing says its seed"):
        read(written(tmp_path, text.replace("tpe-0", "Group: tpe-0")))


def test_the_table_that_the_example_of_the_api_writes(tmp_path: Path) -> None:
    """`runs_df = pd.DataFrame({"summary": ..., "config": ..., "name": ...}); runs_df.to_csv("project.csv")`"""
    summaries = [
        {"_runtime": 12.5, "acc": 0.9, "loss": float("nan"), "_wandb": {}},
        {"_runtime": 13, "acc": 0.8, "loss": 1},
    ]
    configs = [{"sampler": "tpe", "seed": 0, "lr": 0.1}, {"sampler": "random", "seed": 0, "lr": 0.2}]
    path = tmp_path / "project.csv"
    pd.DataFrame({"summary": summaries, "config": configs, "name": ["a", "b"]}).to_csv(path)
    table = read(path, metric="acc")
    assert table.to_dict("list") == {
        "strategy": ["tpe", "random"],
        "seed": [0, 0],
        "value": [0.9, 0.8],
        "seconds": [12.5, 13.0],
    }
    assert read(path, metric="loss")["value"].isna().tolist() == [True, False]
    path.write_text("summary,config,name\nx(1),{},a\n")
    with pytest.raises(ValueError, match=r"a summary or config is not the dictionary that W&B's API gives"):
        read(path)
