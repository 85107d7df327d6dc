"""What is used of Ray without a public name: all of it in one file, all of it there in the Ray that is installed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from hypertune.tuning import ray_internals, ray_names
from hypertune.tuning.ray_names import NAMES, TESTED, Name

PACKAGE = Path(ray_internals.__file__).parents[1]


def test_the_installed_ray_has_every_name() -> None:
    assert ray_names.missing() == []


def test_a_name_that_is_gone_is_told_with_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Name("ray.tune.execution.tune_controller", "TuneController._no_such_thing", "nothing works")
    nowhere = Name("ray._private.no_such_module", "anything", "less works")
    monkeypatch.setattr(ray_names, "NAMES", (*NAMES, gone, nowhere))
    first, second = ray_names.missing()
    assert "TuneController._no_such_thing any more; without it, nothing works" in first
    assert "less works" in second


def test_no_other_file_uses_a_private_name_of_ray() -> None:
    names = {name.path.rpartition(".")[2] for name in NAMES}
    private = {name for name in names if name.startswith("_")}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name in ("ray_internals.py", "ray_names.py"):
            continue
        assert not re.search(r"ray\._private|ray\.\w+\._internal", re.sub(r'"ray\._private[.\w]*"', "", text)), path
        for name in private:
            assert f".{name}" not in text, f"{path} uses {name}"


def test_the_dependency_allows_the_release_that_was_tested_and_no_later_one() -> None:
    told = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]["dependencies"]
    major, minor = map(int, TESTED.split("."))
    assert f"ray[default,tune]>={TESTED},<{major}.{minor + 1}" in told


def test_where_a_name_is_gone_the_block_runs_without() -> None:
    with ray_internals.replaced("ray._private.no_such_module", "anything", lambda before: None):
        pass
    with ray_internals.replaced("ray._private.services", "no_such_name", lambda before: None):
        pass


def test_the_controller_of_another_ray_is_left_as_it_is() -> None:
    class Controller:
        pass

    ray_internals.keep_idle_workers(Controller(), None, 3)
    ray_internals.set_worker_environment(Controller(), {}, {})
    ray_internals.on_lost_worker(Controller(), lambda trial, error: error)
    assert ray_internals.live_workers(Controller()) == 0
