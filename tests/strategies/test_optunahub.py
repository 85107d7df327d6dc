"""Samplers of OptunaHub from a local copy: the contract, on a package made here, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hypertune.strategies.optunahub import optunahub
from hypertune.strategies.plugin import SearcherPlugin
from tests.strategies.contract import SMALL, SearcherContract

PACKAGE = """
from optuna.samplers import RandomSampler, TPESampler

class Tpe(TPESampler):
    def __init__(self, seed, startup=5):
        super().__init__(seed=seed, n_startup_trials=startup, multivariate=True, group=True, constant_liar=True)
"""


def package(folder: Path, text: str = PACKAGE) -> dict[str, Any]:
    """The options of a sampler whose package has this text."""
    place = folder / "package" / "samplers" / "tpe"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(text)
    return {"registry": str(folder / "package"), "package": "samplers/tpe"}


def make(**options: Any) -> Any:
    return optunahub(SMALL, metric="loss", mode="min", seed=0, max_epochs=9, **options)


class TestOptunaHub(SearcherContract):
    @pytest.fixture
    def plugin(self) -> SearcherPlugin:
        return optunahub

    @pytest.fixture
    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {**package(tmp_path), "arguments": {"startup": 4}}


TWO = PACKAGE + "\nclass Other(RandomSampler):\n    def __init__(self, seed):\n        super().__init__(seed)\n"


def test_one_of_several_samplers_is_named(tmp_path: Path) -> None:
    options = package(tmp_path, TWO)
    with pytest.raises(ValueError, match="sampler: samplers/tpe has 2 samplers; known: Other, Tpe"):
        make(**options)
    assert SMALL.contains(make(**options, sampler="Other").suggest("t"))
    with pytest.raises(ValueError, match="sampler: samplers/tpe has no sampler 'RandomSampler'; known: Other, Tpe"):
        make(**options, sampler="RandomSampler")


@pytest.mark.parametrize(
    ("text", "arguments", "fault"),
    [
        ("import no_such_package", {}, "package: samplers/tpe cannot be imported .*no_such_package.*; install what it"),
        (PACKAGE, {"start": 3}, "arguments: got an unexpected keyword argument 'start'"),
        (PACKAGE.replace("self, seed, ", "self, ").replace("seed=seed, ", ""), {}, "sampler: Tpe takes no seed"),
        (
            PACKAGE.replace("        super", "        raise TypeError('old\\noptuna')\n        super"),
            {},
            r"\(old optuna\)",
        ),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(
    text: str, arguments: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=fault) as error:
        make(**package(tmp_path, text), arguments=arguments)
    assert "\n" not in str(error.value)


def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="package and registry: both are needed"):
        make()
    with pytest.raises(ValueError, match="package: .*/nothing is no package of OptunaHub; registry is the folder"):
        make(registry=str(tmp_path), package="nothing")
