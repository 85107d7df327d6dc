"""Nothing that is read is executed, nothing that is written leaves the output folder, and no text becomes markup."""

from __future__ import annotations

import ast
import os
import pickle
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypertune.api import write_outputs
from hypertune.commands.cli import main
from hypertune.comparison.export import export
from hypertune.records import records
from hypertune.report.html import render
from hypertune.report.markdown import markdown_report
from hypertune.storage.files import now
from hypertune.study.study import Study
from tests.records.test_records import recorded

PACKAGE = Path(__file__).parent.parent / "hypertune"
UNSAFE = {
    "pickle.load", "pickle.loads", "pickle.Unpickler", "cloudpickle.load", "cloudpickle.loads", "joblib.load", "eval",
    "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "pd.read_pickle", "marshal.loads", "shelve.open",
    "os.system",
}  # fmt: skip


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


def hostile(attack: str, names: Sequence[str]) -> dict[str, Any]:
    """A study whose every free text is an attack."""
    return {
        "study": {
            "name": "hostile", "strategies": ["random", "asha"], "seeds": 2, "budget": {"epochs": 8},
            "metric": attack, "mode": "max",
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
                    value = {attack: 0.5 + 0.1 * epoch + 0.01 * number + 0.02 * seed}
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
    "\\input{/etc/passwd}\\write18{id}",
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
        assert not re.search(r"(?<!\\)<(script|img|svg|iframe|/)", markdown)
        assert not re.search(r"(?<!\\)\[[^\]]*\]\(javascript", markdown)


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
