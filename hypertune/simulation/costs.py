"""What a simulated cluster charges for: everything but the training itself, which the recorded curves know."""

from __future__ import annotations

import difflib
import math
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """Seconds and rates of a simulated cluster.

    The defaults are Ray Tune's own, measured with trials of no work on a 2-core machine with reused actors.

    Raises:
        ValueError: naming the option that is out of range.
    """

    decision_s: float | None = 0.005
    """The driver's seconds for each suggestion; one is made at a time. None measures what the searcher and scheduler
    really take, which is no longer repeatable."""
    start_s: float = 0.01
    """From a trial being given to a worker to its first epoch."""
    report_s: float = 0.004
    """From an epoch's end until the driver's answer is back."""
    pause_s: float = 0.01
    """Saving a trial that is paused; the worker is busy with it."""
    resume_s: float = 0.01
    """Restoring a paused or interrupted trial, on top of `start_s`."""
    straggler_share: float = 0.0
    """Share of the starts and resumes that meet a slow worker, which stays slow until the trial leaves it."""
    straggler_factor: float = 3.0
    """How many times as long an epoch takes there."""
    failures_per_hour: float = 0.0
    """How often a worker dies, per hour of training; the epoch it was in is trained again."""
    restart_s: float = 12.0
    """Until a trial whose worker died is up again elsewhere."""
    retries: int = 2
    """How often a trial is tried again after its worker died; the next time it fails."""
    speeds: tuple[float, ...] = (1.0,)
    """Speeds of the workers relative to the recording machine, dealt out in turn: (1.0, 0.5) makes every second one
    half as fast."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, float | int) and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"--costs: {name} has to be 0 or more, got {value:g}")
        if self.straggler_share > 1:
            raise ValueError(f"--costs: straggler_share has to be from 0 to 1, got {self.straggler_share:g}")
        if self.straggler_factor < 1:
            raise ValueError(f"--costs: straggler_factor has to be 1 or more, got {self.straggler_factor:g}")
        if not self.speeds or not all(math.isfinite(speed) and speed > 0 for speed in self.speeds):
            raise ValueError(f"--costs: speeds have to be above 0, got {':'.join(f'{s:g}' for s in self.speeds)}")

    @property
    def by_chance(self) -> bool:
        """Whether anything is drawn at random."""
        return self.straggler_share > 0 or self.failures_per_hour > 0

    def to_dict(self) -> dict[str, Any]:
        """For `provenance.json`."""
        return asdict(self)


def parse_costs(text: str | None) -> Costs:
    """Costs as the command line gives them, e.g. `decision_s=measured,start_s=4,speeds=1:0.5`.

    Raises:
        ValueError: for an unknown name or a value that is none.
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
        raise ValueError(f"--costs: {name} is a number, got {value!r}") from None


NAMES = tuple(field.name for field in fields(Costs))
