"""How many workers a study has, on a cluster whose nodes come and go, and how it asks an autoscaler for more.

Ray Tune asks for a place only for trials that it has been given, and a sweep gives it no more of them than there are
workers, since a searcher learns nothing from trials that wait. So nothing would ever make a cluster grow. The request
for more is a number of placement groups that wait for a place; every autoscaler of Ray meets those.

`ray.autoscaler.sdk.request_resources` is not used: it holds one request for the whole cluster, so that two studies
would overwrite each other's, and the request of a driver that was killed stays. Placement groups go with their driver.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ray.tune import Callback
from ray.util import placement_group_table, remove_placement_group

from hypertune.study.extent import most_at_once
from hypertune.study.study import Study
from hypertune.tuning.placement import Placement
from hypertune.tuning.ray_internals import autoscaled, live_workers
from hypertune.tuning.watchdog import RayDied

LOOK_EVERY_S = 1.0
"""Seconds between two looks at the nodes."""
AT_A_TIME = 8
"""Workers that are asked for at the same time, at least; as many again as there are, where that is more."""
ANY = 2**31
"""A number of workers without a limit: the cluster's own is what counts."""


class Request:
    """Asks an autoscaler for more workers, as long as it is not let go of."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self._groups: list[Any] = []

    def ask(self, count: int) -> None:
        """Asks for so many workers in all that the cluster has no room for yet.

        A group that has got a place gives it up at once to the trial that will use it.
        """
        table = placement_group_table() if self._groups else {}
        kept: list[Any] = []
        for group in self._groups:
            if len(kept) < count and table.get(group.id.hex(), {}).get("state") != "CREATED":
                kept.append(group)
            else:
                remove_placement_group(group)
        self._groups = kept

    def more(self, count: int) -> None:
        """Adds to what is asked for, up to so many."""
        while len(self._groups) < count:
            self._groups.append(self._placement.of(None).to_placement_group())

    def release(self) -> None:
        """Asks for nothing any more."""
        self.ask(0)


class Growth(Callback):
    """Follows the number of workers while a study runs, and asks for more where the study could keep them busy.

    Args:
        now: the workers that the study begins with.
        changed: called with the number of workers whenever it has changed; 0 while no node can run a trial.
        controller: returns Ray Tune's controller, None before the first trial.
    """

    def __init__(
        self,
        study: Study,
        placement: Placement,
        now: int,
        *,
        changed: Callable[[int], None],
        controller: Callable[[], Any],
    ) -> None:
        super().__init__()
        self._placement, self._changed, self._controller = placement, changed, controller
        self._request, self._grows = Request(placement), placement.grows and autoscaled()
        self._most = most_wanted(study)
        self._now, self._due = now, 0.0

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Called several times a second."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LOOK_EVERY_S
        if self._controller() is None:
            return
        room = self._placement.room()
        if room != self._now:
            self._now = room
            self._changed(room)
        if self._grows:
            self._ask(sum(trial.status == "PENDING" for trial in trials))

    def _ask(self, pending: int) -> None:
        """Asks for what is missing beyond the trials that wait for a place themselves."""
        missing = min(max(self._most - self._now - pending, 0), max(AT_A_TIME, self._now))
        self._request.ask(missing)
        # Not before the workers have taken the places that there are: the request would take one.
        if live_workers(self._controller()) >= self._now:
            self._request.more(missing)

    def __enter__(self) -> Growth:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not RayDied:  # which has forgotten the request, and would not answer
            self._request.release()


def most_wanted(study: Study) -> int:
    """The workers that an autoscaler is asked for: not more than a sweep can keep busy."""
    return min(most_at_once(study) or ANY, study.budget.epochs or study.budget.trials or ANY)


def await_room(placement: Placement, tell: Callable[[str], None]) -> None:
    """Waits until an autoscaler has brought a node that can run a trial; at once over where there is no autoscaler.

    Args:
        tell: called once with a line that says what is waited for.
    """
    if not autoscaled():
        return
    tell(f"No node can run a trial yet: waiting for one with {placement.told()}; `ray status` on the head shows why")
    request = Request(placement)
    try:
        while not placement.room():
            request.ask(1)
            request.more(1)
            time.sleep(LOOK_EVERY_S)
    finally:
        request.release()
