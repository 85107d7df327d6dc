"""The contract, held to every installed searcher and scheduler."""

from __future__ import annotations

from typing import Any

import pytest

from hypertune.strategies import registry
from hypertune.strategies.plugin import SchedulerPlugin, SearcherPlugin
from hypertune.strategies.registry import schedulers, searchers
from tests.strategies.contract import QUICK, SchedulerContract, SearcherContract


class TestSearchers(SearcherContract):
    # Those of the extras (smac, ax) where their packages are installed; those in processes are in `test_process.py`,
    # and that of a package which has to be named in `test_optunahub.py`.
    @pytest.fixture(
        params=[
            pytest.param(name, marks=pytest.mark.slow) if name == "optuna-gp" else name  # seconds for each suggestion
            for name, plugin in searchers().items()
            if not plugin.missing and not plugin.programs and name not in (registry.COMMAND, "optunahub")
        ]
    )
    def plugin(self, request: pytest.FixtureRequest) -> SearcherPlugin:
        return searchers()[request.param]

    @pytest.fixture
    def options(self, plugin: SearcherPlugin) -> dict[str, Any]:
        options = {name: value for name, value in QUICK.items() if name in plugin.options}
        if plugin is searchers()["one_at_a_time"]:
            return {"points": 9, "levels": 20}  # so few cells otherwise that they are used up before the contract ends
        # A second for each suggestion of its model: one or two of them must do.
        return {"n_initial": 6} if plugin is searchers()["optuna-gp"] else options


class TestSchedulers(SchedulerContract):
    @pytest.fixture(params=list(schedulers()))
    def plugin(self, request: pytest.FixtureRequest) -> SchedulerPlugin:
        return schedulers()[request.param]

    @pytest.fixture
    def options(self, plugin: SchedulerPlugin) -> dict[str, Any]:
        return {"trials": 10, "keep": 3} if plugin is schedulers()["one-epoch"] else {}
