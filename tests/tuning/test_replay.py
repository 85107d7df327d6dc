"""Resume: a sweep interrupted after any event continues exactly as without the interruption."""

from __future__ import annotations

import warnings

import pytest

from hypertune.space.space import Space
from hypertune.sweep.trial import StubTrial
from hypertune.tuning.recording import as_recorded
from hypertune.tuning.replay import replay
from tests.sweep.scripted import SPACE, Runner, make_study
from tests.sweep.test_sweep import STEPS, jumping

STRATEGIES = ["random", "asha", "hyperband", "hyperopt", "optuna", "bayes", "hyperopt+asha", "pbt", "hyperopt+pb2"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("cut", [1, 2, 9, 23, 41, 60])
def test_a_replayed_sweep_goes_on_as_the_undisturbed_one(strategy: str, cut: int) -> None:
    study = make_study(strategies=(strategy,))
    undisturbed = Runner(study, strategy, workers=1).run()
    journal = undisturbed.events[:cut]

    resumed = Runner(study, strategy, workers=1)
    resumed.now = undisturbed.now
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unfinished, wall_s = replay(resumed.sweep, journal, StubTrial)
    resumed.trials = {trial.trial.trial_id: trial.trial for trial in unfinished}
    for trial in unfinished:
        trial.trial.status = "PAUSED" if trial.paused else "RUNNING"
    resumed.events = list(journal) + resumed.events
    resumed.sweep.emit = resumed.events.append
    for trial in unfinished:
        if trial.unsaved:  # the driver trains it up to its pause once more
            resumed.sweep.checkpointed(trial.trial.trial_id, "x")
    continue_from(resumed, wall_s)

    assert resumed.book().trials_table().equals(undisturbed.book().trials_table())


def continue_from(runner: Runner, wall_s: float) -> None:
    """Runs the sweep to its end, the clock going on where the journal stopped."""
    runner.now = wall_s
    runner.run(wall_s=wall_s or 1e-9)


def test_an_end_that_the_kill_kept_out_of_the_journal_is_written() -> None:
    study = make_study()
    events = Runner(study, "random", workers=1).run().events
    last_epoch = max(n for n, event in enumerate(events) if event["event"] == "epoch" and event["epoch"] == 9)
    resumed = Runner(study, "random", workers=1)
    unfinished, _ = replay(resumed.sweep, events[: last_epoch + 1], StubTrial)
    assert unfinished == []
    assert [(event["event"], event["status"]) for event in resumed.events] == [("end", "completed")]


def test_a_searcher_that_does_not_repeat_itself_is_reported() -> None:
    study = make_study()
    events = Runner(study, "random", seed=0).run().events
    other = Runner(study, "random", seed=1)
    with pytest.warns(RuntimeWarning, match="does not repeat its suggestions"):
        replay(other.sweep, events[:10], StubTrial)


def test_a_constant_that_json_cannot_hold_is_the_same_again() -> None:
    """A tuple comes back from the journal as a list; the searcher still repeats itself, and the trial has its tuple."""
    study = make_study(space=Space({**SPACE.entries, "betas": (0.9, 0.999)}))
    events = Runner(study, "random").run().events
    resumed = Runner(study, "random")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unfinished, _ = replay(resumed.sweep, as_recorded(events[:3]), StubTrial)
    assert unfinished[0].trial.config["betas"] == (0.9, 0.999)


@pytest.mark.parametrize("steps", STEPS, ids=str)
def test_what_trials_were_charged_for_besides_their_reports_is_charged_again(steps: list[int]) -> None:
    runner = jumping(steps, 2)
    before, again = runner.sweep, Runner(runner.study, "random", workers=2).sweep
    assert replay(again, runner.events, StubTrial)[0] == []
    assert again.spent_epochs == before.spent_epochs
    assert [state.status for state in again.trials.values()] == [state.status for state in before.trials.values()]
