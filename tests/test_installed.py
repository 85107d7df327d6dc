"""How hypertune is installed: its name, its extras, and a machine without the other project of its name."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hypertune import installed
from hypertune.commands.cli import main
from hypertune.training.kernels import build

ROOT = Path(__file__).parent.parent
EXTRAS = metadata(installed.DISTRIBUTION).get_all("Provides-Extra") or []


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_extra_has_a_hint_that_pip_understands(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "_made_by_uv", lambda: True)
    assert installed.install_hint(extra) == f"`uv sync --extra {extra}` in {ROOT}"
    monkeypatch.setattr(installed, "_made_by_uv", lambda: False)
    command = re.fullmatch(r"`pip install ((?:'[^']+' ?)+)`", installed.install_hint(extra))
    assert command is not None
    for text in re.findall(r"'([^']+)'", command[1]):
        assert Requirement(text).specifier


def test_no_text_names_an_extra_that_there_is_not_or_installs_the_other_project() -> None:
    files = [*(ROOT / "hypertune").rglob("*.py"), *ROOT.glob("*.md"), *(ROOT / "cluster").iterdir()]
    for file in files:
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        assert not re.search(r"pip install '?hypertune(?![-\w])", text), file
        for extra in re.findall(r"hypertune-ray\[(\w+)\]", text):
            assert extra in EXTRAS, file
        for extra in re.findall(r"install_hint\(['\"](\w+)['\"]\)", text):
            assert extra in EXTRAS, file


def test_the_other_project_among_our_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "hypertune-1.4.0.dist-info"
    there.mkdir()
    (there / "METADATA").write_text("Metadata-Version: 2.1\nName: hypertune\nVersion: 1.4.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["strategies"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "another project called hypertune (1.4.0)" in line
    assert "pip uninstall hypertune" in line


def test_the_command_says_when_the_package_is_the_other_one(tmp_path: Path) -> None:
    (tmp_path / "hypertune").mkdir()
    (tmp_path / "hypertune" / "__init__.py").write_text("")
    launcher = ROOT / "hypertune" / "launcher.py"
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); exec(open({str(launcher)!r}).read()); sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "another project of that name" in done.stderr


def test_without_any_compiler_the_package_is_built_without_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / build.FOLDER
    folder.mkdir(parents=True)
    (tmp_path / build.SOURCE).write_bytes((ROOT / build.SOURCE).read_bytes())
    monkeypatch.setattr(build, "_fetched", lambda folder: False)
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    assert build.compile_kernels(tmp_path) is None
    assert [path.name for path in folder.iterdir()] == ["kernels.c"]


@pytest.mark.skipif(build.shutil.which("cc") is None, reason="needs a C compiler")
def test_the_machines_own_compiler_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / build.FOLDER
    folder.mkdir(parents=True)
    (tmp_path / build.SOURCE).write_bytes((ROOT / build.SOURCE).read_bytes())
    monkeypatch.setattr(build, "_fetched", lambda folder: False)
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    tag = build.compile_kernels(tmp_path)
    assert tag is not None
    assert tag.startswith(sys.platform)
    assert (tmp_path / build.LIBRARY).stat().st_size > 0
