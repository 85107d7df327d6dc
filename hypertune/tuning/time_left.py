"""Estimates a study's remaining time from its budget and from the pace of its epochs in the current run."""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypertune.records.live import Status
from hypertune.records.records import Event, handle, improves
from hypertune.study.study import Study


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that are left; `least` where a part that cannot be estimated yet comes on top, `most` where it may end
    before."""

    seconds: float
    least: bool = False
    most: bool = False

    def text(self, now: datetime) -> str:
        """The estimate in words, e.g. `about 3 min left, until 14:32`, with the date if that is not today."""
        end = now + timedelta(seconds=self.seconds)
        clock = f"{end:%H:%M}" if end.date() == now.date() else f"{end:%Y-%m-%d %H:%M}"
        if self.least:
            return f"at least {rough(self.seconds)} left, until {clock} or later"
        return f"{'at most ' if self.most else ''}about {rough(self.seconds)} left, until {clock}"


def rough(seconds: float) -> str:
    """A duration, rounded as suits an estimate: `40 s`, `3 min`, `2 h 05 min`, `3 d 4 h`."""
    if seconds < 100:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def so_far(status: Status) -> str:
    """How far a running study is, and about how long it will take if that is known: `25%, about 10 min left`."""
    left = f", about {rough(status.left_s)} left" if status.left_s is not None else ""
    return f"{status.progress:.0%}{left}"


class Pace:
    """The duration of one unit of work (an epoch or a retraining) when several are under way at the same time.

    A unit under way counts by the elapsed share of a unit's usual duration. Otherwise, when the first of a hundred
    workers finishes a unit, the others would look idle.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._began = clock, clock()
        self._since: dict[object, float] = {}
        self._seconds, self.done = 0.0, 0

    def begin(self, key: object) -> None:
        self._since[key] = self._clock()

    def end(self, key: object) -> None:
        self._since.pop(key, None)

    def advance(self, key: object, units: int = 1) -> None:
        """Adds finished units to `key`, which is under way."""
        now = self._clock()
        self._seconds += now - self._since.get(key, now)
        self._since[key] = now
        self.done += units

    def restart(self) -> None:
        """Forgets finished units, but not those under way."""
        self._began, self._seconds, self.done = self._clock(), 0.0, 0
        self._since = dict.fromkeys(self._since, self._began)

    def seconds_of_one(self) -> float | None:
        """Seconds per unit of one worker; None before the first unit is finished."""
        return self._seconds / self.done if self.done else None

    def under_way(self, one: float | None) -> float:
        """Unfinished units, each counted in part, if one takes `one` seconds."""
        now = self._clock()
        return sum(min((now - since) / one, 1.0) for since in self._since.values()) if one else 0.0

    def seconds(self, units: float) -> float | None:
        """Seconds that all workers together take for the next `units`; None before the first unit is finished."""
        if not self.done:
            return None
        under_way = self.under_way(self.seconds_of_one())
        return max(units - under_way, 0.0) * (self._clock() - self._began) / (self.done + under_way)


class TimeLeft:
    """Follows a study's events and estimates the remaining time, including its retrainings.

    A resumed study begins with past events, as many as `connected` says: they count as finished work, but not for the
    pace.

    Args:
        clock: seconds since some fixed moment.
    """

    def __init__(self, study: Study, clock: Callable[[], float]) -> None:
        self.study, self.clock = study, clock
        self.past = 0
        self._workers = 1
        self._pace = Pace(clock)
        self._current: tuple[str, int] | None = None
        self._wall_s, self._wall_at = 0.0, 0.0
        self._epochs: Counter[tuple[str, int]] = Counter()
        self._ended: Counter[str] = Counter()
        self._finished: set[tuple[str, int]] = set()
        self._owner: dict[str, tuple[str, int]] = {}
        self._incumbent: dict[tuple[str, int], tuple[float, int]] = {}
        self._jobs: int | None = None
        self._retraining, self._under_way = Pace(clock), deque[int]()

    def __call__(self, event: Event) -> None:
        handle(self, event)
        if self.past and event["event"] != "connected":
            self.past -= 1
            if not self.past:
                self._wall_at = self.clock()
                self._pace.restart()
                self._retraining.restart()

    def estimate(self) -> Estimate | None:
        """What is left; None while nothing is known, which is before the first epoch but for a budget of seconds."""
        known = self._estimate()
        return dataclasses.replace(known, most=True, least=False) if known and self.study.until_decided else known

    def _estimate(self) -> Estimate | None:
        if self._jobs is not None and not self.study.until_decided:
            return self._of_jobs(self._jobs, self._retraining.seconds_of_one() or self._seconds_of_job())
        sweeps, after = self._of_sweeps(), self._of_retraining()
        if sweeps is None:
            return None
        return Estimate(sweeps, least=True) if after is None else Estimate(sweeps + after.seconds)

    # Events ------------------------------------------------------------------------------------------------------

    def _on_connected(self, event: Event) -> None:
        self._workers, self.past = event["workers"], event.get("past", 0)

    def _on_workers(self, event: Event) -> None:
        if not self.past:  # a resumed study has those of its own cluster
            self._workers = max(event["workers"], 1)
            self._pace.restart()
            self._retraining.restart()

    def _on_sweep(self, event: Event) -> None:
        if self._current is None and not self._finished:
            self._pace.restart()  # Ray's start is over
        self._jobs = None  # a study that runs until decided goes on after a retraining
        self._current = (event["strategy"], event["seed"])
        if not self.past:
            self._workers = event["workers"]
        self._wall_s, self._wall_at = 0.0, self.clock()

    def _on_resumed(self, event: Event) -> None:
        self._pace.restart()
        self._wall_at = self.clock()

    def _on_trial(self, event: Event) -> None:
        self._owner[event["trial_id"]] = (event["strategy"], event["seed"])
        self._pace.begin(event["trial_id"])

    def _on_epoch(self, event: Event) -> None:
        sweep = self._owner.get(event["trial_id"])
        if sweep is None:
            return
        self._spend(event["trial_id"], sweep, event["spent"])
        self._wall_s, self._wall_at = event["wall_s"], self.clock()
        value = event["metrics"].get(self.study.metric)
        best = self._incumbent.get(sweep)
        if improves(value, best[0] if best else None, self.study.mode):
            self._incumbent[sweep] = (value, event["epoch"])

    def _spend(self, trial_id: str, sweep: tuple[str, int], epochs: int) -> None:
        self._epochs[sweep] += epochs
        if epochs:
            self._pace.advance(trial_id, epochs)

    def _on_pause(self, event: Event) -> None:
        self._pace.end(event["trial_id"])

    def _on_unpause(self, event: Event) -> None:
        self._pace.begin(event["trial_id"])

    def _on_end(self, event: Event) -> None:
        sweep = self._owner.pop(event["trial_id"], None)
        if sweep is not None:
            self._ended[sweep[0]] += 1
            self._spend(event["trial_id"], sweep, event.get("spent", 0))
            self._pace.end(event["trial_id"])

    def _on_done(self, event: Event) -> None:
        self._finished.add((event["strategy"], event["seed"]))
        self._current = None

    def _on_retraining(self, event: Event) -> None:
        self._jobs, self._retraining = event["jobs"], Pace(self.clock)
        self._under_way = deque(range(min(self._workers, self._jobs)))
        for key in self._under_way:
            self._retraining.begin(key)

    def _on_retrained(self, event: Event) -> None:
        """Ends the retraining that began first, whichever it was, and begins the next one."""
        if not self._jobs:
            return
        self._jobs -= 1
        key = self._under_way.popleft()
        self._retraining.advance(key)
        if self._jobs > len(self._under_way):
            self._under_way.append(key)
        else:
            self._retraining.end(key)

    # Estimates ---------------------------------------------------------------------------------------------------

    def _of_sweeps(self) -> float | None:
        sweeps = [(name, seed) for name in self.study.strategies for seed in self.study.seeds]
        left = [sweep for sweep in sweeps if sweep not in self._finished]
        if self.study.budget.unit == "seconds":
            spent = min(self._wall(), self.study.budget.amount)
            return len(left) * self.study.budget.amount - spent
        if not left:
            return 0.0
        epochs = sum(max(self._epochs_of(name) - self._epochs[name, seed], 0.0) for name, seed in left)
        return self._pace.seconds(epochs)

    def _wall(self) -> float:
        return self._wall_s + self.clock() - self._wall_at if self._current is not None else 0.0

    def _epochs_of(self, strategy: str) -> float:
        """Epochs in a sweep of the strategy; for a budget of trials, estimated from its trials so far."""
        budget, most = self.study.budget, self.study.training.max_epochs
        if budget.unit == "epochs":
            return budget.amount
        spent = sum(epochs for (name, _), epochs in self._epochs.items() if name == strategy)
        ended = self._ended[strategy]
        return budget.amount * (min(spent / ended, most) if ended else most)

    def _of_retraining(self) -> Estimate | None:
        """The remaining time of the retrainings."""
        if self.study.training.dataset is None:  # only the built-in models have a data set and are retrained
            return Estimate(0.0)
        jobs = self.study.retrain * len(self.study.strategies) * len(self.study.seeds) or 1
        return self._of_jobs(jobs, self._seconds_of_job())

    def _seconds_of_job(self) -> float | None:
        """Seconds of a retraining, from the pace of epochs and the incumbents' best epochs."""
        epochs = [self._incumbent[sweep][1] for sweep in self._finished if sweep in self._incumbent]
        mean = sum(epochs) / len(epochs) if epochs else self.study.training.max_epochs
        one = self._pace.seconds_of_one()
        return one * mean if one is not None else None

    def _of_jobs(self, jobs: int, one: float | None) -> Estimate | None:
        if one is None:
            return None
        left = max(jobs - self._retraining.under_way(one), 0.0)
        return Estimate(left * one / max(min(self._workers, jobs), 1))
