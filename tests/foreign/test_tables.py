"""Tables that people write themselves: what is read, and what each fault is told as."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from hypertune.foreign.reading import read
from hypertune.judged import judge

GOOD = "strategy,seed,value\nrandom,0,0.5\ntpe,0,0.6\nrandom,1,0.55\ntpe,1,0.65\n"


def written(folder: Path, text: str, name: str = "results.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_has_its_types_and_order(tmp_path: Path) -> None:
    table = read(written(tmp_path, GOOD))
    assert list(table.columns) == ["strategy", "seed", "value"]
    assert table["strategy"].tolist() == ["random", "tpe", "random", "tpe"]
    assert table["seed"].dtype == "int64"
    assert table["value"].dtype == "float64"
    assert table.attrs == {"kind": "table", "metric": "value", "mode": None}


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "parquet", "jsonl", "json"])
def test_every_format_gives_the_same_table(tmp_path: Path, ending: str) -> None:
    expected = read(written(tmp_path, GOOD))
    path = tmp_path / f"other.{ending}"
    if ending == "parquet":
        expected.to_parquet(path)
    elif ending in ("jsonl", "json"):
        expected.to_json(path, orient="records", lines=ending == "jsonl")
    else:
        expected.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    pd.testing.assert_frame_equal(read(path), expected)


def test_other_names_and_a_metric(tmp_path: Path) -> None:
    text = "Method;random_seed;accuracy;loss;Runtime;dataset\nnone;a;0.5;2;10;x\nnone;1;0.6;1;;x\n"
    table = read(written(tmp_path, text), metric="accuracy", mode="max")
    assert table.to_dict("list") == {
        "strategy": ["none", "none"],
        "seed": ["a", "1"],
        "value": [0.5, 0.6],
        "seconds": [10.0, pytest.approx(float("nan"), nan_ok=True)],
        "task": ["x", "x"],
    }
    assert table.attrs["mode"] == "max"


def test_curves_are_kept_whole(tmp_path: Path) -> None:
    text = "strategy,seed,epoch,value\ntpe,0,1,0.5\ntpe,0,2,0.6\ntpe,0,3,0.55\n"
    assert read(written(tmp_path, text))["value"].tolist() == [0.5, 0.6, 0.55]
    text = "strategy,seed,n_trials,value\ntpe,0,0.5,0.5\ntpe,0,1,0.6\n"
    assert read(written(tmp_path, text))["budget"].tolist() == [0.5, 1.0]


def test_tasks_tell_sweeps_apart(tmp_path: Path) -> None:
    text = "strategy,seed,task,value\ntpe,0,a,1\ntpe,0,b,2\n"
    assert read(written(tmp_path, text))["task"].tolist() == ["a", "b"]


def test_a_task_that_is_missing_here_and_there(tmp_path: Path) -> None:
    frame = pd.DataFrame({"strategy": ["a", "b"], "seed": [0, 0], "value": [1, 2], "dataset": ["x", None]})
    frame.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"x.parquet: row 2, column task: is empty"):
        read(tmp_path / "x.parquet")


def test_an_index_that_pandas_has_written_is_no_metric(tmp_path: Path) -> None:
    pd.DataFrame({"strategy": ["a"], "seed": [0], "accuracy": [1]}).to_csv(tmp_path / "x.csv")
    with pytest.raises(ValueError, match=r"give metric: one of accuracy$"):
        read(tmp_path / "x.csv")


def test_the_strategy_may_be_asked_for(tmp_path: Path) -> None:
    text = "sampler,pruner,seed,value\ntpe,asha,0,1\ntpe,median,0,2\n"
    path = written(tmp_path, text)
    assert read(path, strategy="pruner")["strategy"].tolist() == ["asha", "median"]
    with pytest.raises(ValueError, match=r"results.csv: has no column 'scheduler', which was given as the strategy"):
        read(path, strategy="scheduler")


FAULTS = {
    "no value": ("strategy,seed,accuracy,loss\na,0,1,2\n", r"has no column value; give metric: one of accuracy, loss"),
    "no numbers": ("strategy,seed,note\na,0,x\n", r"has no column value; no other column holds numbers"),
    "no seed": (
        "strategy,value\na,1\n",
        r"has no column seed \(nor random_seed, run, .*\); add or rename one; there are",
    ),
    "no strategy": ("seed,value\n0,1\n", r"has no column strategy \(nor method, optimizer, "),
    "no rows": ("strategy,seed,value\n", r"holds no results"),
    "empty": ("", r"cannot be read as a table \(No columns to parse from file\)"),
    "text": (
        "strategy,seed,value\na,0,1\na,1,good\n",
        r"row 2, column value: 'good' is not a number; write it like 0.93",
    ),
    "comma": ('strategy;seed;value\na;0;"0,93"\n', r"row 1, column value: '0,93' is not a number"),
    "unnamed": ("strategy,seed,value\n,0,1\n", r"row 1, column strategy: is empty; fill it in or delete the row"),
    "no such seed": ("strategy,seed,value\na,,1\n", r"row 1, column seed: is empty"),
    "nan seed": ("strategy,seed,value\na,NaN,1\n", r"row 1, column seed: is missing"),
    "twice": (
        "strategy,seed,value\na,0,1\nb,0,1\na,0,2\n",
        r"row 3: strategy a, seed 0 appears a second time, first in row 1; keep one \(the best, if they are "
        r"trials of a sweep\), give each its own seed, or say "
        r"in a column task or epoch what distinguishes them",
    ),
    "epoch twice": (
        "strategy,seed,epoch,value\na,0,1,1\na,0,1,2\n",
        r"row 2: strategy a, seed 0, epoch 1 appears a second time, first in row 1; keep one \(the best, if they "
        r"are trials of a sweep\), give each its own seed, "
        r"or say in a column task what",
    ),
    "unnamed column": (
        "strategy,seed,value\na,0,1,9\nb,0,2,\n",
        r"cannot be read as a table \(its rows have 1 cell more than the header has names; name every column\)$",
    ),
    "unnamed columns": (
        "strategy,seed,value\na,0,1,9,8\n",
        r"cannot be read as a table \(its rows have 2 cells more than the header has names; name every column\)$",
    ),
    "two axes": ("strategy,seed,epoch,budget,value\na,0,1,1,1\n", r"has both an epoch and a budget"),
    "bad epoch": ("strategy,seed,epoch,value\na,0,first,1\n", r"row 1, column epoch: 'first' is not a number"),
    "bad seconds": ("strategy,seed,seconds,value\na,0,long,1\n", r"row 1, column seconds: 'long' is not a number"),
    "two strategies": ("method,sampler,seed,value\na,b,0,1\n", r"method, sampler could each be the strategy"),
    "two seeds": ("strategy,run,rep,value\na,0,0,1\n", r"run, rep could each be the seed; rename the right one seed"),
}


@pytest.mark.parametrize("end", [",", ",,", ", ", ";"])
def test_separators_at_the_end_of_rows_shift_nothing(tmp_path: Path, end: str) -> None:
    text = GOOD if "," in end else GOOD.replace(",", ";")
    header, *rows = text.splitlines()
    table = read(written(tmp_path, "\n".join([header, *(row + end for row in rows)]) + "\n"))
    pd.testing.assert_frame_equal(table, read(written(tmp_path, GOOD, "good.csv")))


def test_numbers_of_rows_that_the_header_does_not_name(tmp_path: Path) -> None:
    """As R's `write.table` writes them."""
    header, *rows = GOOD.splitlines()
    numbered = "\n".join([header, *(f'"{number}",{row}' for number, row in enumerate(rows, 1))])
    table = read(written(tmp_path, numbered))
    pd.testing.assert_frame_equal(table, read(written(tmp_path, GOOD, "good.csv")))


def test_values_that_cannot_be_squared_are_refused() -> None:
    frame = pd.DataFrame({"strategy": ["a", "b"] * 2, "seed": [0, 0, 1, 1], "value": [1, 2, 1e300, 3]})
    with pytest.raises(ValueError, match=r"^table: row 3, value is 1e\+300; at most 1e\+100 can be judged$"):
        judge(frame)


@pytest.mark.parametrize("cell", ["", "NaN", "n/a", "-", "inf", "-inf"])
def test_a_missing_or_infinite_value_is_a_failed_sweep_in_files_and_in_memory(tmp_path: Path, cell: str) -> None:
    values = ["0.9", "0.1", cell, "0.2", "0.8", "0.3"]
    frame = pd.DataFrame({"strategy": ["a", "b"] * 3, "seed": [0, 0, 1, 1, 2, 2], "value": values})
    frame.to_csv(tmp_path / "results.csv", index=False)
    in_file, in_memory = judge(tmp_path / "results.csv"), judge(frame)
    assert in_file.values.to_numpy().tolist() == in_memory.values.to_numpy().tolist() == [
        [0.9, 0.1], [0.1, 0.2], [0.8, 0.3],
    ]  # fmt: skip
    assert "1 sweep has no finite value and counts as the worst one." in in_file.conclusion
    assert in_file.conclusion == in_memory.conclusion


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_that_says_where(tmp_path: Path, fault: str) -> None:
    text, message = FAULTS[fault]
    with pytest.raises(ValueError, match=rf"^\S+results\.csv: {message}") as told:
        read(written(tmp_path, text))
    assert "\n" not in str(told.value)


def test_a_metric_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no column 'f1'; give metric: one of accuracy$"):
        read(written(tmp_path, "strategy,seed,accuracy\na,0,1\n"), metric="f1")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.jsonl", '{"strategy": "a"\n'),
        ("x.jsonl", "3\n"),
        ("x.json", '["a"]'),
        ("x.parquet", "none"),
        ("x.csv", 'a,b\n1,2,"'),
    ],
)
def test_a_file_that_is_broken(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: cannot be read as a table \(") as told:
        read(written(tmp_path, text, name))
    assert "\n" not in str(told.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("stratégie,seed\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"x.csv: cannot be read as a table"):
        read(tmp_path / "x.csv")
