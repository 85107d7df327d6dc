"""Nothing that is read is executed, nothing that is written leaves the output folder, and no text becomes markup."""

from __future__ import annotations

import ast
import csv
import functools
import io
import json
import os
import pickle
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame

from hypertune.api import write_outputs
from hypertune.commands.cli import main
from hypertune.commands.judge import write
from hypertune.comparison.export import export, write_tables
from hypertune.comparison.terminal import rich_table
from hypertune.judged import judge
from hypertune.records import records
from hypertune.records.provenance import write_provenance
from hypertune.records.sheets import from_csv, to_csv
from hypertune.report.html import render
from hypertune.report.markdown import markdown_report
from hypertune.storage.files import now, write_atomically
from hypertune.storage.telling import tell_user
from hypertune.study.study import Study
from hypertune.tuning.terminal import Terminal
from tests.records.test_records import recorded

PACKAGE = Path(__file__).parent.parent / "hypertune"
UNSAFE = {
    "pickle.load", "pickle.loads", "pickle.Unpickler", "cloudpickle.load", "cloudpickle.loads", "joblib.load", "eval",
    "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "pd.read_pickle", "marshal.loads", "shelve.open",
    "os.system",
}  # fmt: skip


@functools.cache
def calls() -> list[tuple[str, ast.Call]]:
    return [
        (f"{path.relative_to(PACKAGE)}: {ast.unparse(node.func)}", node)
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]


def keywords(call: ast.Call) -> dict[str, Any]:
    return {word.arg: getattr(word.value, "value", None) for word in call.keywords if word.arg}


def test_no_module_reads_in_a_way_that_can_execute() -> None:
    found = [where for where, _ in calls() if where.partition(": ")[2] in UNSAFE]
    assert not found


def test_weights_and_arrays_are_read_without_pickle() -> None:
    loads = {where: keywords(call) for where, call in calls() if where.endswith(("torch.load", "np.load"))}
    assert len(loads) >= 3
    for where, words in loads.items():
        safe = words.get("weights_only") is True if where.endswith("torch.load") else words.get("allow_pickle") is False
        assert safe, where


def test_no_command_goes_through_a_shell() -> None:
    assert not [where for where, call in calls() if keywords(call).get("shell")]


class Bomb:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_a_bomb_goes_off_where_it_is_unpickled(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


def test_a_model_with_code_in_it_is_refused(tmp_path: Path) -> None:
    import torch

    import hypertune

    for content in (Bomb(tmp_path / "mark"), {"format": 1, "config": Bomb(tmp_path / "mark")}):
        torch.save(content, tmp_path / "model.pt")
        with pytest.raises(ValueError, match="not a model that hypertune saved"):
            hypertune.load_model(tmp_path / "model.pt")
    assert not (tmp_path / "mark").exists()


def test_a_data_set_with_code_in_it_is_refused(tmp_path: Path) -> None:
    from hypertune.training.packed import read_npz

    bomb = np.array([Bomb(tmp_path / "mark")], dtype=object)
    np.savez(tmp_path / "data.npz", allow_pickle=True, x_train=bomb, y_train=bomb, x_test=bomb, y_test=bomb)
    with pytest.raises(ValueError, match=r"data\.npz"):
        read_npz(tmp_path / "data.npz")
    assert not (tmp_path / "mark").exists()


def test_records_with_code_in_them_are_text(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "out")
    (folder / "sweeps" / "journal.jsonl").write_bytes(pickle.dumps(Bomb(tmp_path / "mark")) + b"\n")
    with pytest.raises(ValueError, match="line 1 is damaged"):
        records.read(folder)
    assert not (tmp_path / "mark").exists()


# Names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../up", "/etc/x", "a/b", "..", ".hidden", "", "a b", "x\n", "<b>", "s3://b/x", "a;b"]
)
def test_a_study_cannot_be_called_what_leads_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match=r"study\.name"):
        Study.load("digits_cnn").replace(name=name)


def metric_of(attack: str) -> str:
    """A metric of that name, where a metric may have it."""
    return attack if attack.isprintable() else "score"


def hostile(attack: str, names: Sequence[str]) -> dict[str, Any]:
    """A study whose every free text is an attack."""
    return {
        "study": {
            "name": "hostile", "strategies": ["random", "asha"], "seeds": 2, "budget": {"epochs": 8},
            "metric": metric_of(attack), "mode": "max",
        },
        "training": {"trainable": f"{attack}:train", "max_epochs": 4, "config": {f"constant {attack}": attack}},
        "space": {attack: {"choice": [attack, "other"]}, **{name: {"uniform": [0, 1]} for name in names}},
    }  # fmt: skip


def hostile_records(attack: str, names: Sequence[str] = ("lr",)) -> records.Records:
    """Records of such a study, as its journal would tell them."""
    book = records.Book(Study.parse(hostile(attack, names)))
    for strategy in ("random", "asha"):
        for seed in (0, 1):
            facts = {"strategy": strategy, "seed": seed}
            book.apply({"event": "sweep", **facts, "workers": 1})
            for number in (1, 2):
                name = f"{strategy}_s{seed}_{number}"
                config = {attack: attack, **dict.fromkeys(names, 0.3 * number)}
                book.apply({"event": "trial", "trial_id": name, **facts, "config": config, "at": now()})
                for epoch in range(1, 5):
                    value = {metric_of(attack): 0.5 + 0.1 * epoch + 0.01 * number + 0.02 * seed}
                    book.apply({
                        "event": "epoch", "trial_id": name, "epoch": epoch, "metrics": value, "spent": 1,
                        "elapsed_s": epoch * 1.0, "wall_s": number * 4.0 + epoch, "node": attack, "device": attack,
                    })  # fmt: skip
                book.apply({"event": "end", "trial_id": name, "status": "completed", "at": now()})
            book.apply({"event": "done", **facts, "wall_s": 12.0, "decision_s": 0.1})
    return book.records({"command": attack, "hardware": {"processor": attack}, "address": attack})


class Elements(HTMLParser):
    """Names of a page's elements, their attributes that run code, and where its scripts end."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]


ATTACKS = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "'-alert(1)-'",
    "{{ 7 * 7 }}{% raw %}",
    "--><iframe src=javascript:alert(1)>",
    "[click](javascript:alert(1))",
    "\\input{/etc/passwd}\\write18{id} $\\input{x}$",
]  # fmt: skip


ATTACK = " ".join(ATTACKS)


def test_no_text_of_a_study_becomes_part_of_the_page() -> None:
    page, plain = (render([hostile_records(text)]) for text in (ATTACK, "harmless"))
    found, expected = Elements(), Elements()
    found.feed(page)
    expected.feed(plain)
    assert sorted(found.tags) == sorted(expected.tags)
    assert found.handlers == expected.handlers == []
    assert "{{ 7 * 7 }}" in page


def test_no_text_of_a_study_becomes_markdown_or_latex() -> None:
    facts = hostile_records(ATTACK)
    latex = str(export(facts, "latex"))
    assert "\\input{" not in latex
    assert "\\write18" not in latex
    for markdown in (str(export(facts, "md")), markdown_report(facts)):
        # An indented line is code, in which nothing is markup.
        markdown = "\n".join(line for line in markdown.splitlines() if not line.startswith("    "))
        assert not re.search(r"(?<!\\)(\\\\)*\\(input|write18)", markdown)
        assert not re.search(r"(?<!\\)\$", markdown)
        assert not re.search(r"(?<!\\)<(script|img|svg|iframe|/)", markdown)
        assert not re.search(r"(?<!\\)\[[^\]]*\]\(javascript", markdown)


STEERING = "red\x1b[31m back\u202egnp.exe \x9b2J bell\x07 \u2066over\rline"


def steers(text: str) -> bool:
    return re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", text) is not None


def test_no_text_of_a_study_steers_a_terminal_or_reverses_text(tmp_path: Path) -> None:
    facts = hostile_records(STEERING)
    write_outputs(facts, tmp_path)
    for name in (
        "trials.csv",
        "comparison.csv",
        "comparison.md",
        "comparison.tex",
        "report.md",
        "experiment_summary.csv",
    ):
        text = (tmp_path / name).read_bytes().decode()
        assert "1b" in text or name in ("experiment_summary.csv", "comparison.tex"), name
        assert not steers(text), name
    assert "\\x1b[31m" in (tmp_path / "report.md").read_text().replace("\\\\", "\\")


def test_no_text_of_a_study_steers_the_terminal_or_is_markup_there() -> None:
    console = Terminal(file=io.StringIO(), force_terminal=True, width=200, color_system=None)
    console.print(rich_table(hostile_records(STEERING)))
    console.print(f"{STEERING} [bold]x[/bold] [/nothing] :smile:", soft_wrap=True)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "red\\x1b[31m back\\u202egnp.exe" in shown
    assert "[bold]x[/bold] [/nothing] :smile:" in shown
    assert not steers(shown)


def test_errors_and_warnings_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("validate", "export", "judge", "top"):
        assert main([command, f"nowhere/{STEERING}"]) == 2
    with pytest.raises(SystemExit):
        main(["export", "x", "--format", STEERING])
    tell_user(STEERING)
    told = capsys.readouterr()
    assert told.err.count("\\x1b[31m") == 6
    assert not steers(told.err + told.out)


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1+1"]


@pytest.mark.parametrize("attack", FORMULAS)
def test_no_text_of_a_study_becomes_a_formula(attack: str, tmp_path: Path) -> None:
    facts = hostile_records(attack)
    write_outputs(facts, tmp_path)
    for path in tmp_path.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if re.match(r"[=+@\t\r\n\uff1d]|-(?![\d.]+$)", cell)], path.name
        assert any("1" in cell for cell in cells)


def test_a_judged_table_has_no_formulas(tmp_path: Path) -> None:
    values = [0.1, -0.5, 0.2, -0.4, 0.15, -0.45]
    frame = DataFrame({"strategy": ["=1+1", "-x"] * 3, "seed": [0, 0, 1, 1, 2, 2], "value": values})
    write(judge(frame), tmp_path)
    for name in ("judgement.csv", "pairs.csv"):
        text = (tmp_path / name).read_text()
        assert re.search("^'=1\\+1,", text, re.MULTILINE)
    assert ",-0.45" in (tmp_path / "judgement.csv").read_text()


def test_tables_are_read_back_as_they_were_written() -> None:
    words = [
        *FORMULAS, *(f"'{word}" for word in FORMULAS), "'", "''=", STEERING, "\\x1b", "\\x5cx1b", "\\u202e", "C:\\x20",
        "-5", "'-5", "'" * 5000 + "=", "'a\\x1b", "'a\x1b", "''a\\x1b", "+1e5", "-", "-inf", "None", "plain", "'plain",
        "a,b", 'a"b', "a\nb",
    ]  # fmt: skip
    numbers = [-0.5 * i for i in range(len(words))]
    mixed = [-1 if i % 2 else "=x" for i in range(len(words))]
    written = to_csv(DataFrame({"=head": words, "number": numbers, "\x1b": mixed}))
    assert not steers(written)
    read = from_csv(pd.read_csv(io.StringIO(written), keep_default_na=False))
    assert list(read.columns) == ["=head", "number", "\x1b"]
    assert list(read["=head"]) == words
    assert list(read["number"]) == numbers
    assert list(read["\x1b"]) == [str(value) for value in mixed]


@given(st.text(alphabet="'=-\\\\x1bu20e\x1b\u202e5 ") | st.text())
def test_any_text_is_read_back_as_it_was_written(text: str) -> None:
    text = text.encode(errors="replace").decode()
    written = to_csv(DataFrame({"a": [text, "b"], "n": [1, 2]}))
    assert not steers(written)
    assert list(from_csv(pd.read_csv(io.StringIO(written), dtype=str, keep_default_na=False))["a"]) == [text, "b"]


def test_configurations_in_tables_stay_json(tmp_path: Path) -> None:
    write_outputs(hostile_records("caf\u00e9 C:\\x20"), tmp_path)
    config = json.loads(pd.read_csv(tmp_path / "comparison.csv")["best_config"][0])
    assert config["caf\u00e9 C:\\x20"] == "caf\u00e9 C:\\x20"


def test_a_finished_study_without_its_journal_has_the_same_configurations(tmp_path: Path) -> None:
    for number, attack in enumerate([STEERING, *FORMULAS]):
        facts, folder = hostile_records(attack), tmp_path / str(number)
        write_atomically(folder / "study.toml", facts.study.to_toml())
        write_tables(facts, folder)
        write_provenance(folder, {"command": "x"}, facts)
        again = records.read(folder)
        assert list(again.trials[f"config/{attack}"]) == [attack] * 8
        assert again.trials.columns.equals(facts.trials.columns)


def test_no_name_in_a_study_leads_out_of_the_output_folder(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    folder.mkdir(parents=True)
    names = ["../../escaped", "/tmp/hypertune-escaped", "..", "a/../../b", "con\x00trol"]
    write_outputs(hostile_records("../../escaped", names[1:]), folder)
    assert (folder / "report.html").exists()
    assert [path.name for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "deep")] == []
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    assert not Path("/tmp/hypertune-escaped").exists()


def test_a_name_on_the_command_line_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(
        '[study]\nname = "../../up"\nstrategies = ["random"]\nbudget = { epochs = 1 }\nmetric = "x"\nmode = "max"\n'
        '[training]\ntrainable = "cnn"\n[space]\nlr = { uniform = [0, 1] }\n'
    )
    assert main(["validate", "study.toml"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]
