"""The examples of `search_spaces/examples`: small and importable by default; run as a user runs them where asked for.

uv run --group examples pytest -n 0 -m slow tests/integration/test_examples.py
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from ray import tune

import hypertune
from hypertune import Study
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "search_spaces" / "examples"
SCRIPTS = sorted(FOLDER.glob("*.py"))
NOTEBOOK = FOLDER / "notebook.ipynb"
NEEDS = {
    "hugging_face_trainer": ["transformers", "accelerate"],
    "jax_population": ["jax"],
    "keras_model": ["keras"],
    "lightning_module": ["lightning"],
    "notebook": ["nbclient", "ipykernel"],
    "xgboost_rounds": ["xgboost"],
}
"""The modules of the dependency group `examples` that an example imports."""


def source(path: Path) -> str:
    """The code of an example; of the notebook what its cells hold."""
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = json.loads(path.read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


@pytest.mark.parametrize("path", [*SCRIPTS, NOTEBOOK], ids=lambda path: path.stem)
def test_an_example_is_short_and_uses_only_what_is_public(path: Path) -> None:
    code = source(path)
    compile(code, str(path), "exec")
    assert len(code.splitlines()) < 75
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "hypertune" and "." in alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "hypertune":
            assert node.module == "hypertune"
            assert {alias.name for alias in node.names} <= set(hypertune.__all__)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_says_how_to_run_it_and_can_be_imported(path: Path) -> None:
    module = ast.parse(path.read_text())
    docstring = ast.get_docstring(module) or ""
    commands = re.findall(r"^uv run .*", docstring, re.MULTILINE)
    assert f"python {path.relative_to(REPOSITORY).as_posix()}" in commands[0]
    for named in re.findall(r"search_spaces/\S+", docstring):
        assert (REPOSITORY / named).is_file(), named
    calls = [node for node in module.body if "compare(" in ast.unparse(node)]
    assert [ast.unparse(node).splitlines()[0] for node in calls] == ["if __name__ == '__main__':"]


def test_the_readme_lists_every_example_and_its_command() -> None:
    text = (FOLDER / "README.md").read_text()
    assert len(text.splitlines()) <= 30
    for path in [path for path in FOLDER.iterdir() if path.suffix in (".py", ".toml", ".ipynb")]:
        assert f"[{path.name}]({path.name})" in text
        assert f" {path.relative_to(REPOSITORY).as_posix()}`" in text


def test_the_notebook_is_committed_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")


def test_the_study_file_is_the_study_of_its_script() -> None:
    path = FOLDER / "pytorch_function.toml"
    training, space = Study.load(path).training, tomllib.loads(path.read_text())["space"]
    module, _, attribute = str(training.trainable).partition(":")
    script = import_module(module)
    assert callable(getattr(script, attribute))
    assert set(space) == set(script.SPACE)
    for name, searched in script.SPACE.items():
        ((kind, arguments),) = space[name].items()
        same = tune.choice(arguments) if kind == "choice" else getattr(tune, kind)(*arguments)
        assert same.domain_str == searched.domain_str
        assert type(same.get_sampler()) is type(searched.get_sampler())


@pytest.fixture
def printed(request: pytest.FixtureRequest) -> Iterator[str]:
    """What an example prints; its output folder is there for the test and removed after it."""
    path: Path = request.param
    missing = [name for name in NEEDS.get(path.stem, []) if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: uv run --group examples pytest -n 0 -m slow {__file__}")
    program = [path] if path.suffix == ".py" else ["-c", EXECUTE, path]
    done = subprocess.run(
        [sys.executable, *map(str, program)], cwd=REPOSITORY, capture_output=True, text=True, timeout=540, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    yield done.stdout
    for folder in folders(done.stdout):
        shutil.rmtree(folder)


EXECUTE = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=500).execute()
for cell in notebook.cells:
    for output in cell.get("outputs", []):
        if output.output_type == "stream" and output.name == "stdout":
            print(output.text, end="")
"""


def folders(text: str) -> list[Path]:
    return [REPOSITORY / Path(line).parent for line in re.findall(r"^report: (.+)$", text, re.MULTILINE)]


@pytest.mark.slow
@pytest.mark.parametrize("printed", [*SCRIPTS, NOTEBOOK], ids=lambda path: path.stem, indirect=True)
def test_an_example_runs(printed: str) -> None:
    (folder,) = folders(printed)
    assert (folder / "report.html").stat().st_size > 0
    assert (folder / "best" / "config.toml").stat().st_size > 0
    assert set(pd.read_csv(folder / "trials.csv")["status"]) <= {"completed", "stopped"}
    best = re.search(r"^best configuration: (\{.+\})$", printed, re.MULTILINE)
    assert best
    assert ast.literal_eval(best[1])
    conclusion = printed.split("best configuration:")[0]
    assert " over " in conclusion
    assert " seeds" in conclusion
