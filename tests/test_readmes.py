"""What the READMEs say holds: their commands parse, their files exist, their study files and snippets run."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hypertune.commands.cli import main, parser
from hypertune.study.shipped import shipped
from hypertune.study.study import Study

ROOT = Path(__file__).parent.parent
READMES = sorted(path for path in ROOT.rglob("README.md") if not set(path.parts) & {".venv", "node_modules"})
PAGES = [*READMES, ROOT / "CONTRIBUTING.md"]
MOST_BYTES = 8 * 1024
PLACEHOLDERS = {"DIR", "...", "FILE", "TABLE"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), flags=re.M | re.S)


def commands(path: Path) -> list[list[str]]:
    """Every `hypertune ...` of a page: in a block of four spaces or between backticks."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    lines = [part for line in re.findall(r"^    (.+)$", text, flags=re.M) for part in line.split("&&")]
    found = [*lines, *re.findall(r"`((?:uv run )?hypertune [^`]+)`", text)]
    words = [shlex.split(line, comments=True) for line in found if "hypertune " in line and "|" not in line]
    return [line[line.index("hypertune") + 1 :] for line in words if "hypertune" in line]


CASES = list(dict.fromkeys((path, " ".join(line)) for path in PAGES for line in commands(path) if line))


@pytest.mark.parametrize(("path", "line"), CASES, ids=[f"{name(path)}: {line}" for path, line in CASES])
def test_every_command_parses(path: Path, line: str) -> None:
    words = [word.strip("[]") for word in shlex.split(line) if word != "..."]
    if words == ["compare"] or words[0].isupper():
        return
    with contextlib.redirect_stderr(io.StringIO()) as told:
        try:
            parser().parse_args(words)
        except SystemExit as error:
            named_only = len(words) == 1  # `hypertune simulate` in a sentence
            assert error.code == 0 or named_only, told.getvalue()
    for word in words[1:2]:
        if words[0] in ("compare", "validate", "simulate") and word.islower() and "." not in word and word[0] != "-":
            assert word in shipped(), f"{word}: no study of that name is shipped"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_study_file_is_valid(path: Path) -> None:
    for text in blocks(path, "toml"):
        tables = tomllib.loads(text)
        if "study" in tables:
            Study.parse(tables)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_link_and_module_leads_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert "://" in target or (path.parent / target).exists(), target
    for module in re.findall(r"python -m (tests[\w.]+)", text):
        assert (ROOT / (module.replace(".", "/") + ".py")).is_file(), module
    for file in re.findall(r"\b((?:tests|hypertune|cluster|search_spaces)/[\w./-]+\.(?:py|toml|yaml|sh|c|json))", text):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_snippet_compiles(path: Path) -> None:
    for text in blocks(path, "python"):
        compile(text, str(path), "exec")


def test_the_readme_is_short_and_says_how_to_begin() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.encode()) <= MOST_BYTES
    assert text.index("git clone") < text.index("uv run hypertune compare") < text.index("uv run pytest")


def test_the_plugin_of_the_readme_is_the_one_that_passes_the_contract() -> None:
    (shown, *_) = [
        text for text in blocks(ROOT / "hypertune" / "strategies" / "README.md", "python") if "Climber" in text
    ]
    tested = (ROOT / "tests" / "strategies" / "example_plugin.py").read_text(encoding="utf-8")
    assert shown == tested


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "hypertune/README.md"])
def test_the_snippets_run(tmp_path: Path, page: str) -> None:
    """Each as a script of its own, in an empty folder."""
    for number, text in enumerate(blocks(ROOT / page, "python")):
        script = tmp_path / f"snippet{number}.py"
        script.write_text(text)
        done = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", ["strategies", "validate digits_cnn", "compare --dry-run", "--help"])
def test_the_cheap_commands_run(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(words.split())
    except SystemExit as ended:  # of --help
        code = int(ended.code or 0)
    assert code == 0
