"""The wings of the package: which may import which, and that no imports form a circle.

Parsed from the source, so that a lazy import counts too.
"""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from hypertune.moved import MOVED

PACKAGE = Path(__file__).parent.parent / "hypertune"
FILES = sorted(PACKAGE.rglob("*.py"))

ORDER = (
    "storage", "space", "study", "records", "sweep", "strategies", "training", "tracking", "tuning", "simulation",
    "comparison", "report", "cluster", "foreign",
)  # fmt: skip
MAY_IMPORT = {
    "storage": set(),
    "space": set(),
    "study": {"space"},
    "records": {"storage", "space", "study"},
    "sweep": {"space", "study", "records"},
    "strategies": {"space", "study", "sweep"},
    "training": {"storage"},
    "tracking": {"storage", "space", "study", "records"},
    "tuning": {"storage", "space", "study", "records", "sweep", "strategies", "tracking"},
    "simulation": {"storage", "space", "study", "records", "sweep", "strategies"},
    "comparison": {"storage", "space", "study", "records"},
    "report": {"storage", "space", "study", "records", "comparison"},
    "cluster": {"storage", "study", "records", "strategies", "training", "tuning"},
    "foreign": set(),
}
"""Wing to the wings that it may import; `commands`, `api` and what else lies at the top may import all of them."""

HEAVY = ("ray", "torch", "torchvision")
FORBIDDEN = {
    "storage": (*HEAVY, "pandas", "plotly"),
    "space": (*HEAVY, "pandas", "plotly"),
    "study": (*HEAVY, "pandas", "plotly"),
    "records": (*HEAVY, "plotly"),
    "sweep": (*HEAVY, "plotly"),
    "strategies": ("torchvision", "plotly"),
    "training": ("plotly",),
    "tracking": (*HEAVY, "plotly"),
    "tuning": ("torch", "torchvision", "plotly"),
    "simulation": (*HEAVY[1:], "plotly"),
    "comparison": (*HEAVY, "plotly"),
    "report": HEAVY,
    "foreign": (*HEAVY, "plotly"),
}
"""Wing to the libraries that it may not import."""
RAY_IN = {"space": {"from_ray.py"}, "training": {"trainable.py"}}
"""The only files of a wing that may import Ray."""


def imports(path: Path, *, hidden: bool = False) -> Iterator[str]:
    """Full names of what a file imports; with `hidden` also what it imports under `if TYPE_CHECKING`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types and not hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wing(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def module(path: Path) -> str:
    return ".".join(("hypertune", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {module(path) for path in FILES}


def module_of(name: str) -> str | None:
    """The module of ours that an imported name is, or lies in."""
    return name if name in MODULES else parent if (parent := name.rpartition(".")[0]) in MODULES else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_wing_imports_only_what_it_may(path: Path) -> None:
    here = wing(path)
    for name in imports(path):
        top, *rest = name.split(".")
        allowed = (top == "ray" and path.name in RAY_IN.get(here, ())) or top not in FORBIDDEN.get(here, ())
        assert allowed, f"{path.name} imports {name}"
        if here in MAY_IMPORT and top == "hypertune" and rest[0] != "installed":  # how it is installed, for hints
            assert rest[0] in {here, *MAY_IMPORT[here]}, f"{path.name} imports {name}"


def test_the_table_lists_every_wing_and_goes_one_way() -> None:
    wings = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert wings == {*MAY_IMPORT, "commands"}
    assert list(MAY_IMPORT) == list(ORDER)
    for number, name in enumerate(ORDER):
        assert MAY_IMPORT[name] <= set(ORDER[:number])


def test_no_imports_form_a_circle() -> None:
    graph = {
        module(path): {
            found for name in imports(path, hidden=True) if (found := module_of(name)) and found != module(path)
        }
        for path in FILES
        if path.name != "__init__.py"  # a package's own names are imported from outside of it
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("room", RAY_IN)
def test_ray_enters_through_one_file_only(room: str) -> None:
    users = {
        path.name for path in (PACKAGE / room).rglob("*.py") if any(n.split(".")[0] == "ray" for n in imports(path))
    }
    assert users == RAY_IN[room]


def test_no_module_has_grown_over_300_lines() -> None:
    long = {str(p): n for p in FILES if (n := len(p.read_text().splitlines())) > 300}
    assert not long


@pytest.mark.parametrize("old", sorted(MOVED))
def test_old_names_of_modules_load_the_same_module(old: str) -> None:
    code = f"import hypertune.{old} as old, hypertune.{MOVED[old]} as new; assert old is new"
    exec(code, {})


def test_a_pickle_from_before_the_wings_still_loads() -> None:
    code = (
        "import pickle, sys; "
        'thing = pickle.loads(b"chypertune.study_file\\nBudget\\n."); '
        'space = pickle.loads(b"chypertune.space\\nSpace\\n."); '
        "assert thing.__module__ == 'hypertune.study.file' and space.__name__ == 'Space'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert pickle.loads(b"chypertune.domains\nNumeric\n.").__name__ == "Numeric"
