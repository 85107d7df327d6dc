"""Folders of Ray Tune, Syne Tune and CARP-S: what they themselves have written, and what is told of broken ones.

`data/ray_tune` are four experiments of Ray Tune 2.60, less what a restore needs, with `progress.csv` or `result.json`;
`data/syne_tune*` are experiments of Syne Tune 0.16 (RandomSearch and REA on a toy script, less its trials' folders);
`data/carps` is what `carps.analysis.gather_data` of CARP-S 1.1 made of eight runs on two BBOB functions, less the
columns of the configurations.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from hypertune.foreign.reading import read

DATA = Path(__file__).parent / "data"


def test_syne_tune_with_what_was_recorded_with_the_tuner() -> None:
    table = read(DATA / "syne_tune")
    assert table[["strategy", "seed", "task"]].values.tolist() == [
        ["REA", 1, "toy"],
        ["REA", 2, "toy"],
        ["RS", 1, "toy"],
        ["RS", 2, "toy"],
    ]
    results = pd.read_csv(DATA / "syne_tune" / "RandomSearch-1" / "results.csv.zip")
    assert table["value"][2] == results["accuracy"].max()
    assert table["seconds"][2] == results["st_tuner_time"].max()
    assert table.attrs == {"kind": "syne-tune", "metric": "accuracy", "mode": "max"}


def test_syne_tune_with_the_scheduler_alone() -> None:
    table = read(DATA / "syne_tune_plain")
    assert table[["strategy", "seed"]].values.tolist() == [["RandomSearch", 7]]
    assert "task" not in table


def test_syne_tune_with_a_strategy_asked_for() -> None:
    assert set(read(DATA / "syne_tune", strategy="scheduler_name")["strategy"]) == {"REA", "RandomSearch"}
    with pytest.raises(ValueError, match=r"folder 'REA-1': has no 'searcher', which was given as the strategy"):
        read(DATA / "syne_tune", strategy="searcher")


def test_syne_tune_of_an_old_version(tmp_path: Path) -> None:
    """Lists of metrics and modes, no seed but in the folder's name, an unpacked table."""
    folder = tmp_path / "bo-4"
    folder.mkdir()
    told = {
        "algorithm": "BO",
        "metric_names": ["loss", "size"],
        "metric_mode": ["min", "max"],
        "st_tuner_creation_timestamp": 1,
    }
    (folder / "metadata.json").write_text(json.dumps(told))
    (folder / "results.csv").write_text("trial_id,loss,size,st_tuner_time\n0,0.5,3,1.5\n1,,9,2.5\n1,0.4,5,3.5\n")
    table = read(tmp_path, metric="loss")
    assert table.to_dict("list") == {"strategy": ["BO"], "seed": [4], "value": [0.4], "seconds": [3.5]}
    assert table.attrs["mode"] == "min"
    assert read(tmp_path, metric="size")["value"].tolist() == [9.0]
    with pytest.raises(ValueError, match=r"several could be the result; give metric: one of loss, size"):
        read(tmp_path)
    with pytest.raises(ValueError, match=r"mode is max, but its results say min"):
        read(tmp_path, metric="loss", mode="max")


def test_syne_tune_that_is_broken(tmp_path: Path) -> None:
    shutil.copytree(DATA / "syne_tune" / "REA-1", tmp_path / "REA-1")
    (tmp_path / "REA-1" / "results.csv.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"REA-1/results.csv.zip cannot be read \("):
        read(tmp_path)
    (tmp_path / "REA-1" / "metadata.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"REA-1/metadata.json cannot be read as a JSON object"):
        read(tmp_path)


def test_syne_tune_without_a_result(tmp_path: Path) -> None:
    shutil.copytree(DATA / "syne_tune" / "REA-1", tmp_path / "REA-1")
    (tmp_path / "REA-1" / "results.csv.zip").unlink()
    (tmp_path / "REA-1" / "results.csv").write_text("trial_id,st_tuner_time\n0,1\n")
    with pytest.raises(ValueError, match=r"folder 'REA-1': no trial has reported accuracy"):
        read(tmp_path)


def test_syne_tune_whose_trials_all_diverged_is_a_failed_sweep(tmp_path: Path) -> None:
    for name in ("REA-1", "RandomSearch-1"):
        shutil.copytree(DATA / "syne_tune" / name, tmp_path / name)
    (tmp_path / "REA-1" / "results.csv.zip").unlink()
    (tmp_path / "REA-1" / "results.csv").write_text("trial_id,accuracy,st_tuner_time\n0,,1\n1,inf,2\n")
    table = read(tmp_path).set_index("strategy")
    assert table["value"].isna().to_dict() == {"REA": True, "RS": False}


@pytest.mark.parametrize("source", ["carps", "carps/logs.parquet", "carps/logs.csv"])
def test_carps_gives_the_curves_of_its_incumbents(source: str) -> None:
    table = read(DATA / source)
    assert table.attrs == {"kind": "carps", "metric": "trial_value__cost_inc", "mode": "min"}
    assert set(table["strategy"]) == {"RandomSearch", "Optuna-TPE"}
    assert set(table["task"]) == {"bbob/2/1/0", "bbob/2/3/0"}
    curves = table.groupby(["strategy", "seed", "task"])
    assert len(curves) == 8
    assert all(list(curve) == [1, 2, 3, 4] for _, curve in curves["budget"])
    assert all(curve.is_monotonic_decreasing and len(curve) == 4 for _, curve in curves["value"])
    assert all(curve.is_monotonic_increasing for _, curve in curves["seconds"])


def test_carps_without_incumbents(tmp_path: Path) -> None:
    logs = pd.read_csv(DATA / "carps" / "logs.csv")
    logs.drop(columns="trial_value__cost_inc").to_csv(tmp_path / "logs.csv", index=False)
    pd.testing.assert_frame_equal(read(tmp_path), read(DATA / "carps" / "logs.csv"))


@pytest.mark.parametrize("gathered", [True, False])
def test_carps_keeps_the_incumbent_when_a_trial_crashes(tmp_path: Path, gathered: bool) -> None:
    """A crashed trial has no cost, and in its row pandas' `cummin`, which CARP-S gathers with, no incumbent."""
    logs = pd.read_csv(DATA / "carps" / "logs.csv")
    logs.loc[logs["n_trials"].isin([1, 4]) & (logs["optimizer_id"] == "Optuna-TPE"), "trial_value__cost"] = None
    logs["trial_value__cost_inc"] = logs.groupby(["optimizer_id", "task_id", "seed"])["trial_value__cost"].cummin()
    if not gathered:
        logs = logs.drop(columns="trial_value__cost_inc")
    logs.to_csv(tmp_path / "logs.csv", index=False)
    table = read(tmp_path).set_index("budget")
    crashed = table[table["strategy"] == "Optuna-TPE"]["value"]
    assert crashed[1].isna().all()
    assert crashed[4].notna().all()
    assert crashed[4].tolist() == crashed[3].tolist()
    assert table[table["strategy"] == "RandomSearch"]["value"].notna().all()


def test_carps_counts_of_trials_that_ended_together(tmp_path: Path) -> None:
    logs = pd.read_csv(DATA / "carps" / "logs.csv")
    logs["n_trials"] = logs["n_trials"].clip(upper=3)
    logs.to_csv(tmp_path / "logs.csv", index=False)
    ends = read(tmp_path).groupby(["strategy", "seed", "task"])["value"].last()
    pd.testing.assert_series_equal(ends, read(DATA / "carps").groupby(["strategy", "seed", "task"])["value"].last())


def test_carps_with_several_objectives(tmp_path: Path) -> None:
    logs = pd.read_csv(DATA / "carps" / "logs.csv")
    logs.assign(task_type="multi-objective", hypervolume=1.0).to_csv(tmp_path / "logs.csv", index=False)
    with pytest.raises(
        ValueError, match=r"logs.csv: row 1: the task has several objectives, whose costs CARP-S adds up"
    ):
        read(tmp_path)
    assert read(tmp_path, metric="hypervolume", mode="max").attrs["mode"] == "max"


def test_carps_that_is_not_gathered_or_lacks_a_column(tmp_path: Path) -> None:
    run = tmp_path / "RandomSearch" / "BBOB" / "1"
    run.mkdir(parents=True)
    (run / "trial_logs.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match=r"not gathered yet; `python -m carps.analysis.gather_data"):
        read(tmp_path)
    pd.read_csv(DATA / "carps" / "logs.csv").drop(columns="seed").to_csv(tmp_path / "logs.csv", index=False)
    with pytest.raises(ValueError, match=r"logs.csv: has no column seed, as CARP-S's logs have"):
        read(tmp_path)


def best_of_ray(experiment: str) -> float:
    """What the trials' own files say, read in another way than by the importer."""
    values = []
    for path in sorted((DATA / "ray_tune" / experiment).rglob("*")):
        if path.name == "result.json":
            values += [json.loads(line)["accuracy"] for line in path.read_text().splitlines()]
        elif path.name == "progress.csv":
            values += pd.read_csv(path)["accuracy"].tolist()
    return float(max(values))


def test_ray_tune_experiments_are_sweeps() -> None:
    """Some have `progress.csv` alone, some `result.json`."""
    table = read(DATA / "ray_tune", mode="max")
    names = ["optuna_seed0", "optuna_seed1", "random_seed0", "random_seed1"]
    expected = [["optuna", 0], ["optuna", 1], ["random", 0], ["random", 1]]
    assert table[["strategy", "seed"]].values.tolist() == expected
    assert table["value"].tolist() == [best_of_ray(name) for name in names]
    assert (table["seconds"] >= 0).all()
    assert table.attrs == {"kind": "ray", "metric": "accuracy", "mode": "max"}
    assert (read(DATA / "ray_tune", mode="min")["value"] < table["value"]).all()


def test_ray_tune_needs_the_mode_and_a_metric_that_is_there() -> None:
    with pytest.raises(
        ValueError, match=r"ray_tune: the best result of each sweep is needed, .*; give mode: min or max"
    ):
        read(DATA / "ray_tune")
    with pytest.raises(ValueError, match=r"has no metric 'loss'; give metric: one of accuracy"):
        read(DATA / "ray_tune", mode="min", metric="loss")


def trial(folder: Path, rows: str, config: str = "{}") -> None:
    folder.mkdir(parents=True)
    (folder / "progress.csv").write_text(rows)
    (folder / "params.json").write_text(config)


def test_ray_tune_folders_around_and_configurations_say_what_the_name_does_not(tmp_path: Path) -> None:
    trial(tmp_path / "asha" / "3" / "t0", "accuracy,training_iteration\n0.5,1\n0.4,2\n")
    trial(tmp_path / "median" / "train_2026-11-27_06-44-40" / "t0", "accuracy\n0.6\n", '{"seed": 4, "lr": 1}')
    trial(tmp_path / "median" / "train_2026-11-27_06-44-40" / "t1", "", '{"seed": 4, "lr": 2}')  # failed at once
    table = read(tmp_path, mode="max")
    assert table[["strategy", "seed", "value"]].values.tolist() == [["asha", 3, 0.5], ["median", 4, 0.6]]
    table = read(tmp_path / "median", mode="max", metric="accuracy")
    assert table["seed"].tolist() == [4]


def test_ray_tune_with_the_strategy_in_the_configurations(tmp_path: Path) -> None:
    trial(tmp_path / "a-0" / "t0", "accuracy\n0.5\n", '{"searcher": "tpe"}')
    assert read(tmp_path, mode="max", strategy="searcher")["strategy"].tolist() == ["tpe"]
    trial(tmp_path / "a-0" / "t1", "accuracy\n0.5\n", '{"searcher": "random"}')
    with pytest.raises(ValueError, match=r"folder 'a-0': has no 'searcher', which was given as the strategy"):
        read(tmp_path, mode="max", strategy="searcher")


def test_ray_tune_that_has_nothing_or_is_broken(tmp_path: Path) -> None:
    trial(tmp_path / "a-0" / "t0", "accuracy\n0.5\n")
    trial(tmp_path / "a-1" / "t0", "accuracy\n\n")
    with pytest.raises(
        ValueError, match=r"folder 'a-1': no trial has reported accuracy; run it again or move it elsewhere"
    ):
        read(tmp_path, mode="max")
    (tmp_path / "a-1" / "t0" / "progress.csv").write_text('accuracy\n"0.5')
    with pytest.raises(ValueError, match=r"a-1/t0/progress.csv cannot be read \("):
        read(tmp_path, mode="max")
    shutil.rmtree(tmp_path / "a-1")
    trial(tmp_path / "train" / "t0", "accuracy\n0.5\n")
    with pytest.raises(
        ValueError, match=r"folder 'train': nothing says its seed; record it under the name seed, or name it"
    ):
        read(tmp_path, mode="max")


def both(folder: Path, *reports: dict[str, object]) -> Path:
    """The files of a trial as Ray's two loggers write them: `progress.csv` has the fields of the first report alone."""
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("".join(f"{json.dumps(report)}\n" for report in reports))
    names = [name for name in reports[0] if name != "config"]
    rows = [",".join(str(report[name]) for name in names) for report in reports]
    (folder / "progress.csv").write_text("\n".join([",".join(names), *rows]) + "\n")
    return folder


def test_ray_tune_metrics_that_come_after_the_first_report(tmp_path: Path) -> None:
    first, second = {"loss": 0.5, "config": {"lr": 1}}, {"loss": 0.4, "config": {"lr": 1}, "valid": {"acc": 0.9}}
    both(tmp_path / "tpe-0" / "t0", {**first, "valid": {"acc": 0.7}})
    file = both(tmp_path / "tpe-0" / "t1", first, second) / "result.json"
    assert read(tmp_path, metric="valid/acc", mode="max")["value"].tolist() == [0.9]
    assert read(tmp_path, metric="loss", mode="min")["value"].tolist() == [0.4]
    with pytest.raises(ValueError, match=r"give metric: one of loss, valid/acc$"):
        read(tmp_path, mode="max")
    with file.open("a") as torn:
        torn.write('{"loss": 0.')  # killed while it wrote
    assert read(tmp_path, metric="valid/acc", mode="max")["value"].tolist() == [0.9]
    with file.open("a") as torn:
        torn.write('{"loss": 0.3}\n')
    with pytest.raises(ValueError, match=r"tpe-0/t1/result.json cannot be read \(line 3 is not a JSON object\); mend"):
        read(tmp_path, metric="loss", mode="min")


def test_ray_tune_reports_that_are_no_finite_numbers_are_those_of_failed_trials(tmp_path: Path) -> None:
    both(tmp_path / "tpe-0" / "t0", {"loss": 0.5}, {"loss": float("-inf")}, {"loss": float("nan")})
    both(tmp_path / "tpe-1" / "t0", {"loss": float("nan")}, {"loss": "null"})  # a float32's NaN
    both(tmp_path / "tpe-2" / "t0", {"loss": 0.6})
    assert read(tmp_path, mode="min")["value"].fillna(-1).tolist() == [0.5, -1, 0.6]
    assert read(tmp_path, mode="min").get("seconds", pd.Series(dtype=float)).dropna().empty
    both(tmp_path / "tpe-2" / "t1", {"loss": 0.7, "timestamp": 9, "time_this_iter_s": 2.5})
    assert read(tmp_path, mode="min")["seconds"].fillna(-1).tolist() == [-1, -1, 2.5]


def test_ray_tune_rows_that_do_not_fit_the_header(tmp_path: Path) -> None:
    trial(tmp_path / "tpe-0" / "t0", "loss\n0.5\n0.9,0.4\n")
    with pytest.raises(ValueError, match=r"t0/progress.csv cannot be read \(a row has more cells than the header"):
        read(tmp_path, mode="min")


@pytest.mark.parametrize("text", ["", "[1]", '{"lr": 0.'])
def test_ray_tune_with_a_configuration_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    trial(tmp_path / "tpe-0" / "t0", "loss\n0.5\n", text)
    with pytest.raises(ValueError, match=r"^\S+: tpe-0/t0/params.json cannot be read as a JSON object; delete it if"):
        read(tmp_path, mode="min")
    (tmp_path / "tpe-0" / "t0" / "params.json").unlink()
    assert read(tmp_path, mode="min")["value"].tolist() == [0.5]
