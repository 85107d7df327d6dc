"""Commands on inputs that have been changed at random: a result or one line, never a traceback."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hypertune.commands.cli import main
from hypertune.commands.parsing import LONGEST_ERROR
from hypertune.records import records
from hypertune.records.provenance import write_provenance
from tests.records.test_records import recorded

CELLS = ["", "nan", "inf", "1e308", "-1", "True", "x", "=1+1", "\x1b[31m", "'", '"', "[]", "9" * 30, "a" * 3000]
VALUES: list[Any] = [None, True, -1, 0, 1e308, 10**30, "x", [], {}, [[[]]], float("nan"), "9" * 500, {"a": {"b": 1}}]
FILES = ("study.toml", "trials.csv", "provenance.json", "sweeps/journal.jsonl")


def changed_bytes(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(chance.choice([1, 2, 5])):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del data[at : at + chance.choice([1, 40, 400])]
        elif kind == 2:
            data[at:at] = chance.choice(CELLS).encode()
        else:
            data[at:at] = data[:50]
    return bytes(data)


def changed_json(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.2 or not isinstance(value, dict | list) or not value:
        return chance.choice(VALUES)
    copy: Any = value.copy()
    key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
    if chance.random() < 0.15:
        del copy[key]
    else:
        copy[key] = changed_json(value[key], chance)
    return copy


def changed_table(frame: pd.DataFrame, chance: random.Random) -> pd.DataFrame:
    column, row = chance.choice(list(frame.columns)), chance.randrange(len(frame))
    kind = chance.randrange(4)
    if kind == 0:
        return frame.drop(columns=column)
    if kind == 1:
        return frame.rename(columns={column: chance.choice(CELLS)})
    if kind == 2:
        return pd.concat([frame, frame.head(3)])
    frame = frame.astype({column: object})
    frame.loc[frame.index[row], column] = chance.choice(CELLS)
    return frame


def check(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Runs the command, which must end with a promised exit code and at most one line of error."""
    code = main(command)
    told = capsys.readouterr().err
    assert code in (0, 1, 2), command
    if code == 2:
        assert told.count("\n") == 1, (command, told)
        assert len(told) <= LONGEST_ERROR + len("hypertune: \n"), told


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = recorded(tmp_path_factory.mktemp("whole") / "out")
    write_provenance(folder, {"command": "x", "hardware": {"cores": 2}}, records.read(folder))
    return folder


@pytest.mark.parametrize("seed", range(24))
def test_changed_folders(seed: int, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance, folder = random.Random(seed), tmp_path / "out"
    shutil.copytree(whole, folder)
    path = folder / FILES[seed % len(FILES)]
    if path.suffix != ".jsonl" and seed % 8 < 4:
        shutil.rmtree(folder / "sweeps")
    if path.suffix == ".json" and chance.random() < 0.7:
        path.write_text(json.dumps(changed_json(json.loads(path.read_text()), chance)))
    elif path.suffix == ".jsonl" and chance.random() < 0.7:
        lines = path.read_text().splitlines()
        at = chance.randrange(len(lines))
        lines[at] = json.dumps(changed_json(json.loads(lines[at]), chance))
        path.write_text("\n".join(lines) + "\n")
    elif path.suffix == ".csv" and chance.random() < 0.6:
        changed_table(pd.read_csv(path), chance).to_csv(path, index=False)
    else:
        path.write_bytes(changed_bytes(path.read_bytes(), chance))
    place = str(folder)
    check(["export", place, "--format", chance.choice(["csv", "md", "json", "latex"])], capsys)
    check(["top", place, "--once"], capsys)
    check(["compare", "--resume", place, "--dry-run"], capsys)
    if seed % 6 == 0:
        check(["report", place], capsys)


@pytest.mark.parametrize("seed", range(30))
def test_changed_tables_are_judged_or_refused(seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(seed)
    frame = pd.DataFrame({
        "strategy": ["a", "b", "c"] * 4, "seed": [i // 3 for i in range(12)], "value": [0.1 * i for i in range(12)],
        "seconds": [1.0] * 12,
    })  # fmt: skip
    for _ in range(chance.choice([1, 1, 2])):
        frame = changed_table(frame, chance)
    frame.to_csv(tmp_path / "table.csv", index=False)
    if chance.random() < 0.3:
        (tmp_path / "table.csv").write_bytes(changed_bytes((tmp_path / "table.csv").read_bytes(), chance))
    options = [[], ["--margin", "nan"], ["--until-decided"], ["--max-seeds", "9" * 20], ["--mode", "min"]]
    check(["judge", str(tmp_path / "table.csv"), *chance.choice(options)], capsys)
