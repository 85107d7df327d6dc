"""What a source is taken for, and what is said of one that is none."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hypertune.foreign.reading import read

GOOD = "strategy,seed,value\ntpe,0,1\n"


def test_a_path_with_a_sign_of_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a#b.csv").write_text(GOOD)
    assert len(read(tmp_path / "a#b.csv")) == 1
    assert len(read((tmp_path / "a#b.csv").as_uri())) == 1


def test_a_kind_may_be_said(tmp_path: Path) -> None:
    (tmp_path / "results.out").write_text(GOOD)
    assert read(tmp_path / "results.out", kind="table").attrs["kind"] == "table"
    with pytest.raises(ValueError, match=r"results.out: is not of a known kind \(table, optuna, .*say its kind"):
        read(tmp_path / "results.out")
    with pytest.raises(
        ValueError, match=r"kind: one of table, optuna, mlflow, wandb, ray, syne-tune, carps; got 'csv'"
    ):
        read(tmp_path / "results.out", kind="csv")


def test_what_is_not_there(tmp_path: Path) -> None:
    for source in (tmp_path / "none.csv", f"sqlite:///{tmp_path}/none.db", (tmp_path / "mlruns").as_uri()):
        with pytest.raises(ValueError, match=r"none.csv|none.db|mlruns: there is no such file or folder"):
            read(source)
    assert not list(tmp_path.iterdir())  # nothing was made by looking


def test_a_library_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "journal.log").write_text('{"op_code": 0}\n')
    for name in ("mlflow", "mlflow.tracking", "optuna"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=r"reading it needs mlflow; `.*(--extra mlflow|pip install)"):
        read(tmp_path)
    with pytest.raises(ValueError, match=r"journal.log: reading it needs optuna: pip install optuna"):
        read(tmp_path / "journal.log")


def test_reading_loads_none_of_the_tools() -> None:
    code = (
        "import sys, hypertune.foreign.reading; "
        "print(sorted({'ray', 'torch', 'optuna', 'mlflow', 'plotly'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_mode_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mode: min or max, got 'best'"):
        read(tmp_path, mode="best")


def test_a_folder_of_nothing_known(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"holds no results of Ray Tune, Syne Tune, CARP-S or MLflow"):
        read(tmp_path)
    (tmp_path / "study.toml").write_text("")
    with pytest.raises(ValueError, match=r"is a study of hypertune itself; `hypertune report` judges it"):
        read(tmp_path)


def test_databases_of_others(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE cats (name TEXT)")
    database.close()
    with pytest.raises(ValueError, match=r"x.db: is a database of neither Optuna nor MLflow; it has the tables cats"):
        read(path)
    path.write_text("strategy\n")
    with pytest.raises(ValueError, match="is not an SQLite database"):
        read(f"sqlite:///{path}")
    with pytest.raises(ValueError, match=r"db: is it Optuna's storage or MLflow's tracking store\? give kind"):
        read("postgresql+psycopg2://host/db")
    with pytest.raises(ValueError, match=r"^mysql://me:\*\*\*@host/db: ") as told:
        read("mysql://me:secret@host/db")
    assert "secret" not in str(told.value)
