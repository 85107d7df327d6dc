"""The brackets of HyperBand (Li et al., 2018, Algorithm 1): their sizes, and the scores of one bracket."""

from __future__ import annotations

from dataclasses import dataclass, field


def plan(max_epochs: int, eta: int) -> list[list[tuple[int, int]]]:
    """The brackets of one HyperBand iteration, most exploring first, each a list of rungs `(trials, epochs)`.

    As in Algorithm 1 with R = `max_epochs`: n = ceil((s_max + 1) / (s + 1) * eta^s), n_i = floor(n / eta^i),
    r_i = R * eta^(i - s), in exact arithmetic. If R is not a power of eta, r_i is rounded to the nearest epoch; the
    rungs stay distinct, since each is at least one epoch from the next, and the last is exactly R.

    Raises:
        ValueError: for an eta below 2 or fewer than one epoch.
    """
    if eta < 2:
        raise ValueError(f"reduction_factor must be at least 2, got {eta}")
    if max_epochs < 1:
        raise ValueError(f"max_epochs must be at least 1, got {max_epochs}")
    s_max = 0
    while eta ** (s_max + 1) <= max_epochs:
        s_max += 1
    return [_rungs(max_epochs, eta, s, s_max) for s in range(s_max, -1, -1)]


def _rungs(max_epochs: int, eta: int, s: int, s_max: int) -> list[tuple[int, int]]:
    n = -(-(s_max + 1) * eta**s // (s + 1))
    # Halves round up, so that 1.5 and 2.5 cannot meet at 2.
    epochs = [(2 * max_epochs + eta ** (s - i)) // (2 * eta ** (s - i)) for i in range(s + 1)]
    return [(n // eta**i, epoch) for i, epoch in enumerate(epochs)]


@dataclass(slots=True)
class Rung:
    """One rung: its epoch, its trials (best first), and their scores."""

    epoch: int
    size: int
    members: list[str] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    halved: bool = False


class Bracket:
    """One run of successive halving; higher scores are better, -inf is a failure.

    A rung is halved only when each of its `size` places has a score or a failure, in any order and at any concurrency.
    A trial that has ended keeps its place with its final score.
    """

    def __init__(self, rungs: list[tuple[int, int]], eta: int) -> None:
        self.rungs = [Rung(epoch, size) for size, epoch in rungs]
        self.eta = eta
        self._stage: dict[str, int] = {}
        self._ended: dict[str, float] = {}

    @property
    def full(self) -> bool:
        return len(self.rungs[0].members) >= self.rungs[0].size

    def add(self, trial_id: str) -> None:
        self.rungs[0].members.append(trial_id)
        self._stage[trial_id] = 0

    def rung_of(self, trial_id: str) -> Rung | None:
        """The rung that the trial trains towards or waits at; None once it has been eliminated."""
        stage = self._stage.get(trial_id)
        return None if stage is None else self.rungs[stage]

    def promoted(self) -> list[str]:
        """Trials that were promoted to a rung and have no score there yet, deepest rung first, best first."""
        later = reversed(self.rungs[1:])
        return [trial for rung in later for trial in rung.members if trial not in rung.scores]

    def record(self, trial_id: str, score: float) -> list[str]:
        """Enters the trial's score at its rung; returns the trials that this eliminates."""
        rung = self.rung_of(trial_id)
        assert rung is not None
        rung.scores[trial_id] = score
        return self._settle()

    def end(self, trial_id: str, score: float) -> list[str]:
        """Ends the trial: `score` counts at its rung and at every rung it is still promoted to."""
        if trial_id not in self._stage or trial_id in self._ended:
            return []
        self._ended[trial_id] = score
        return self.record(trial_id, score)

    def close(self) -> list[str]:
        """Closes the bracket: it continues with the trials it has, divided by eta at each rung, at least one."""
        base = len(self.rungs[0].members)
        if self.full or not base:
            return []
        for i, rung in enumerate(self.rungs):
            rung.size = max(1, base // self.eta**i)
        return self._settle()

    def _settle(self) -> list[str]:
        """Halves every rung that is full; one pass suffices, since promotion only fills later rungs."""
        out: list[str] = []
        for stage, rung in enumerate(self.rungs[:-1]):
            if not rung.halved and len(rung.scores) >= rung.size:
                out += self._halve(stage)
        return [trial for trial in out if trial not in self._ended]

    def _halve(self, stage: int) -> list[str]:
        rung, above = self.rungs[stage], self.rungs[stage + 1]
        rung.halved = True
        ranked = sorted(rung.scores, key=lambda trial: -rung.scores[trial])
        above.members = ranked[: above.size]
        for trial in above.members:
            self._stage[trial] = stage + 1
            if trial in self._ended:
                above.scores[trial] = self._ended[trial]
        for trial in ranked[above.size :]:
            del self._stage[trial]
        return ranked[above.size :]

    def __repr__(self) -> str:
        return " > ".join(f"{len(rung.scores)}/{rung.size}@{rung.epoch}" for rung in self.rungs)
