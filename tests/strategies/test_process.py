"""Searchers in processes of their own: the contract, and everything that a process can do wrong."""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from hypertune.space.space import Space
from hypertune.strategies import registry
from hypertune.strategies.plugin import SearcherPlugin
from hypertune.strategies.process import described
from hypertune.strategies.processes.serve import Parameter
from hypertune.strategies.registry import searchers
from hypertune.study.prior import read_prior
from hypertune.study.study import Budget
from hypertune.sweep.trial import StudyError
from tests.strategies.contract import EVERY_DOMAIN, QUICK, SMALL, UNUSUAL, SearcherContract, Session, earlier
from tests.sweep.scripted import Runner, make_study

HERE = Path(__file__).parent / "processes"
CLIMB = [sys.executable, str(HERE / "climb.py")]


PERL = ["perl", str(HERE / "random_search.pl")]
NEEDS_PERL = pytest.mark.skipif(not shutil.which("perl"), reason="needs Perl")


class TestInAProcess(SearcherContract):
    @pytest.fixture
    def plugin(self) -> SearcherPlugin:
        return searchers()["command"]

    @pytest.fixture(
        params=[
            pytest.param({"command": CLIMB, "warm_starts": True}, id="Python"),
            pytest.param({"command": PERL}, id="Perl", marks=NEEDS_PERL),
        ]
    )
    def options(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        options: dict[str, Any] = request.param
        return options


def climb(space: Space = SMALL, *, timeout_s: float = 60.0, warm_starts: bool = False, **settings: Any) -> Any:
    options = {"command": CLIMB, "settings": settings, "timeout_s": timeout_s, "warm_starts": warm_starts}
    return searchers()["command"](space, metric="loss", mode="min", seed=0, max_epochs=9, **options)


def test_hello_describes_each_hyperparameter() -> None:
    prior = read_prior({"loguniform": {"guess": 1e-2, "confidence": "low"}, "choice": {"guess": 0.5}})
    told = {parameter.key: described(parameter, prior) for parameter in EVERY_DOMAIN.parameters()}
    json.dumps(told)
    assert told["loguniform"] == {
        "name": "loguniform", "type": "float", "log": True, "step": None, "low": 1e-4, "high": 1e-1,
        "prior": {"guess": 0.01, "confidence": "low"},
    }  # fmt: skip
    assert (told["randint"]["low"], told["randint"]["high"], told["randint"]["step"]) == (2, 15, 1)
    assert (told["randn"]["low"], told["randn"]["mean"], told["randn"]["sd"]) == (None, 3.0, 2.0)
    assert told["choice"]["options"] == ["a", 2, True, 0.5]
    assert told["choice"]["prior"] == {"guess": 3, "confidence": "medium"}
    assert "prior" not in told["randint"]
    assert told["optimizer[0]/momentum"]["active_if"] == {"name": "optimizer", "option": 0}


def test_a_process_that_ends_is_started_again_and_told_everything(tmp_path: Path) -> None:
    undisturbed = Session(climb()).run(9)
    marker = tmp_path / "marker"
    assert Session(climb(quit_at=5, marker=str(marker))).run(9) == undisturbed
    assert marker.exists()


def test_a_process_that_is_started_again_is_told_an_earlier_study_s_trials_again(tmp_path: Path) -> None:
    def warm(**settings: Any) -> Any:
        made = climb(warm_starts=True, **settings)
        made.know(earlier(SMALL, 1.0))
        return made

    checked = warm()
    checked.check()
    undisturbed = Session(warm()).run(9)
    assert Session(checked).run(9) == undisturbed != Session(climb()).run(9)
    marker = tmp_path / "marker"
    assert Session(warm(quit_at=len(earlier(SMALL, 1.0)) + 5, marker=str(marker))).run(9) == undisturbed
    assert marker.exists()


@NEEDS_PERL
def test_a_program_that_ignores_an_earlier_study_s_trials_is_no_warm_start() -> None:
    options = {"command": PERL, "warm_starts": True}
    made: Any = searchers()["command"](SMALL, metric="loss", mode="min", seed=0, max_epochs=9, **options)
    made.know(earlier(SMALL, 1.0))
    with pytest.raises(ValueError, match="^command: learns nothing from an earlier study's trials; leave out warm_st"):
        made.check()


def test_who_is_told_of_an_earlier_study_depends_on_the_option() -> None:
    assert not searchers()["command"].knows_earlier({})
    assert searchers()["command"].knows_earlier({"warm_starts": True})
    assert searchers()["hebo"].knows_earlier({})
    assert not searchers()["dehb"].knows_earlier({})


def test_what_a_library_prints_is_not_taken_for_an_answer() -> None:
    assert Session(climb(chatter=True)).run(9) == Session(climb()).run(9)


def test_a_process_that_does_not_answer_ends_the_study_in_one_line() -> None:
    searcher = climb(hang_at=1, timeout_s=0.5)
    searcher.suggest("a")
    with pytest.raises(StudyError, match=r"climb\.py: did not answer to ask within 0\.5 s .*started 3 times") as told:
        searcher.suggest("b")
    assert "\n" not in str(told.value)


def test_an_error_in_the_process_is_told_with_where_its_log_is() -> None:
    with pytest.raises(StudyError, match=r"says: RuntimeError: no idea: .*RuntimeError: no idea \(log: /.*\)") as told:
        climb(raise_at=0).suggest("a")
    log = Path(str(told.value).partition("(log: ")[2].partition(")")[0])
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("high", "suggests lr = 'high'; expected a finite number"),
        (True, "suggests lr = True; expected a finite number"),
        (0.00009, "suggests lr = 9e-05, outside of 0.0001 to 0.1"),
        (7.5, "suggests lr = 7.5, outside of 0.0001 to 0.1"),
    ],
)
def test_a_wrong_value_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(StudyError, match=message.replace(".", r"\.")):
        climb(answer=answer).suggest("a")


def test_a_number_that_is_not_finite_is_refused() -> None:
    (parameter, *_) = SMALL.parameters()
    for value in (math.inf, math.nan, 10**400):
        with pytest.raises(StudyError, match="suggests lr = .*; expected a finite number"):
            climb()._number(parameter, {"lr": value})


def test_a_process_says_for_how_long_a_trial_trains(tmp_path: Path) -> None:
    study = make_study(
        strategies=("mine",), options={"mine": {"command": CLIMB, "settings": {"epochs": 3}}}, budget=Budget(epochs=21)
    )
    runner = Runner(study, "mine", workers=1)
    searcher: Any = runner.sweep.searcher
    runner.run()
    assert searcher._process._process is None  # it has ended with its sweep
    trials = runner.book().trials_table()
    assert trials["epochs"].tolist() == [3] * 7
    assert set(trials["status"]) == {"stopped"}
    searcher = climb(epochs=3)
    searcher.suggest("a")
    searcher.save(str(tmp_path / "state"))
    restored = climb(epochs=3)
    restored.restore(str(tmp_path / "state"))
    assert restored.epochs_of("a") == searcher.epochs_of("a") == 3
    without = climb()
    without.suggest("a")
    assert without.epochs_of("a") == math.inf


@pytest.mark.parametrize("epochs", [-1, 10, 2.5, True, "3"])
def test_epochs_beyond_a_full_training_are_refused(epochs: Any) -> None:
    with pytest.raises(StudyError, match=r"^command: wants .* epochs; expected an integer from 1 to 9$"):
        climb(epochs=epochs).suggest("a")


@pytest.mark.parametrize("space", [EVERY_DOMAIN, UNUSUAL])
def test_quantiles_lead_to_the_value_and_back(space: Space) -> None:
    for parameter in space.parameters():
        theirs = Parameter(described(parameter, {}))
        for u in (0.0, 0.1, 0.5, 0.77, 1.0):
            value = theirs.from_unit(u)
            assert theirs.from_unit(theirs.to_unit(value)) == pytest.approx(value)


def test_there_may_be_no_more_configurations() -> None:
    searcher = climb(finish_at=1)
    assert isinstance(searcher.suggest("a"), dict)
    assert searcher.suggest("b") == "FINISHED"


def test_a_refusal_is_told_before_the_study_starts() -> None:
    with pytest.raises(ValueError, match="^command: I know no integers$"):
        climb(refuse="I know no integers").check()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "command: a list of the program and its arguments is needed"),
        ({"command": ["no-such-program"]}, "command: no program 'no-such-program' is installed"),
        ({"command": CLIMB, "timeout_s": 0}, "timeout_s and start_timeout_s must be positive"),
    ],
)
def test_wrong_options_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        searchers()["command"](SMALL, metric="loss", mode="min", seed=0, max_epochs=1, **options)


def test_a_program_that_does_not_speak_the_protocol_is_named() -> None:
    made: Any = searchers()["command"](
        SMALL, metric="loss", mode="min", seed=0, max_epochs=1, command=[sys.executable, "-c", "print('hi')"]
    )
    with pytest.raises(ValueError, match=r"has ended with exit code 0: hi \(log"):
        made.check()


def test_a_strategy_with_a_command_has_any_name() -> None:
    options = {"command": CLIMB}
    assert registry.parse_strategy("mine", options) == registry.Strategy("mine", "command", "fifo")
    assert registry.parse_strategy("mine+asha", options) == registry.Strategy("mine+asha", "command", "asha")
    for name in ("../../mine", "mine\x1b"):
        with pytest.raises(ValueError, match="files are named after it"):
            registry.parse_strategy(name, options)
    with pytest.raises(ValueError, match=r'your own with options: command = \["python", "mine.py"\]'):
        registry.parse_strategy("mine")


SEPARATE = [name for name, plugin in searchers().items() if plugin.programs]


@pytest.mark.slow
class TestSeparate(SearcherContract):
    """Needs uv, a network, Python 3.10 for HEBO, and a minute for each environment the first time."""

    @pytest.fixture(params=SEPARATE)
    def plugin(self, request: pytest.FixtureRequest) -> SearcherPlugin:
        return searchers()[request.param]

    @pytest.fixture
    def options(self, plugin: SearcherPlugin) -> dict[str, Any]:
        return {name: value for name, value in QUICK.items() if name in plugin.options}


@pytest.mark.slow
def test_guesses_move_what_is_drawn() -> None:
    prior = read_prior({"width": {"guess": 2, "confidence": "high"}, "drop": {"guess": 0.05, "confidence": "high"}})
    with_it, without = (
        Session(searchers()["priorband"](SMALL, metric="loss", mode="min", seed=0, max_epochs=9, prior=given)).run(40)
        for given in (prior, {})
    )
    # Half of the draws at the lowest rung are from the prior, whose standard deviation is a large part of the range.
    for name, least in (("width", 1.0), ("drop", 0.025)):
        means = [sum(config[name] for config in configs) / len(configs) for configs in (with_it, without)]
        assert means[0] < means[1] - least


@pytest.mark.slow
def test_differential_evolution_decides_for_how_long_trials_train() -> None:
    study = make_study(strategies=("dehb",), budget=Budget(epochs=72))
    trials = Runner(study, "dehb", workers=1).run().book().trials_table()
    # The brackets of HyperBand with R = 9: 9 at 1, 3 at 3, 1 at 9; 3 at 3, 1 at 9; 3 at 9.
    assert trials["epochs"].tolist() == [1] * 9 + [3] * 3 + [9] + [3] * 3 + [9] + [9] * 3
