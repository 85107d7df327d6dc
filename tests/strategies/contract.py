"""What hypertune expects of every searcher and scheduler: run it on your own.

In your package's tests, with a checkout of hypertune on the path:

    import pytest
    from tests.strategies.contract import SearcherContract
    from my_package import my_searcher            # made by @searcher

    class TestMySearcher(SearcherContract):
        @pytest.fixture
        def plugin(self):
            return my_searcher

`SchedulerContract` works the same way. Override `options` to test with other options than the defaults.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypertune.space.space import Config, Space, flatten
from hypertune.strategies.plugin import SchedulerPlugin, SearcherPlugin, features
from hypertune.strategies.random import draw
from hypertune.study.warm_start import EarlierTrial
from tests.strategies.runner import Curve, VirtualRunner, crossing, failing, rising

EVERY_DOMAIN = Space.parse(
    {
        "uniform": {"uniform": [-1.0, 2.0]},
        "quniform": {"quniform": [-0.5, 0.5, 0.25]},
        "loguniform": {"loguniform": [1e-4, 1e-1]},
        "qloguniform": {"qloguniform": [0.5, 8.0, 0.5]},
        "randn": {"randn": [3.0, 2.0]},
        "qrandn": {"qrandn": [0.0, 1.0, 0.5]},
        "randint": {"randint": [2, 16]},
        "qrandint": {"qrandint": [-4, 6, 2]},
        "lograndint": {"lograndint": [1, 1000]},
        "qlograndint": {"qlograndint": [16, 256, 16]},
        "choice": {"choice": ["a", 2, True, 0.5]},
        "grid": {"grid_search": [1, 2, 4]},
        "optimizer": {
            "choice": [
                {"kind": "sgd", "momentum": {"uniform": [0.0, 0.99]}},
                {"kind": "adam", "eps": {"loguniform": [1e-9, 1e-6]}, "momentum": {"choice": [0.8, 0.9]}},
            ]
        },
        "nested": {"width": {"uniform": [0.0, 1.0]}, "fixed": "yes"},
        "constant": 3,
    }
)

UNUSUAL = Space.parse(
    {
        "layers": [{"randint": [1, 9]}, {"choice": [1, {"uniform": [2.0, 3.0]}]}, "last"],
        "pair": {"tuple": [{"uniform": [0.0, 1.0]}, 1]},
        "dropout": {"choice": [0.0, {"uniform": [0.1, 0.5]}, {"literal": "None"}, {"tuple": [1, 2]}]},
        "one": {"uniform": [2.0, 2.0]},
        "one_level": {"randint": [3, 4]},
        "one_log": {"loguniform": [2.0, 2.0]},
        "uneven": {"qrandint": [-10, -1, 3]},
        "twice": {"choice": ["a", "a", "b"]},
    }
)
"""Domains inside of lists and tuples and among options, domains of one value, options that are there twice."""

SMALL = Space.parse(
    {
        "lr": {"loguniform": [1e-4, 1e-1]},
        "width": {"randint": [1, 21]},
        "norm": {"choice": ["none", {"kind": "batch", "momentum": {"uniform": [0.1, 0.9]}}]},
        "drop": {"uniform": [0.0, 0.5]},
    }
)

QUICK = {"n_initial": 4, "points": 2, "levels": 3}
"""Options that let a model come into play early and keep a grid small, where a plugin has them."""


def supported(space: Space, plugin: SearcherPlugin) -> Space:
    """The part of the space that the plugin says it supports; what it does not is refused before a sweep begins."""

    def fits(entry: Any) -> bool:
        parameters = Space({"entry": entry}).parameters()
        return all(feature in plugin.supports for parameter in parameters for feature in features(parameter))

    return Space({name: entry for name, entry in space.entries.items() if fits(entry)})


def loss(config: Config) -> float:
    """Any smooth function of the numbers in a configuration."""
    numbers = [float(value) for value in flatten(config).values() if isinstance(value, int | float)]
    return sum(math.sin(value) + value**2 / (10 + abs(value) ** 3) for value in numbers)


Score = Callable[[Config], float]
BOWL = Space.parse({"x": {"uniform": [0.0, 1.0]}, "y": {"loguniform": [1e-4, 1.0]}})


def bowl(config: Config) -> float:
    """A smooth function of `BOWL` whose minimum, 0, is near a corner."""
    return float((config["x"] - 0.9) ** 2 + (math.log10(config["y"]) / 4 + 0.1) ** 2)


def earlier(space: Space, sign: float) -> list[EarlierTrial]:
    """Forty random trials of an earlier study, of which one failed and the odd ones were stopped early."""
    rng = np.random.default_rng(1)
    configs = [draw(space, rng) for _ in range(40)]
    values = [sign * (bowl(config) if space == BOWL else loss(config)) for config in configs]
    return [
        EarlierTrial(numbers=space.encode(config), epochs=3 if i % 2 else 9, value=None if i == 4 else value)
        for i, (config, value) in enumerate(zip(configs, values, strict=True))
    ]


class Session:
    """Drives a searcher as a sweep does, up to `workers` trials at a time, every fifth of which fails."""

    def __init__(self, searcher: Any, workers: int = 3, sign: float = 1.0, score: Score = loss) -> None:
        self.searcher, self.workers, self.sign, self.score = searcher, workers, sign, score
        self.configs: list[Config] = []
        self.running: list[tuple[str, Config]] = []

    def run(self, trials: int) -> list[Config]:
        """Suggests that many configurations and returns them."""
        for _ in range(trials):
            trial_id = f"t{len(self.configs)}"
            config = self.searcher.suggest(trial_id)
            assert isinstance(config, dict), f"suggested {config!r}"
            self.configs.append(config)
            self.running.append((trial_id, config))
            if len(self.running) == self.workers:
                self.finish(*self.running.pop(0))
        return self.configs[-trials:]

    def finish(self, trial_id: str, config: Config) -> None:
        """Two epochs, then the end with the best of both."""
        if int(trial_id[1:]) % 5 == 4:
            self.searcher.on_trial_complete(trial_id, None, error=True)
            return
        final = self.sign * self.score(config)
        for epoch, value in ((1, final + self.sign), (2, final)):
            self.searcher.on_trial_result(trial_id, {"loss": value, "epoch": epoch})
        self.searcher.on_trial_complete(trial_id, {"loss": final, "epoch": 2}, error=False)


class SearcherContract:
    """Every searcher passes these."""

    @pytest.fixture
    def plugin(self) -> SearcherPlugin:
        """The searcher under test, as `@searcher` makes it."""
        raise NotImplementedError("define the fixture `plugin` in your subclass")

    @pytest.fixture
    def options(self, plugin: SearcherPlugin) -> dict[str, Any]:
        """The options it is tested with."""
        return {name: value for name, value in QUICK.items() if name in plugin.options}

    @pytest.fixture
    def make(self, plugin: SearcherPlugin, options: dict[str, Any]) -> Callable[..., Any]:
        """A fresh searcher over the part of a space that it supports."""

        def make(space: Space = SMALL, seed: int = 0, mode: str = "min") -> Any:
            common: dict[str, Any] = {"metric": "loss", "mode": mode, "seed": seed, "max_epochs": 9}
            return plugin(supported(space, plugin), **common, **options)

        return make

    def test_suggestions_lie_in_the_space_with_exact_types(
        self, plugin: SearcherPlugin, make: Callable[..., Any]
    ) -> None:
        space = supported(EVERY_DOMAIN, plugin)
        for config in Session(make(EVERY_DOMAIN)).run(9):
            assert space.contains(config), config

    def test_unusual_domains_are_resolved(self, plugin: SearcherPlugin, make: Callable[..., Any]) -> None:
        space = supported(UNUSUAL, plugin)
        for config in Session(make(UNUSUAL)).run(9):
            assert space.contains(config), config
            assert space.contains(space.recorded(config)), config

    def test_a_space_of_constants_gives_them(self, make: Callable[..., Any]) -> None:
        assert Session(make(Space({"constant": 3})), workers=1).run(1) == [{"constant": 3}]

    def test_the_same_seed_gives_the_same_suggestions(self, make: Callable[..., Any]) -> None:
        assert Session(make(seed=3)).run(9) == Session(make(seed=3)).run(9)

    def test_different_seeds_give_different_suggestions(self, make: Callable[..., Any]) -> None:
        assert Session(make(seed=3)).run(9) != Session(make(seed=4)).run(9)

    def test_no_global_random_state_is_used(self, make: Callable[..., Any]) -> None:
        numpy_before, python_before = np.random.get_state(), random.getstate()
        Session(make()).run(7)
        assert random.getstate() == python_before
        assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), numpy_before, strict=True))

    def test_maximising_is_minimising_the_negative(self, make: Callable[..., Any]) -> None:
        assert Session(make(mode="max"), sign=-1.0).run(9) == Session(make(mode="min")).run(9)

    def test_pending_suggestions_differ(self, make: Callable[..., Any]) -> None:
        session = Session(make())
        session.run(8)
        pending = [session.searcher.suggest(f"p{i}") for i in range(6)]
        assert len({repr(config) for config in pending}) == len(pending)

    def test_odd_results_are_survived(self, make: Callable[..., Any]) -> None:
        session = Session(make())
        searcher = session.searcher
        searcher.on_trial_result("unknown", {"loss": 1.0, "epoch": 1})
        searcher.on_trial_complete("unknown", {"loss": 1.0, "epoch": 1}, error=False)
        searcher.on_trial_complete("unknown", None, error=True)
        odd = [
            None,
            {},
            {"epoch": 1},
            *({"loss": value, "epoch": 1} for value in (None, math.nan, math.inf, -math.inf)),
        ]
        for i, result in enumerate(odd):
            searcher.suggest(f"odd{i}")
            if result:
                searcher.on_trial_result(f"odd{i}", result)
            searcher.on_trial_complete(f"odd{i}", result, error=False)
            searcher.on_trial_complete(f"odd{i}", {"loss": 0.0, "epoch": 2}, error=False)
        session.run(8)

    def test_nothing_but_failures_is_survived(self, make: Callable[..., Any]) -> None:
        searcher = make()
        for i in range(8):
            assert isinstance(searcher.suggest(f"t{i}"), dict)
            searcher.on_trial_complete(f"t{i}", None, error=True)

    def test_a_restored_searcher_goes_on_identically(self, make: Callable[..., Any], tmp_path: Path) -> None:
        session = Session(make())
        session.run(7)
        session.searcher.save(str(tmp_path / "state"))
        resumed = Session(make())
        resumed.searcher.restore(str(tmp_path / "state"))
        resumed.configs, resumed.running = list(session.configs), list(session.running)
        assert resumed.run(4) == session.run(4)

    def test_a_replayed_searcher_goes_on_identically(self, make: Callable[..., Any]) -> None:
        session, replayed = Session(make()), Session(make())
        assert session.run(7) == replayed.run(7)
        assert session.run(4) == replayed.run(4)

    @pytest.fixture
    def warm(self, plugin: SearcherPlugin, options: Mapping[str, Any], make: Callable[..., Any]) -> Callable[..., Any]:
        """A fresh searcher that knows trials of an earlier study."""
        if not plugin.knows_earlier(options):
            pytest.skip("learns nothing from an earlier study")

        def warm(space: Space = BOWL, mode: str = "min") -> Any:
            searcher = make(space, mode=mode)
            searcher.know(earlier(supported(space, plugin), -1.0 if mode == "max" else 1.0))
            return searcher

        return warm

    def test_an_earlier_study_s_trials_of_any_domain_are_known(
        self, plugin: SearcherPlugin, warm: Callable[..., Any]
    ) -> None:
        space = supported(EVERY_DOMAIN, plugin)
        for config in Session(warm(EVERY_DOMAIN)).run(4):
            assert space.contains(config), config

    def test_a_warm_start_begins_where_the_earlier_study_was_good(
        self, make: Callable[..., Any], warm: Callable[..., Any]
    ) -> None:
        cold, warmed = ([bowl(c) for c in Session(s, score=bowl).run(8)] for s in (make(BOWL), warm()))
        assert np.median(warmed) < np.median(cold)
        assert Session(warm()).run(3) == Session(warm(mode="max"), sign=-1.0).run(3)

    def test_a_restored_warm_start_goes_on_identically(self, warm: Callable[..., Any], tmp_path: Path) -> None:
        session = Session(warm())
        session.run(4)
        session.searcher.save(str(tmp_path / "state"))
        resumed = Session(warm())
        resumed.searcher.restore(str(tmp_path / "state"))
        resumed.configs, resumed.running = list(session.configs), list(session.running)
        assert resumed.run(3) == session.run(3)


class SchedulerContract:
    """Every scheduler passes these."""

    @pytest.fixture
    def plugin(self) -> SchedulerPlugin:
        """The scheduler under test, as `@scheduler` makes it."""
        raise NotImplementedError("define the fixture `plugin` in your subclass")

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        """The options it is tested with."""
        return {}

    @pytest.fixture
    def run(self, plugin: SchedulerPlugin, options: dict[str, Any]) -> Callable[..., VirtualRunner]:
        """Runs 30 trials under a fresh scheduler until all have ended."""

        def run(curve: Curve, workers: int = 3, max_epochs: int = 10, mode: str = "max") -> VirtualRunner:
            scheduler = plugin(SMALL, metric="acc", mode=mode, seed=0, max_epochs=max_epochs, **options)
            runner = VirtualRunner(scheduler, curve, workers=workers, trials=30, max_epochs=max_epochs)
            return runner.run()

        return run

    @pytest.mark.parametrize("workers", [1, 2, 7, 100])
    @pytest.mark.parametrize("max_epochs", [1, 2, 10])
    def test_every_trial_ends(self, run: Callable[..., VirtualRunner], workers: int, max_epochs: int) -> None:
        runner = run(crossing, workers, max_epochs)
        assert len(runner.trials) == 30
        assert {trial.status for trial in runner.trials} <= {"TERMINATED"}
        assert max(runner.epochs()) == max_epochs

    @pytest.mark.parametrize("workers", [1, 7, 100])
    def test_failures_are_survived(self, run: Callable[..., VirtualRunner], workers: int) -> None:
        runner = run(failing, workers)
        assert {trial.status for trial in runner.trials} <= {"TERMINATED", "ERROR"}
        assert any(trial.failed for trial in runner.trials)

    def test_nothing_but_failures_is_survived(self, run: Callable[..., VirtualRunner]) -> None:
        assert all(trial.failed for trial in run(lambda number, epoch: None).trials)

    def test_the_best_trial_trains_to_the_end(self, run: Callable[..., VirtualRunner]) -> None:
        runner = run(rising)
        best = max(runner.trials, key=lambda trial: rising(trial.number, 1))
        assert best.epochs == 10

    def test_a_number_that_is_none_is_never_good(self, run: Callable[..., VirtualRunner]) -> None:
        runner = run(lambda number, epoch: math.nan if number % 4 == 0 else crossing(number, epoch))
        assert {trial.status for trial in runner.trials} <= {"TERMINATED"}

    def test_maximising_is_minimising_the_negative(self, run: Callable[..., VirtualRunner]) -> None:
        upward, downward = run(crossing, mode="max"), run(lambda n, e: -crossing(n, e), mode="min")
        assert upward.decisions == downward.decisions

    def test_a_replayed_scheduler_decides_identically(self, run: Callable[..., VirtualRunner]) -> None:
        assert run(failing).decisions == run(failing).decisions

    def test_no_global_random_state_is_used(self, run: Callable[..., VirtualRunner]) -> None:
        numpy_before, python_before = np.random.get_state(), random.getstate()
        run(crossing)
        assert random.getstate() == python_before
        assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), numpy_before, strict=True))
