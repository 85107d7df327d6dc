"""Overheads of a simulated cluster: all costs except training itself, which is in the recorded curves."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass, fields
from typing import Any

MOST = 1e9
"""Largest number; as seconds, 30 years. The sum of all stays finite, and virtual time a date."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """Seconds and rates of a simulated cluster.

    The defaults were measured on Ray Tune with empty trials on a 2-core machine with reused actors.

    Raises:
        ValueError: naming the option that is out of range.
    """

    decision_s: float | None = 0.005
    """Seconds of the driver per suggestion, made one at a time. None measures the real time of searcher and scheduler,
    which is not reproducible."""
    start_s: float = 0.01
    """From the assignment of a trial to a worker until its first epoch."""
    report_s: float = 0.004
    """Seconds of the driver per report, handled one at a time; the trial waits for the answer."""
    batched_s: float = 0.0003
    """Seconds of the driver per further report that the trial sends together with one; see `sweep.batches`."""
    pause_s: float = 0.01
    """Saving a paused trial, during which its worker is busy and the trial cannot go on elsewhere."""
    resume_s: float = 0.01
    """Restoring a paused or interrupted trial, on top of `start_s`."""
    straggler_share: float = 0.0
    """Share of starts and resumes on a slow worker, which stays slow until the trial leaves it."""
    straggler_factor: float = 3.0
    """Factor on the duration of an epoch on a slow worker."""
    failures_per_hour: float = 0.0
    """Deaths of a worker per hour of training; the interrupted epoch is trained again."""
    restart_s: float = 12.0
    """Until a trial whose worker died is restarted on another worker."""
    retries: int = 2
    """How often a trial is retried after its worker died; then it fails."""
    speeds: tuple[float, ...] = (1.0,)
    """Speeds of the workers relative to the recording machine, assigned in turn: (1.0, 0.5) makes every second one half
    as fast."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, float | int) and not 0 <= value <= MOST:
                raise ValueError(f"--costs: {name} must be from 0 to {MOST:g}, got {value:g}")
        if self.straggler_share > 1:
            raise ValueError(f"--costs: straggler_share must be from 0 to 1, got {self.straggler_share:g}")
        if self.straggler_factor < 1:
            raise ValueError(f"--costs: straggler_factor must be 1 or more, got {self.straggler_factor:g}")
        if not self.speeds or not all(1 / MOST <= speed <= MOST for speed in self.speeds):
            raise ValueError(
                f"--costs: speeds must be above 0 and at most {MOST:g}, got {':'.join(f'{s:g}' for s in self.speeds)}"
            )

    @property
    def by_chance(self) -> bool:
        """Whether anything is drawn at random."""
        return self.straggler_share > 0 or self.failures_per_hour > 0

    def to_dict(self) -> dict[str, Any]:
        """For `provenance.json`."""
        return asdict(self)


def parse_costs(text: str | None) -> Costs:
    """Reads costs from the command line, e.g. `decision_s=measured,start_s=4,speeds=1:0.5`.

    Raises:
        ValueError: for an unknown name or a wrong value.
    """
    given: dict[str, Any] = {}
    for entry in filter(None, (text or "").split(",")):
        name, _, value = (part.strip() for part in entry.partition("="))
        if name not in NAMES:
            close = difflib.get_close_matches(name, NAMES, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(NAMES)}"
            raise ValueError(f"--costs: unknown cost {name!r}; {hint}")
        given[name] = _value(name, value)
    return Costs(**given)


def _value(name: str, value: str) -> Any:
    if (name, value) == ("decision_s", "measured"):
        return None
    try:
        if name == "speeds":
            return tuple(float(speed) for speed in value.split(":"))
        return int(value) if name == "retries" else float(value)
    except ValueError:
        whole = "whole " * (name == "retries")
        raise ValueError(f"--costs: {name} must be a {whole}number, got {value!r}") from None


NAMES = tuple(field.name for field in fields(Costs))
