"""The rooms of the package: which may import which. Parsed from the source, so that a lazy import counts too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hypertune"
HEAVY = ("ray", "torch", "torchvision")

FORBIDDEN = {
    "space": (*HEAVY, "hypertune.study.study"),
    "domains": HEAVY,
    "study": (*HEAVY, "hypertune.strategies", "hypertune.tuning"),
    "records": (*HEAVY, "plotly"),
    "sweep": (*HEAVY, "hypertune.tuning", "hypertune.simulation", "hypertune.strategies"),
    "strategies": ("torchvision", "hypertune.training", "hypertune.tuning", "hypertune.comparison", "hypertune.report"),
    "training": ("hypertune.strategies", "hypertune.tuning", "hypertune.comparison", "hypertune.report"),
    "tuning": ("torch", "torchvision", "hypertune.simulation", "plotly"),
    "tracking": (*HEAVY, "hypertune.tuning", "hypertune.simulation", "hypertune.report", "plotly"),
    "simulation": ("torch", "torchvision", "hypertune.training"),
    "comparison": (*HEAVY, "plotly", "hypertune.strategies", "hypertune.tuning", "hypertune.report"),
    "report": (*HEAVY, "hypertune.strategies", "hypertune.tuning", "hypertune.training"),
}


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules a file imports outside `if TYPE_CHECKING`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    for name in imports(path):
        for forbidden in FORBIDDEN.get(room(path), ()):
            assert not f"{name}.".startswith(f"{forbidden}."), f"{path.name} imports {name}"


def test_ray_enters_training_only_through_the_trainable() -> None:
    users = {p.name for p in (PACKAGE / "training").rglob("*.py") if any(n.split(".")[0] == "ray" for n in imports(p))}
    assert users == {"trainable.py"}


def test_no_module_has_grown_over_300_lines() -> None:
    long = {str(p): n for p in PACKAGE.rglob("*.py") if (n := len(p.read_text().splitlines())) > 300}
    assert not long
