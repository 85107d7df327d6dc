"""The remaining stages of a study: an interrupted sweep, new sweeps, and the retrainings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from hypertune.records.facts import Ask
from hypertune.records.records import Event, improves
from hypertune.storage.files import now
from hypertune.strategies.checks import build
from hypertune.study.study import Study
from hypertune.sweep.retraining import FIRST_SEED, Incumbent, Job, Retraining
from hypertune.sweep.strategy import Clocks
from hypertune.sweep.sweep import Sweep
from hypertune.sweep.trial import Checkpoint
from hypertune.tuning.queue import Begun, MakeTrial, StartStage
from hypertune.tuning.recording import Recorder
from hypertune.tuning.replay import Unfinished, replay
from hypertune.tuning.weights import Weights


class Stages:
    """Plans the rest of a study from its journal.

    Args:
        recorder: the study's records so far.
        workers: trials that the cluster can run at the same time; follows it as it grows and shrinks.
        emit: receives every event.
        weights: the winner's; None for a trainable that cannot be retrained and scored on a test split.
        ask: asks of a study that runs until decided whether it is.
    """

    def __init__(
        self,
        study: Study,
        recorder: Recorder,
        *,
        workers: int,
        emit: Callable[[Event], None],
        weights: Weights | None,
        ask: Ask | None = None,
    ) -> None:
        self.study, self.recorder, self._ask = study, recorder, ask
        self.workers, self.emit, self._weights = workers, emit, weights

    def resize(self, workers: int) -> None:
        """Has the stages that follow begin with so many workers, or with one where there are none."""
        self.workers = max(workers, 1)

    def plan(self) -> list[StartStage]:
        """Functions that start each stage, seed by seed, so that a study cut short has complete pairs to compare."""
        if self.study.until_decided and self._ask is not None:
            return self._plan_until_decided(self._ask)
        rows = self.recorder.book.sweeps
        order = [(strategy, seed) for seed in self.study.seeds for strategy in self.study.strategies]
        left = [key for key in order if not (key in rows and rows[key]["finished"])]
        # An interrupted sweep goes first.
        left.sort(key=lambda key: key not in rows)
        stages: list[StartStage] = [partial(self._resumed if key in rows else self._fresh, *key) for key in left]
        return [*stages, self._retraining] if left or self._jobs() else []

    def _plan_until_decided(self, ask: Ask) -> list[StartStage]:
        """Seed by seed: the sweeps, the retraining of what they found, the question; whatever is no longer called for
        when its turn comes is skipped."""
        rows = self.recorder.book.sweeps
        if not self._goes_on() and not self._jobs():
            return []
        stages: list[StartStage] = []
        for count, seed in enumerate(self.study.seeds, 1):
            for strategy in self.study.strategies:
                if (strategy, seed) not in rows:
                    stages.append(partial(self._if_wanted, strategy, seed))
                elif not rows[strategy, seed]["finished"]:
                    stages.append(partial(self._resumed, strategy, seed))
            stages += [self._retraining_so_far, partial(self._look, ask, count)]
        return [*stages, self._retraining]

    def _goes_on(self) -> bool:
        looks = self.recorder.book.looks
        return not (looks and looks[-1]["ended"])

    def _if_wanted(self, strategy: str, seed: int, make_trial: MakeTrial) -> Begun | None:
        dropped = {name for look in self.recorder.book.looks for name in look["dropped"]}
        return self._fresh(strategy, seed, make_trial) if self._goes_on() and strategy not in dropped else None

    def _look(self, ask: Ask, count: int, make_trial: MakeTrial) -> None:
        """Asks the question after so many seeds, unless it has been asked; of strategies that were added only once they
        have run with all seeds that the question was asked of before."""
        looks = self.recorder.book.looks
        before = max((look["seeds"] for look in looks if look.get("before_extension")), default=0)
        since = max((look["seeds"] for look in looks if not look.get("before_extension")), default=0)
        if self._goes_on() and count > since and count >= before:
            self.emit({**ask(self.recorder.book.records()), "at": now()})

    def _sweep(self, strategy: str, seed: int) -> Sweep:
        built = build(self.study, strategy, seed)
        return Sweep(self.study, built, workers=self.workers, emit=self.emit, clocks=Clocks(stamp=now))

    def _fresh(self, strategy: str, seed: int, make_trial: MakeTrial) -> Begun:
        sweep = self._sweep(strategy, seed)
        sweep.begin()
        return Begun(sweep)

    def _resumed(self, strategy: str, seed: int, make_trial: MakeTrial) -> Begun:
        sweep = self._sweep(strategy, seed)
        events = [event for event in self.recorder.past if self._belongs(event, strategy, seed)]
        checkpoints = {event["trial_id"]: event for event in events if event["event"] == "checkpoint"}

        def make(trial_id: str, config: dict[str, Any]) -> Any:
            event = checkpoints.get(trial_id)
            saved = Checkpoint(event["path"], event["epoch"], event["elapsed_s"]) if event else sweep.origin(trial_id)
            return make_trial(sweep, trial_id, config, saved)

        unfinished, wall_s = replay(sweep, events, make)
        sweep.begin(wall_s)
        facts = {"workers": self.workers, "wall_s": wall_s, "at": now()}
        self.emit({"event": "resumed", "strategy": strategy, "seed": seed, **facts})
        return Begun(sweep, [_requeued(trial) for trial in unfinished])

    def _belongs(self, event: Event, strategy: str, seed: int) -> bool:
        if "strategy" in event:
            return (event["strategy"], event["seed"]) == (strategy, seed) and event["event"] != "retrained"
        row = self.recorder.book.trials.get(event.get("trial_id", ""))
        return row is not None and (row["strategy"], row["seed"]) == (strategy, seed)

    # Retraining --------------------------------------------------------------------------------------------------

    def _retraining(self, make_trial: MakeTrial) -> Begun | None:
        return self._retrain(self._jobs())

    def _retraining_so_far(self, make_trial: MakeTrial) -> Begun | None:
        """What the question needs: test scores of the incumbents. Which one is the overall winner shows at the end."""
        return self._retrain(self._jobs(winner=False) if self._goes_on() else [])

    def _retrain(self, jobs: list[Job]) -> Begun | None:
        if not jobs:
            return None
        if self._weights is not None and any(job.model_path for job in jobs):
            self._weights.remove()  # of an earlier winner
        stage = Retraining(self.study, jobs, workers=self.workers, emit=self.emit)
        stage.begin()
        return Begun(stage)

    def _jobs(self, *, winner: bool = True) -> list[Job]:
        """The retrainings still to be done; with `winner` the weights of the study's best are kept, too."""
        if self._weights is None:
            return []
        incumbents = self._incumbents()
        best = self._best(incumbents) if winner else None
        if best is not None and self._weights.are_of(best.trial_id):
            best = None
        done = {(row["strategy"], row["seed"], row["retrain_seed"]) for row in self.recorder.book.retrained}
        jobs = []
        for incumbent in incumbents:
            for retrain_seed in range(FIRST_SEED, FIRST_SEED + self.study.retrain):
                model_path = self._weights.place if incumbent is best and retrain_seed == FIRST_SEED else None
                known = (incumbent.strategy, incumbent.seed, retrain_seed) in done
                if model_path or not known:
                    jobs.append(Job(incumbent, retrain_seed, model_path, test=not known, repeated=known))
        if not self.study.retrain and best is not None:
            jobs.append(Job(best, FIRST_SEED, self._weights.place, test=False))
        return jobs

    def settle(self) -> None:
        """At the end of a run, however it ended: keeps no other weights than those of the best so far."""
        if self._weights is not None:
            best = self._best(self._incumbents())
            self._weights.settle(best.trial_id if best else None)

    def _incumbents(self) -> list[Incumbent]:
        book = self.recorder.book
        rows = (book.trials[row["incumbent"]] for row in book.sweeps.values() if row["incumbent"])
        return [
            Incumbent(
                row["strategy"],
                row["seed"],
                row["trial_id"],
                self.study.space.original(book.configs[row["trial_id"]]),
                row["best_epoch"],
                [
                    (epoch, self.study.space.original(config))
                    for epoch, config in book.lineage.schedule(row["trial_id"], book.configs)
                ],
            )
            for row in rows
        ]

    def _best(self, incumbents: list[Incumbent]) -> Incumbent | None:
        best, best_value = None, None
        for incumbent in incumbents:
            value = self.recorder.book.trials[incumbent.trial_id][self.study.metric]
            if improves(value, best_value, self.study.mode):
                best, best_value = incumbent, value
        return best


def _requeued(unfinished: Unfinished) -> Any:
    """The trial in the state in which Ray's controller takes it up again: to be started, or paused."""
    unfinished.trial.set_status("PAUSED" if unfinished.paused and not unfinished.unsaved else "PENDING")
    return unfinished.trial
